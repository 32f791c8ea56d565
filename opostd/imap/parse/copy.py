"""COPY, MOVE, UID EXPUNGE (RFC 9051 6.4.7, 6.4.8; RFC 4315 2.1)."""

from opostd.imap.values.commands import Copy, UidExpunge
from opostd.imap.wire.cursor import Cursor


def parse_copy(args: Cursor, *, by_uid: bool) -> Copy:
    """``SP sequence-set SP mailbox``: COPY, MOVE and their UID forms."""
    numbers = args.sp().sequence_set()
    name = args.sp().mailbox()
    args.end()
    return Copy(numbers, name, by_uid)


def parse_uid_expunge(args: Cursor) -> UidExpunge:
    """``SP sequence-set``."""
    numbers = args.sp().sequence_set()
    args.end()
    return UidExpunge(numbers)
