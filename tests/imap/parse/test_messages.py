"""APPEND, STORE, COPY, MOVE, UID EXPUNGE (RFC 9051 6.3.12, 6.4; RFC 4315)."""

import pytest

from opostd.imap.limits import MAX_APPEND_MESSAGES
from opostd.imap.parse.append import parse_append, parse_replace
from opostd.imap.parse.copy import parse_copy, parse_uid_expunge
from opostd.imap.parse.store import parse_store
from opostd.imap.values.append import Append, Catenate, NewMessage, Replace, Url
from opostd.imap.values.commands import Copy, Store, UidExpunge
from opostd.imap.values.sets import STAR, SequenceSet
from opostd.model.errors import BadMessage, BadSyntax
from opostd.model.flags import DELETED, SEEN, FlagAction, Flags
from opostd.model.ids import ModSeq
from tests.imap.octets import cursor

ONE = SequenceSet(((1, 1),))
SEVEN = SequenceSet(((7, 7),))
SET = SequenceSet(((1, 2), (STAR, STAR)))

MONDAY = 837596665
APPENDS = [
    (b" INBOX {1+}\r\nm", "INBOX", [NewMessage(Flags(), None, b"m")]),
    (b" INBOX () {1+}\r\nm ", "INBOX", [NewMessage(Flags(), None, b"m")]),
    (b" x (\\Seen $F) {1+}\r\nm", "x", [NewMessage(Flags(SEEN, ("$F",)), None, b"m")]),
    (b' x "17-Jul-1996 02:44:25 -0700" {1+}\r\nm', "x", [NewMessage(Flags(), MONDAY, b"m")]),
    (b' x (a) "17-Jul-1996 02:44:25 -0700" {1+}\r\nm', "x", [NewMessage(Flags(0, ("a",)), MONDAY, b"m")]),
    (b" {3+}\r\na b {4+}\r\n\0\r\n\xff", "a b", [NewMessage(Flags(), None, b"\0\r\n\xff")]),
    (b" x {1+}\r\nm {1+}\r\nn", "x", [NewMessage(Flags(), None, b"m"), NewMessage(Flags(), None, b"n")]),
    (b" x utf8 (~{2+}\r\n\xc3\xbc)", "x", [NewMessage(Flags(), None, b"\xc3\xbc", True)]),
    (
        b" x (a) UTF8 ({1+}\r\nm) {1+}\r\nn",
        "x",
        [NewMessage(Flags(0, ("a",)), None, b"m", True), NewMessage(Flags(), None, b"n")],
    ),
    (
        b' x (a) CATENATE (TEXT {1+}\r\nm url "/a/;UID=1" URL {1+}\r\nu)',
        "x",
        [NewMessage(Flags(0, ("a",)), None, Catenate((b"m", Url(b"/a/;UID=1"), Url(b"u"))))],
    ),
    (
        b" x CATENATE (URL u) catenate (UTF8 (~{1+}\r\nm) text {0+}\r\n)",
        "x",
        [
            NewMessage(Flags(), None, Catenate((Url(b"u"),))),
            NewMessage(Flags(), None, Catenate((b"m", b"")), True),
        ],
    ),
    (
        b' x (\\Seen) {1+}\r\nm "17-Jul-1996 02:44:25 -0700" ~{2+}\r\n\0o (b) {1+}\r\np',
        "x",
        [
            NewMessage(Flags(SEEN), None, b"m"),
            NewMessage(Flags(), MONDAY, b"\0o"),
            NewMessage(Flags(0, ("b",)), None, b"p"),
        ],
    ),
]


@pytest.mark.parametrize(("octets", "name", "messages"), APPENDS)
def test_append(octets: bytes, name: str, messages: list[NewMessage]) -> None:
    assert parse_append(cursor(octets)) == Append(name, tuple(messages))


BAD_APPENDS = [
    (b" x", 2),
    (b' x "m"', 3),
    (b" x m", 3),
    (b" x (\\Recent) {1+}\r\nm", 4),
    (b" x (a){1+}\r\nm", 6),
    (b' x "yesterday" {1+}\r\nm', 3),
    (b' x "17-Jul-1996 02:44:25 -0700" (a) {1+}\r\nm', 32),
    (b" x {1+}\r\nm{1+}\r\nm", 9),
    (b" x {1+}\r\nm (a)", 13),
    (b" x {1+}\r\nm x {1+}\r\nm", 10),
    (b" x UTF9 (~{1+}\r\nm)", 3),
    (b" x UTF8 ~{1+}\r\nm", 8),
    (b" x UTF8 (~{1+}\r\nm", 16),
    (b" x UTF8 (m)", 9),
    (b" x CATENATE ()", 13),
    (b" x CATENATE (TEXT x)", 18),
    (b" x CATENATE (URL)", 16),
    (b" x CATENATE (FILE x)", 13),
    (b" x CATENATE (URL x", 18),
    (b" x CATENATE (" + b"URL x " * 500 + b"URL x)", 12),
]


@pytest.mark.parametrize(("octets", "offset"), BAD_APPENDS)
def test_bad_append(octets: bytes, offset: int) -> None:
    with pytest.raises(BadSyntax) as raised:
        parse_append(cursor(octets))
    assert raised.value.offset == offset


