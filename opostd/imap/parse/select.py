"""SELECT, EXAMINE (RFC 9051 6.3.2, 6.3.3)."""

from opostd.imap.values.commands import Select
from opostd.imap.wire.cursor import Cursor


def parse_select(args: Cursor) -> Select:
    """``SP mailbox``; parameters (RFC 4466) belong to extensions that are not announced."""
    name = args.sp().mailbox()
    args.end()
    return Select(name)
