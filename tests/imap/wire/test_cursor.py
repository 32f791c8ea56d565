"""Tokens of one command (RFC 9051 9), each with its bad inputs and their offsets."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.format.strings import astring, string
from opostd.imap.values.sets import MAX_NUMBER, STAR, SavedResult, SequenceSet
from opostd.imap.wire.cursor import BadCommand, Cursor, command
from opostd.imap.wire.framing import Frame
from opostd.model.errors import BadSyntax
from opostd.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, Flags
from tests.imap.octets import cursor, frame

TOKENS: list[tuple[Callable[[Cursor], Any], bytes, Any]] = [
    (Cursor.atom, b"a+b.c/d:e[f}", b"a+b.c/d:e[f}"),
    (Cursor.keyword, b"uid", b"UID"),
    (Cursor.astring, b"a]b", b"a]b"),
    (Cursor.astring, b'"a b"', b"a b"),
    (Cursor.astring, b'""', b""),
    (Cursor.astring, b'"a\\"b\\\\c"', b'a"b\\c'),
    (Cursor.astring, b'"a]%*(){"', b"a]%*(){"),
    (Cursor.astring, b"{3+}\r\na\r\n", b"a\r\n"),
    (Cursor.astring, b"{4+}\r\n\xff\x80{}", b"\xff\x80{}"),
    (Cursor.nstring, b"NIL", None),
    (Cursor.nstring, b"nil", None),
    (Cursor.nstring, b'"NIL"', b"NIL"),
    (Cursor.message, b"{3+}\r\na\0b", b"a\0b"),
    (Cursor.message, b"~{3+}\r\na\0b", b"a\0b"),
    (Cursor.base64, b"AGFubmEAc2VjcmV0", b"\0anna\0secret"),
    (Cursor.base64, b"YQ==", b"a"),
    (Cursor.number, b"0", 0),
    (Cursor.number, b"4294967295", MAX_NUMBER),
    (Cursor.nz_number, b"10", 10),
    (Cursor.mailbox, b"inbox", "INBOX"),
    (Cursor.mailbox, b'"InBox/a"', "INBOX/a"),
    (Cursor.mailbox, b"inboxes", "inboxes"),
    (Cursor.mailbox, b"Entw&APw-rfe", "Entwürfe"),
    (Cursor.mailbox, b"{5+}\r\na b&-", "a b&"),
    (Cursor.list_mailbox, b"%", "%"),
    (Cursor.list_mailbox, b"a/*b%]", "a/*b%]"),
    (Cursor.list_mailbox, b'"%&APw-*"', "%ü*"),
    (Cursor.flag_list, b"()", Flags()),
    (Cursor.flag_list, b"(\\seen $F \\Draft $f b)", Flags(SEEN | DRAFT, ("$F", "b"))),
    (Cursor.flag_list, b"(\\Answered \\Flagged \\Deleted)", Flags(ANSWERED | FLAGGED | DELETED)),
    (Cursor.date, b"1-Jan-1970", 0),
    (Cursor.date, b'"01-feb-1970"', 31),
    (Cursor.date, b"29-FEB-2024", 19782),
    (Cursor.date_time, b'"17-Jul-1996 02:44:25 -0700"', 837596665),
    (Cursor.date_time, b'" 1-Jan-1970 00:00:00 +0000"', 0),
    (Cursor.date_time, b'"01-Jan-1970 00:00:00 +0130"', -5400),
    (Cursor.date_time, b'"31-Dec-2016 23:59:60 +0000"', 1483228800),
    (Cursor.sequence_set, b"$", SavedResult()),
]


@pytest.mark.parametrize(("read", "octets", "value"), TOKENS)
def test_token(read: Callable[[Cursor], Any], octets: bytes, value: object) -> None:
    args = cursor(octets + b" x")
    assert read(args) == value
    args.sp()
    assert args.text[args.at :] == b"x"


BAD: list[tuple[Callable[[Cursor], Any], bytes, int]] = [
    (Cursor.sp, b"x", 0),
    (Cursor.atom, b"(", 0),
    (Cursor.atom, b"]", 0),
    (Cursor.astring, b"", 0),
    (Cursor.astring, b"(", 0),
    (Cursor.astring, b'"a', 0),
    (Cursor.astring, b'"a\\b"', 0),
    (Cursor.astring, b'"a{1+}\r\nb"', 0),
    (Cursor.astring, b"{-1}", 0),
    (Cursor.astring, b"{1_0}", 0),
    (Cursor.astring, b"{3+}\r\na\0b", 0),
    (Cursor.astring, b"~{1+}\r\na", 1),  # "~" is an atom
    (Cursor.nstring, b"x", 0),
    (Cursor.message, b'"abc"', 0),
    (Cursor.base64, b"YQ", 0),
    (Cursor.base64, b"YQ=", 0),
    (Cursor.base64, b"YR==", 0),
    (Cursor.base64, b"YQ==x", 0),
    (Cursor.number, b"-1", 0),
    (Cursor.number, b"1_0", 1),
    (Cursor.number, b"4294967296", 0),
    (Cursor.number, b"12345678901", 0),
    (Cursor.nz_number, b"0", 0),
    (Cursor.nz_number, b"01", 0),
    (Cursor.mailbox, b"a&b", 0),
    (Cursor.mailbox, b'"&Jjo"', 0),
    (Cursor.mailbox, b"a*", 1),
    (Cursor.mailbox, b"{1+}\r\n\xff", 0),
    (Cursor.list_mailbox, b"(", 0),
    (Cursor.flag_list, b"(\\Recent)", 1),
    (Cursor.flag_list, b"(a \\*)", 3),
    (Cursor.flag_list, b"(a  b)", 3),
    (Cursor.flag_list, b"(a", 2),
    (Cursor.flag_list, b"(" + b"k" * 101 + b")", 1),
    (Cursor.date, b"31-Feb-2024", 0),
    (Cursor.date, b"0-Jan-2024", 0),
    (Cursor.date, b"1-Foo-2024", 0),
    (Cursor.date, b"1-Jan-24", 0),
    (Cursor.date, b"1-Jan-20245", 0),
    (Cursor.date, b"1-Jan-0000", 0),
    (Cursor.date, b'"1-Jan-2024', 11),
    (Cursor.date_time, b'"1-Jul-1996 02:44:25 -0700"', 0),
    (Cursor.date_time, b'"17-Jul-1996 24:44:25 -0700"', 0),
    (Cursor.date_time, b'"17-Jul-1996 02:60:25 -0700"', 0),
    (Cursor.date_time, b'"17-Jul-1996 02:44:61 -0700"', 0),
    (Cursor.date_time, b'"17-Jul-1996 02:44:25 -2400"', 0),
    (Cursor.date_time, b'"17-Jul-1996 02:44:25 -0060"', 0),
    (Cursor.date_time, b'"30-Feb-1996 02:44:25 -0700"', 0),
    (Cursor.date_time, b'"01-Jan-0001 00:00:00 +0100"', 0),
    (Cursor.date_time, b'"31-Dec-9999 23:59:59 -0100"', 0),
    (Cursor.date_time, b'"17-Jul-1996 02:44:25"', 0),
    (Cursor.sequence_set, b"0", 0),
    (Cursor.sequence_set, b"1:0", 0),
    (Cursor.sequence_set, b"1,", 0),
    (Cursor.sequence_set, b"1:2:3", 0),
    (Cursor.sequence_set, b"**", 0),
    (Cursor.sequence_set, b"4294967296", 0),
    (Cursor.sequence_set, b"1:4294967296", 0),
    (Cursor.sequence_set, b"-1", 0),
    (Cursor.sequence_set, b",".join([b"1"] * 10_001), 0),
]


@pytest.mark.parametrize(
    ("read", "octets", "offset"), BAD, ids=lambda value: getattr(value, "__name__", repr(value)[:40])
)
def test_bad_token(read: Callable[[Cursor], Any], octets: bytes, offset: int) -> None:
    args = cursor(octets)
    with pytest.raises(BadSyntax) as raised:  # noqa: PT012
        read(args)
        args.end()
    assert raised.value.offset == offset


SETS = [
    (b"1", ((1, 1),)),
    (b"*", ((STAR, STAR),)),
    (b"2:4,*", ((2, 4), (STAR, STAR))),
    (b"4:2,*:5,7:*", ((4, 2), (STAR, 5), (7, STAR))),
    (b"1:4294967295", ((1, MAX_NUMBER),)),
    (b",".join([b"1"] * 10_000), ((1, 1),) * 10_000),
]


@pytest.mark.parametrize(("octets", "ranges"), SETS, ids=lambda value: str(value)[:20])
def test_sequence_set(octets: bytes, ranges: tuple[tuple[int, int], ...]) -> None:
    assert cursor(octets).sequence_set() == SequenceSet(ranges)


def test_the_end_lets_spaces_pass() -> None:
    cursor(b"").end()
    cursor(b"   ").end()
    with pytest.raises(BadSyntax):
        cursor(b"  x").end()


@given(st.binary(max_size=30).map(lambda octets: octets.replace(b"\0", b"")))
def test_strings_round_trip(octets: bytes) -> None:
    assert cursor(_plus(string(octets), octets)).string() == octets
    assert cursor(_plus(astring(octets), octets)).astring() == octets


def _plus(octets: bytes, value: bytes) -> bytes:
    """A literal as a client may send it at once."""
    return octets.replace(b"}\r\n", b"+}\r\n", 1) if octets == b"{%d}\r\n%b" % (len(value), value) else octets


# The beginning of a command


COMMANDS = [
    (b"a NOOP", b"a", b"NOOP", b""),
    (b"a1 noop ", b"a1", b"NOOP", b" "),
    (b"A.1:x] Uid fetch 1", b"A.1:x]", b"UID FETCH", b" 1"),
    (b"a UID MOVE", b"a", b"UID MOVE", b""),
    (b"a X-Y 1", b"a", b"X-Y", b" 1"),
]


@pytest.mark.parametrize(("octets", "tag", "name", "rest"), COMMANDS)
def test_command(octets: bytes, tag: bytes, name: bytes, rest: bytes) -> None:
    got_tag, got_name, args = command(Frame(octets))
    assert (got_tag, got_name, args.text[args.at :]) == (tag, name, rest)


BAD_COMMANDS = [
    (b"a", 1, b"a"),
    (b"a ", 2, b"a"),
    (b"a  NOOP", 2, b"a"),
    (b"a (", 2, b"a"),
    (b"a NO(OP", 2, b"a"),
    (b" NOOP", 0, b"*"),
    (b"+ NOOP", 0, b"*"),
    (b"a+ NOOP", 0, b"*"),
    (b"* NOOP", 0, b"*"),
    (b"a(b NOOP", 0, b"*"),
    (b"a UID", 5, b"a"),
    (b"a UID  FETCH", 5, b"a"),
    (b"a UID (", 5, b"a"),
    (b"a \xff", 2, b"a"),
    (b"a NOOP \xc3\xbc", 7, b"a"),
    (b"a NOOP\0", 6, b"a"),
    (b"a X\rb NOOP", 3, b"a"),
    (b"a NOOP\r", 6, b"a"),
    (b"\x16\x03\x01", 0, b"*"),
    (b"GET / HTTP/1.1", 4, b"GET"),
]


@pytest.mark.parametrize(("octets", "offset", "tag"), BAD_COMMANDS)
def test_bad_command(octets: bytes, offset: int, tag: bytes) -> None:
    with pytest.raises(BadCommand) as raised:
        command(Frame(octets))
    assert (raised.value.offset, raised.value.tag) == (offset, tag)


def test_8_bit_octets_may_stand_in_a_literal() -> None:
    _, _, args = command(frame(b"a X {2+}\r\n\xff\x80"))
    assert args.sp().astring() == b"\xff\x80"


@given(st.binary(max_size=40))
def test_any_octets_are_a_command_or_an_error(octets: bytes) -> None:
    try:
        tag, name, args = command(Frame(octets))
    except BadCommand:
        return
    assert octets.split(b" ")[0] == tag
    assert name.isupper()
    assert 0 < args.at <= len(octets)


def test_utf8_where_it_is_enabled() -> None:
    """RFC 6855 3: in quoted strings; mailbox names are UTF-8, with nothing special about "&"."""
    _, _, args = command(frame('a SELECT "Entwürfe & mehr"'.encode()), utf8=True)
    assert args.sp().mailbox() == "Entwürfe & mehr"
    _, _, args = command(frame(b"a SELECT Entw&APw-rfe"), utf8=True)
    assert args.sp().mailbox() == "Entw&APw-rfe"
    _, _, args = command(frame(b"a SELECT {2+}\r\n\xc3\xbc"), utf8=True)
    assert args.sp().mailbox() == "ü"
    _, _, args = command(frame("a SELECT ü".encode()), utf8=True)
    with pytest.raises(BadSyntax):
        args.sp().mailbox()


@pytest.mark.parametrize(
    ("octets", "utf8"),
    [
        ('a SELECT "ü"'.encode(), False),
        (b'a SELECT "\xff"', True),
        (b'a SELECT "\xed\xa0\x80"', True),
        (b'a SELECT "\xc3\xbc\0"', True),
        (b'a SELECT "\xc3\xbc\r"', True),
    ],
)
def test_what_is_no_utf8_is_bad(octets: bytes, utf8: bool) -> None:
    with pytest.raises(BadCommand) as raised:
        command(Frame(octets), utf8=utf8)
    assert raised.value.tag == b"a"


@pytest.mark.parametrize("octets", [b"Gru&Awg-n", b"Gr&APw-n"])
def test_a_name_in_two_forms_of_unicode_is_one(octets: bytes) -> None:
    """RFC 9051 5.1: Normalization Form C."""
    assert cursor(octets).mailbox() == "Grün"
