"""Pieces of FETCH responses: flags, dates, strings (RFC 9051 7.5.2)."""

import datetime
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.format.fetch import (
    flags_list,
    flags_octets,
    internaldate_octets,
    literal,
    preview_octets,
    section_label,
    section_octets,
    section_pieces,
)
from opostd.imap.format.strings import astring, mailbox, string
from opostd.imap.values.fetch import Form, Section, Text
from opostd.imap.wire.cursor import Cursor
from opostd.model.flags import ALL_FLAGS, ANSWERED, DRAFT, FLAGGED, SEEN, Flags, merge_keywords
from tests.imap.octets import cursor, frame

FLAGS = [
    (0, (), b"()"),
    (SEEN, (), b"(\\Seen)"),
    (ALL_FLAGS, (), b"(\\Answered \\Flagged \\Deleted \\Seen \\Draft)"),
    (ANSWERED | FLAGGED, ("$F",), b"(\\Answered \\Flagged $F)"),
    (0, ("a", "b"), b"(a b)"),
    (DRAFT, ("\\*",), b"(\\Draft \\*)"),
]


@pytest.mark.parametrize(("bits", "keywords", "octets"), FLAGS)
def test_flags(bits: int, keywords: tuple[str, ...], octets: bytes) -> None:
    assert flags_list(bits, keywords) == octets
    assert flags_octets(bits, keywords) == octets


@given(st.integers(0, ALL_FLAGS), st.lists(st.text("aB$-_.", min_size=1, max_size=5), max_size=4).map(merge_keywords))
def test_flags_round_trip(bits: int, keywords: tuple[str, ...]) -> None:
    assert cursor(flags_octets(bits, keywords)).flag_list() == Flags(bits, keywords)


DATES = [
    (0, b'" 1-Jan-1970 00:00:00 +0000"'),
    (837596665, b'"17-Jul-1996 09:44:25 +0000"'),
    (1_700_000_000, b'"14-Nov-2023 22:13:20 +0000"'),
    (-1, b'"31-Dec-1969 23:59:59 +0000"'),
    (253402300799, b'"31-Dec-9999 23:59:59 +0000"'),
    (-62135596800, b'" 1-Jan-0001 00:00:00 +0000"'),
]


@pytest.mark.parametrize(("seconds", "octets"), DATES)
def test_internaldate(seconds: int, octets: bytes) -> None:
    assert internaldate_octets(seconds) == octets
    assert cursor(octets).date_time() == seconds


@given(st.integers(-62135596800, 253402300799))
def test_internaldate_is_what_the_calendar_says(seconds: int) -> None:
    octets = internaldate_octets(seconds)
    assert cursor(octets).date_time() == seconds
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)  # noqa: DTZ001
    assert octets.decode() == f'"{moment.day:2}-{moment:%b}-{moment.year:04d} {moment:%H:%M:%S} +0000"'


STRINGS = [
    (b"", b'""', b'""'),
    (b"abc", b'"abc"', b"abc"),
    (b"a/b-c_d.e", b'"a/b-c_d.e"', b"a/b-c_d.e"),
    (b"NIL", b'"NIL"', b'"NIL"'),
    (b'a "b" \\', b'"a \\"b\\" \\\\"', b'"a \\"b\\" \\\\"'),
    (b"a\r\nb", b"{4}\r\na\r\nb", b"{4}\r\na\r\nb"),
    (b"\xff", b"{1}\r\n\xff", b"{1}\r\n\xff"),
    (b"a\0", b"{2}\r\na\0", b"{2}\r\na\0"),
    (b"x y" * 400, b"{1200}\r\n" + b"x y" * 400, b"{1200}\r\n" + b"x y" * 400),
]


@pytest.mark.parametrize(("octets", "as_string", "as_astring"), STRINGS, ids=lambda value: repr(value)[:20])
def test_strings(octets: bytes, as_string: bytes, as_astring: bytes) -> None:
    assert string(octets) == as_string
    assert astring(octets) == as_astring
    assert literal(octets) == b"{%d}\r\n%b" % (len(octets), octets)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_mailbox_round_trip(name: str) -> None:
    """No box has a name that is not in NFC (RFC 9051 5.1)."""
    name = unicodedata.normalize("NFC", name)
    read = cursor(mailbox(name)).mailbox()
    assert read == name or (name[:5].upper() == "INBOX" and read == "INBOX" + name[5:])


UTF8_NAMES = [
    ("a", b"a"),
    ("a&b", b'"a&b"'),
    ("Entwürfe", '"Entwürfe"'.encode()),
    ('ü"\\', b'"\xc3\xbc\\"\\\\"'),
    ("ü" * 600, b"{1200}\r\n" + "ü".encode() * 600),
]


@pytest.mark.parametrize(("name", "octets"), UTF8_NAMES, ids=lambda value: repr(value)[:20])
def test_mailbox_in_utf8(name: str, octets: bytes) -> None:
    assert mailbox(name, utf8=True) == octets
    assert Cursor(frame(octets.replace(b"}", b"+}")), utf8=True).mailbox() == name


PREVIEWS = [
    (None, b"NIL", b"NIL"),
    ("", b'""', b'""'),
    ('a "b"', b'"a \\"b\\""', b'"a \\"b\\""'),
    ("Grüße", b"{7}\r\n" + "Grüße".encode(), '"Grüße"'.encode()),
]


@pytest.mark.parametrize(("preview", "octets", "utf8"), PREVIEWS)
def test_preview(preview: str | None, octets: bytes, utf8: bytes) -> None:
    assert preview_octets(preview) == octets
    assert preview_octets(preview, utf8=True) == utf8


PART = Section((1,), Text.WHOLE, form=Form.BINARY)
SECTIONS = [
    (Section((1,), Text.WHOLE, (), (5, 9)), b"BODY[1]<5>", b"a\0", b"{2}\r\na\0"),
    (Section((1, 2), Text.WHOLE, (), (5, 9), False, Form.BINARY), b"BINARY[1.2]<5>", b"a", b"{1}\r\na"),
    (Section((), Text.WHOLE, peek=True, form=Form.BINARY), b"BINARY[]", b"", b"{0}\r\n"),
    (PART, b"BINARY[1]", b"a\0b", b"~{3}\r\na\0b"),
    (PART, b"BINARY[1]", None, b"NIL"),
    (Section((1,), Text.WHOLE, peek=True, form=Form.BINARY_SIZE), b"BINARY.SIZE[1]", b"a\0b", b"3"),
    (Section((1,), Text.WHOLE, peek=True, form=Form.BINARY_SIZE), b"BINARY.SIZE[1]", None, b"0"),
]


@pytest.mark.parametrize(("section", "label", "octets", "value"), SECTIONS)
def test_sections(section: Section, label: bytes, octets: bytes | None, value: bytes) -> None:
    """RFC 3516 4.3: a literal8 where there is NUL in it, and only there."""
    assert section_label(section) == label
    assert section_octets(section, octets) == value
    if section.form is not Form.BINARY_SIZE:
        assert b"".join(section_pieces(section, octets)) == value
