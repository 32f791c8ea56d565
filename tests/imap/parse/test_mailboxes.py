"""LIST with its options, STATUS, CREATE, RENAME, SELECT and the others that name a box (RFC 9051 6.3, RFC 5258)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.faults import BadUse
from opostd.imap.parse.mailboxes import (
    parse_create,
    parse_list,
    parse_lsub,
    parse_mailbox,
    parse_rename,
    parse_status,
)
from opostd.imap.parse.select import parse_select
from opostd.imap.values.commands import List, Mailbox, Rename, Select, Status, StatusItem
from opostd.model.errors import BadSyntax
from tests.imap.octets import cursor
from tests.imap.parse.writing import write_list


def options(*names: str) -> frozenset[str]:
    return frozenset(names)


LISTS = [
    (b' "" ""', List("", ("",))),
    (b' "" *', List("", ("*",))),
    (b" Lists/ %", List("Lists/", ("%",))),
    (b' "" inbox', List("", ("INBOX",))),
    (b' "" "Entw&APw-*" ', List("", ("Entwü*",))),
    (b' "" (INBOX "a b" %)', List("", ("INBOX", "a b", "%"), extended=True)),
    (b' (subscribed) "" "*"', List("", ("*",), options("SUBSCRIBED"), extended=True)),
    (b' () "" "*"', List("", ("*",), extended=True)),
    (b' "" "*" RETURN ()', List("", ("*",), extended=True)),
    (
        b' "" % RETURN (CHILDREN status (MESSAGES size MESSAGES))',
        List("", ("%",), returns=options("CHILDREN"), extended=True, status=(StatusItem.MESSAGES, StatusItem.SIZE)),
    ),
    (
        b' (SUBSCRIBED) "" "*" RETURN (SPECIAL-USE)',  # Thunderbird
        List("", ("*",), options("SUBSCRIBED"), options("SPECIAL-USE"), extended=True),
    ),
    (
        b' (SUBSCRIBED RECURSIVEMATCH REMOTE SPECIAL-USE) "" % return (CHILDREN SUBSCRIBED)',
        List(
            "",
            ("%",),
            options("SUBSCRIBED", "RECURSIVEMATCH", "REMOTE", "SPECIAL-USE"),
            options("CHILDREN", "SUBSCRIBED"),
            extended=True,
        ),
    ),
]


@pytest.mark.parametrize(("octets", "command"), LISTS)
def test_list(octets: bytes, command: List) -> None:
    assert parse_list(cursor(octets)) == command


BAD_LISTS = [
    (b"", 0),
    (b" *", 1),
    (b' ""', 3),
    (b' "" ', 4),
    (b' "" ()', 5),
    (b' (RECURSIVEMATCH) "" *', 1),
    (b' (RECURSIVEMATCH REMOTE) "" *', 1),
    (b' (UNKNOWN) "" *', 2),
    (b' "" * RETURN', 12),
    (b' "" * RETURN (STATUS)', 20),
    (b' "" * RETURN (STATUS ())', 22),
    (b' "" * RETURN (STATUS (FOO))', 22),
    (b' "" * FOO (CHILDREN)', 6),
    (b' "" * x', 6),
    (b' "" "&Jjo"', 4),
    (b' "" ' + b"%" * 257, 4),
    (b' "" (' + b" ".join([b"%"] * 33) + b")", 4),
]


@pytest.mark.parametrize(("octets", "offset"), BAD_LISTS, ids=lambda value: repr(value)[:40])
def test_bad_list(octets: bytes, offset: int) -> None:
    with pytest.raises(BadSyntax) as raised:
        parse_list(cursor(octets))
    assert raised.value.offset == offset


def test_lsub() -> None:
    assert parse_lsub(cursor(b' "" "*"')) == List("", ("*",))
    with pytest.raises(BadSyntax):
        parse_lsub(cursor(b' "" (a b)'))


OTHERS = [
    (parse_mailbox, b" inbox", Mailbox("INBOX")),
    (parse_mailbox, b' "a b"', Mailbox("a b")),
    (parse_select, b" Inbox ", Select("INBOX")),
    (parse_create, b" Lists/team/", Mailbox("Lists/team/")),
    (parse_create, b" x (USE (\\sent))", Mailbox("x", "Sent")),
    (parse_create, b" x (use (\\Archive \\Archive))", Mailbox("x", "Archive")),
    (parse_create, b" x (USE ())", Mailbox("x")),
    (parse_rename, b" a {3+}\r\nb c", Rename("a", "b c")),
    (parse_status, b" x (messages UNSEEN MESSAGES)", Status("x", (StatusItem.MESSAGES, StatusItem.UNSEEN))),
    (parse_status, b" x (" + b" ".join(item.value for item in StatusItem) + b")", Status("x", tuple(StatusItem))),
]


@pytest.mark.parametrize(("parse", "octets", "command"), OTHERS)
def test_others(parse, octets: bytes, command: object) -> None:
    assert parse(cursor(octets)) == command


BAD = [
    (parse_mailbox, b"", 0),
    (parse_mailbox, b" ", 1),
    (parse_mailbox, b" (x", 1),
    (parse_mailbox, b" a b", 2),
    (parse_mailbox, b" a&b", 1),
    (parse_create, b" a*b", 2),
    (parse_create, b" x (FOO)", 4),
    (parse_create, b" x (USE \\Sent)", 8),
    (parse_create, b" x (USE (Sent))", 9),
    (parse_create, b" x (USE (\\Sent)", 15),
    (parse_rename, b" a", 2),
    (parse_status, b" x", 2),
    (parse_status, b" x ()", 4),
    (parse_status, b" x (FOO)", 4),
    (parse_status, b" x (MESSAGES", 12),
]


@pytest.mark.parametrize(("parse", "octets", "offset"), BAD)
def test_bad(parse, octets: bytes, offset: int) -> None:
    with pytest.raises(BadSyntax) as raised:
        parse(cursor(octets))
    assert raised.value.offset == offset


@pytest.mark.parametrize("uses", [b"\\All", b"\\Flagged", b"\\X", b"\\Sent \\Drafts"])
def test_a_use_that_no_box_has(uses: bytes) -> None:
    with pytest.raises(BadUse):
        parse_create(cursor(b" x (USE (" + uses + b"))"))


NAME = st.text("aüB/ &-INBOX", max_size=8).filter(lambda name: name.upper()[:5] != "INBOX")
PATTERN = st.text("aü/%*&- ", max_size=8)


@given(
    NAME,
    st.lists(PATTERN, min_size=1, max_size=3),
    st.sampled_from([(), ("SUBSCRIBED",), ("SUBSCRIBED", "RECURSIVEMATCH"), ("SPECIAL-USE", "REMOTE")]),
    st.sets(st.sampled_from(["SUBSCRIBED", "CHILDREN", "SPECIAL-USE"])),
    st.lists(st.sampled_from(StatusItem), unique=True),
)
def test_what_is_written_is_read(
    reference: str, patterns: list[str], select: tuple[str, ...], returns: set[str], status: list[StatusItem]
) -> None:
    extended = bool(select or returns or status or len(patterns) > 1)
    command = List(reference, tuple(patterns), frozenset(select), frozenset(returns), extended, tuple(status))
    assert parse_list(cursor(write_list(command))) == command
