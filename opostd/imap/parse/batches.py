"""UIDBATCHES (RFC 10022 3.1)."""

from opostd.imap.values.batches import UidBatches
from opostd.imap.wire.cursor import Cursor


def parse_uidbatches(args: Cursor) -> UidBatches:
    """``SP nz-number [SP nz-number ":" nz-number]``."""
    size = args.sp().nz_number()
    batches: tuple[int, int] | None = None
    if args.take(b" ") and args.peek() not in (b"", b" "):
        first = args.nz_number()
        last = args.expect(b":").nz_number()
        batches = (min(first, last), max(first, last))
    args.end()
    return UidBatches(size, batches)
