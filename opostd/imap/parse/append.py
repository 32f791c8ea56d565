"""APPEND and REPLACE (RFC 9051 6.3.12, RFC 8508; MULTIAPPEND: RFC 3502; CATENATE: RFC 4469;
UTF8: RFC 6855 4).
"""

from opostd.imap.limits import MAX_APPEND_MESSAGES, MAX_CATENATE_PARTS
from opostd.imap.values.append import Append, Catenate, NewMessage, Replace, Url
from opostd.imap.values.sets import SequenceSet
from opostd.imap.wire.cursor import Cursor
from opostd.model.errors import BadMessage
from opostd.model.flags import Flags


def parse_append(args: Cursor) -> Append:
    """``SP mailbox 1*(SP [flag-list SP] [date-time SP] append-data)`` (RFC 4466 2.1).

    Raises BadMessage for a message of no octets: a client sends it where it has changed its mind (RFC 3502 6.3.11).
    """
    name = args.sp().mailbox()
    messages = [_message(args.sp())]
    while args.take(b" ") and args.peek() not in (b"", b" "):
        if len(messages) == MAX_APPEND_MESSAGES:
            args.fail(f"at most {MAX_APPEND_MESSAGES} messages")
        messages.append(_message(args))
    args.end()
    if not all(each.content for each in messages):
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
    if not message.content:
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
    if args.peek() in (b"{", b"~", b""):
        return NewMessage(flags, internaldate, args.message())
    at = args.at
    form = args.keyword()
    if form == b"UTF8":
        return NewMessage(flags, internaldate, _utf8(args), utf8=True)
    if form != b"CATENATE":
        args.fail("a literal, UTF8 or CATENATE", at)
    at = args.sp().at
    parts = args.list_of(lambda: _part(args))
    if len(parts) > MAX_CATENATE_PARTS:
        args.fail(f"at most {MAX_CATENATE_PARTS} parts", at)
    return NewMessage(flags, internaldate, Catenate(tuple(part for part, _ in parts)), any(utf8 for _, utf8 in parts))


def _utf8(args: Cursor) -> bytes:
    """``SP "(" literal8 ")"`` (RFC 6855 4)."""
    args.sp().expect(b"(")
    octets = args.message()
    args.expect(b")")
    return octets


def _part(args: Cursor) -> tuple[bytes | Url, bool]:
    """``"TEXT" SP literal / "URL" SP astring / utf8-literal`` (RFC 4469 5, RFC 6855 4); whether it is the last."""
    at = args.at
    form = args.keyword()
    if form == b"TEXT":
        return args.sp().message(), False
    if form == b"URL":
        return Url(args.sp().astring()), False
    if form != b"UTF8":
        args.fail("TEXT, URL or UTF8", at)
    return _utf8(args), True
