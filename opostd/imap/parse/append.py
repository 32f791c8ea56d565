"""APPEND (RFC 9051 6.3.12)."""

from opostd.imap.values.commands import Append
from opostd.imap.wire.cursor import Cursor
from opostd.model.errors import BadMessage
from opostd.model.flags import Flags


def parse_append(args: Cursor) -> Append:
    """``SP mailbox [SP flag-list] [SP date-time] SP literal``.

    Raises BadMessage for a message of no octets: a client sends it where it has changed its mind (RFC 3502 6.3.11).
    """
    name = args.sp().mailbox()
    args.sp()
    flags = Flags()
    internaldate: int | None = None
    if args.peek() == b"(":
        flags = args.flag_list()
        args.sp()
    if args.peek() == b'"':
        internaldate = args.date_time()
        args.sp()
    message = args.message()
    args.end()
    if not message:
        raise BadMessage("the message is empty")
    return Append(name, flags, internaldate, message)