def test_an_empty_message_is_refused() -> None:
    for octets in (b" x {0+}\r\n", b" x {1+}\r\nm {0+}\r\n", b" x {0+}\r\n {1+}\r\nm"):
        with pytest.raises(BadMessage):
            parse_append(cursor(octets))


def test_no_more_messages_than_a_transaction_takes() -> None:
    assert len(parse_append(cursor(b" x" + b" {1+}\r\nm" * MAX_APPEND_MESSAGES)).messages) == MAX_APPEND_MESSAGES
    with pytest.raises(BadSyntax, match="at most 500 messages"):
        parse_append(cursor(b" x" + b" {1+}\r\nm" * (MAX_APPEND_MESSAGES + 1)))


REPLACES = [
    (b" 1 x {1+}\r\nm", Replace(ONE, "x", NewMessage(Flags(), None, b"m"), True)),
    (
        b" * Drafts (\\Seen) ~{1+}\r\nm",
        Replace(SequenceSet(((STAR, STAR),)), "Drafts", NewMessage(Flags(SEEN), None, b"m"), True),
    ),
    (b" 7 {1+}\r\nx UTF8 (~{1+}\r\nm)", Replace(SEVEN, "x", NewMessage(Flags(), None, b"m", True), True)),
]


@pytest.mark.parametrize(("octets", "command"), REPLACES)
def test_replace(octets: bytes, command: Replace) -> None:
    assert parse_replace(cursor(octets), by_uid=True) == command


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        (b" x {1+}\r\nm", 1),
        (b" 1,2 x {1+}\r\nm", 1),
        (b" 1:2 x {1+}\r\nm", 1),
        (b" $ x {1+}\r\nm", 1),
        (b" 1 x", 4),
        (b" 1 x {1+}\r\nm {1+}\r\nn", 11),
    ],
)
def test_bad_replace(octets: bytes, offset: int) -> None:
    with pytest.raises(BadSyntax) as raised:
        parse_replace(cursor(octets), by_uid=False)
    assert raised.value.offset == offset


STORES = [
    (b" 1 FLAGS ()", Store(ONE, FlagAction.REPLACE, Flags(), False, True)),
    (b" 1:2,* +flags.silent (\\Seen a)", Store(SET, FlagAction.ADD, Flags(SEEN, ("a",)), True, True)),
    (b" 1 -FLAGS \\Deleted \\Seen b a ", Store(ONE, FlagAction.REMOVE, Flags(SEEN | DELETED, ("a", "b")), False, True)),
    (b" 1 FLAGS.SILENT a", Store(ONE, FlagAction.REPLACE, Flags(0, ("a",)), True, True)),
    (b" 1 (unchangedsince 0) FLAGS a", Store(ONE, FlagAction.REPLACE, Flags(0, ("a",)), False, True, ModSeq(0))),
    (
        b" 1 (UNCHANGEDSINCE 9223372036854775807) -FLAGS.SILENT (a)",
        Store(ONE, FlagAction.REMOVE, Flags(0, ("a",)), True, True, ModSeq(2**63 - 1)),
    ),
]


@pytest.mark.parametrize(("octets", "command"), STORES)
def test_store(octets: bytes, command: Store) -> None:
    assert parse_store(cursor(octets), by_uid=True) == command


BAD_STORES = [
    (b" 1 FLAGS", 8),
    (b" 1 FLAGS ", 9),
    (b" 1 *FLAGS (a)", 3),
    (b" 1 FLAGS.LOUD (a)", 3),
    (b" 1 FLAGS (a", 11),
    (b" 1 FLAGS (a) b", 12),
    (b" 1 FLAGS \\Recent", 9),
    (b" 1 FLAGS \\*", 9),
    (b" 1 (UNCHANGEDSINCE) FLAGS a", 18),
    (b" 1 (UNCHANGEDSINCE -1) FLAGS a", 19),
    (b" 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS a", 19),
    (b" 1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 1) FLAGS a", 20),
    (b" 1 (CHANGEDSINCE 1) FLAGS a", 4),
    (b" 1 () FLAGS a", 4),
    (b" 1 (UNCHANGEDSINCE 1)", 21),
]


@pytest.mark.parametrize(("octets", "offset"), BAD_STORES)
def test_bad_store(octets: bytes, offset: int) -> None:
    with pytest.raises(BadSyntax) as raised:
        parse_store(cursor(octets), by_uid=False)
    assert raised.value.offset == offset


def test_copy() -> None:
    assert parse_copy(cursor(b" 1:2,* Entw&APw-rfe"), by_uid=True) == Copy(SET, "Entwürfe", True)
    for octets in (b" 1", b" x y", b" 1 a b", b" 1 a*"):
        with pytest.raises(BadSyntax):
            parse_copy(cursor(octets), by_uid=False)


def test_uid_expunge() -> None:
    assert parse_uid_expunge(cursor(b" 1:2,*")) == UidExpunge(SET)
    for octets in (b"", b" 0", b" 1 x"):
        with pytest.raises(BadSyntax):
            parse_uid_expunge(cursor(octets))
