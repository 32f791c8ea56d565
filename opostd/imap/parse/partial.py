"""``partial-range`` of PARTIAL (RFC 9394 4), for SEARCH, SORT and UID FETCH."""

import re

from opostd.imap.values.sets import MAX_NUMBER, Partial
from opostd.imap.wire.cursor import Cursor

_RANGE = re.compile(rb"(-?)([1-9][0-9]{0,9}):(-?)([1-9][0-9]{0,9})(?![0-9])")


def parse_partial(args: Cursor) -> Partial:
    """``1:500``, or ``-1:-500`` from the end; never one end of each."""
    at = args.at
    sign, first, other_sign, last = args.match(_RANGE, "a range such as 1:500 or -1:-500").groups()
    if sign != other_sign or max(int(first), int(last)) > MAX_NUMBER:
        args.fail("both ends from the same side, below 2**32", at)
    return (-int(first), -int(last)) if sign else (int(first), int(last))
