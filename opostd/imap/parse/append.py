"""APPEND and REPLACE (RFC 9051 6.3.12, RFC 8508; MULTIAPPEND: RFC 3502; UTF8: RFC 6855 4)."""

from opostd.imap.limits import MAX_APPEND_MESSAGES
from opostd.imap.values.append import Append, NewMessage, Replace
from opostd.imap.values.sets import SequenceSet
from opostd.imap.wire.cursor import Cursor
from opostd.model.errors import BadMessage
from opostd.model.flags import Flags


def parse_append(args: Cursor) -> Append:
    """``SP mailbox 1*(SP [flag-list SP] [date-time SP] (literal / "UTF8" SP "(" literal8 ")"))``.

    Raises BadMessage for a message of no octets: a client sends it where it has changed its mind (RFC 3502 6.3.11).
    """
    name = args.sp().mailbox()
    messages = [_message(args.sp())]
    while args.take(b" ") and args.peek() not in (b"", b" "):
        if len(messages) == MAX_APPEND_MESSAGES:
            args.fail(f"at most {MAX_APPEND_MESSAGES} messages")
        messages.append(_message(args))
    args.end()
    if not all(each.octets for each in messages):
        raise BadMessage("the message is empty")
    return Append(name, tuple(messages))


def parse_replace(args: Cursor, *, by_uid: bool) -> Replace:
    """``SP seq-number SP mailbox append-message`` (RFC 8508 5).  Raises BadMessage as APPEND does."""
    at = args.sp().at
    number = args.sequence_set()
    if not isinstance(number, SequenceSet) or len(number.ranges) > 1 or number.ranges[0][0] != number.ranges[0][1]:
        args.fail("one number", at)
    name = args.sp().mailbox()
    message = _message(args.sp())
    args.end()
    if not message.octets:
        raise BadMessage("the message is empty")
    return Replace(number, name, message, by_uid)


def _message(args: Cursor) -> NewMessage:
    flags = Flags()
    internaldate: int | None = None
    if args.peek() == b"(":
        flags = args.flag_list()
        args.sp()
    if args.peek() == b'"':
        internaldate = args.date_time()
        args.sp()
    if args.peek() in b"{~":
        return NewMessage(flags, internaldate, args.message())
    at = args.at
    if args.keyword() != b"UTF8":
        args.fail("a literal, or UTF8 and a literal", at)
    args.sp().expect(b"(")
    octets = args.message()
    args.expect(b")")
    return NewMessage(flags, internaldate, octets, utf8=True)
