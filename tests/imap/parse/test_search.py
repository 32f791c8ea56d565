"""SEARCH: every key of RFC 3501 6.4.4, charsets, and limits (RFC 9051 6.4.4; security.md 1.5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.parse.search import CHARSETS as CHARSETS_KNOWN
from opostd.imap.parse.search import parse_search
from opostd.imap.values.search import (
    ALL_OF_THEM,
    Aged,
    All,
    And,
    Body,
    Dated,
    DateField,
    EmailId,
    HasFlag,
    HasKeyword,
    Header,
    InText,
    Key,
    Larger,
    Modified,
    Not,
    Option,
    Or,
    Order,
    Recent,
    Returns,
    Search,
    SeqNumbers,
    Smaller,
    ThreadId,
    Uids,
)
from opostd.imap.values.sets import MAX_NUMBER, STAR, SavedResult, SequenceSet
from opostd.model.errors import BadSyntax
from opostd.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from opostd.model.ids import ModSeq
from tests.imap.octets import cursor
from tests.imap.parse.test_fetch import SETS
from tests.imap.parse.writing import write_key

ONE = SequenceSet(((1, 1),))
DAY = 9694  # 17 July 1996

KEYS: list[tuple[bytes, Key]] = [
    (b"ALL", All()),
    (b"answered", HasFlag(ANSWERED, True)),
    (b"BCC x", Header(b"bcc", "x")),
    (b"BEFORE 17-Jul-1996", Dated(DateField.INTERNAL, Order.BEFORE, DAY)),
    (b"BODY x", Body("x")),
    (b'CC ""', Header(b"cc", "")),
    (b"DELETED", HasFlag(DELETED, True)),
    (b"DRAFT", HasFlag(DRAFT, True)),
    (b"FLAGGED", HasFlag(FLAGGED, True)),
    (b'FROM "a \\"b\\""', Header(b"from", 'a "b"')),
    (b"HEADER Message-Id x", Header(b"message-id", "x")),
    (b"HEADER {2+}\r\nCC \"\"", Header(b"cc", "")),
    (b"KEYWORD $Label1", HasKeyword("$Label1", True)),
    (b"LARGER 0", Larger(0)),
    (b"SAVEDBEFORE 17-Jul-1996", Dated(DateField.SAVED, Order.BEFORE, DAY)),
    (b"SAVEDON 17-Jul-1996", Dated(DateField.SAVED, Order.ON, DAY)),
    (b'SAVEDSINCE "17-Jul-1996"', Dated(DateField.SAVED, Order.SINCE, DAY)),
    (b"SAVEDATESUPPORTED", All()),
    (b"(EMAILID Mx_-1)", EmailId(b"Mx_-1")),
    (b"THREADID T0", ThreadId(b"T0")),
    (b"MODSEQ 0", Modified(ModSeq(0))),
    (b'modseq "/flags/\\\\draft" all 620162338', Modified(ModSeq(620162338))),
    (b"NEW", And((Recent(True), HasFlag(SEEN, False)))),
    (b"NOT SEEN", Not(HasFlag(SEEN, True))),
    (b"OLD", Recent(False)),
    (b"OLDER 1", Aged(1, True)),
    (b"YOUNGER 4294967295", Aged(MAX_NUMBER, False)),
    (b'ON "17-Jul-1996"', Dated(DateField.INTERNAL, Order.ON, DAY)),
    (b"OR SEEN NOT ALL", Or(HasFlag(SEEN, True), Not(All()))),
    (b"RECENT", Recent(True)),
    (b"SEEN", HasFlag(SEEN, True)),
    (b"SENTBEFORE 17-Jul-1996", Dated(DateField.SENT, Order.BEFORE, DAY)),
    (b"SENTON 17-Jul-1996", Dated(DateField.SENT, Order.ON, DAY)),
    (b"SENTSINCE 17-Jul-1996", Dated(DateField.SENT, Order.SINCE, DAY)),
    (b"SINCE 17-Jul-1996", Dated(DateField.INTERNAL, Order.SINCE, DAY)),
    (b"SMALLER 4294967295", Smaller(MAX_NUMBER)),
    (b'SUBJECT "%"', Header(b"subject", "%")),
    (b'TEXT ""', InText("")),
    (b"TO x", Header(b"to", "x")),
    (b"UID 1", Uids(ONE)),
    (b"UID $", Uids(SavedResult())),
    (b"UNANSWERED", HasFlag(ANSWERED, False)),
    (b"UNDELETED", HasFlag(DELETED, False)),
    (b"UNDRAFT", HasFlag(DRAFT, False)),
    (b"UNFLAGGED", HasFlag(FLAGGED, False)),
    (b"UNKEYWORD x", HasKeyword("x", False)),
    (b"UNSEEN", HasFlag(SEEN, False)),
    (b"1", SeqNumbers(ONE)),
    (b"*", SeqNumbers(SequenceSet(((STAR, STAR),)))),
    (b"$", SeqNumbers(SavedResult())),
    (b"(ALL)", All()),
    (b"((ALL SEEN) 1)", And((And((All(), HasFlag(SEEN, True))), SeqNumbers(ONE)))),
    (b"ALL SEEN 1 ", And((All(), HasFlag(SEEN, True), SeqNumbers(ONE)))),
    (b"BODY {3+}\r\n\xe2\x82\xac", Body("€")),  # without CHARSET it is UTF-8 (RFC 9051 6.4.4)
]  # fmt: skip


@pytest.mark.parametrize(("octets", "key"), KEYS)
def test_key(octets: bytes, key: Key) -> None:
    assert parse_search(cursor(b" " + octets), by_uid=False) == Search(key, False)


CHARSETS = [
    (b"UTF-8 BODY {2+}\r\n\xc3\xbc", "UTF-8", "ü"),
    (b"utf-8 BODY x", "UTF-8", "x"),
    (b'"US-ASCII" BODY x', "US-ASCII", "x"),
    (b"iso-8859-1 BODY {1+}\r\n\xfc", "ISO-8859-1", "ü"),
    (b"WINDOWS-1252 BODY {1+}\r\n\x80", "WINDOWS-1252", "€"),
    (b"KOI8-R BODY {2+}\r\n\xc4\xc1", "KOI8-R", "да"),
    (b"ISO-2022-JP BODY {8+}\r\n\x1b$BF|\x1b(B", "ISO-2022-JP", "日"),
]


@pytest.mark.parametrize(("octets", "charset", "text"), CHARSETS)
def test_charset(octets: bytes, charset: str, text: str) -> None:
    assert parse_search(cursor(b" CHARSET " + octets), by_uid=True) == Search(Body(text), True, charset)


@pytest.mark.parametrize(
    "name", [b"X-UNKNOWN", b"rot13", b"zlib", b"idna", b"unicode_escape", b"../x", b"{1+}\r\n\xff"]
)
def test_unknown_charset(name: bytes) -> None:
    """Only the table's codecs can be reached; the rest is parsed all the same, for a mistake in it is BAD."""
    search = parse_search(cursor(b" CHARSET " + name + b" BODY {1+}\r\n\xff"), by_uid=False)
    assert search.charset is not None
    assert search.charset not in CHARSETS_KNOWN
    with pytest.raises(BadSyntax):
        parse_search(cursor(b" CHARSET " + name + b" BODY"), by_uid=False)


RETURNS = [
    (b"()", ALL_OF_THEM),
    (b"(ALL)", ALL_OF_THEM),
    (b"(min MAX Count min)", Returns(frozenset({Option.MIN, Option.MAX, Option.COUNT}))),
    (b"(PARTIAL 1:500)", Returns(frozenset(), (1, 500))),
    (b"(COUNT partial -1:-100 SAVE)", Returns(frozenset({Option.COUNT, Option.SAVE}), (-1, -100))),
    (b"(PARTIAL 500:400)", Returns(frozenset(), (500, 400))),
    (b"(SAVE)", Returns(frozenset({Option.SAVE}))),
]


@pytest.mark.parametrize(("octets", "returns"), RETURNS)
def test_returns(octets: bytes, returns: Returns) -> None:
    assert parse_search(cursor(b" RETURN " + octets + b" ALL"), by_uid=False) == Search(All(), False, None, returns)
    with_charset = parse_search(cursor(b" return " + octets + b" CHARSET UTF-8 ALL"), by_uid=True)
    assert with_charset == Search(All(), True, "UTF-8", returns)


DEEP = 100
BAD = [
    (b"", 0),
    (b" ", 1),
    (b" FROBNICATE", 1),
    (b" FROBNICATE x", 1),
    (b" ALL  SEEN", 5),
    (b" ()", 2),
    (b" (ALL", 5),
    (b" ALL)", 4),
    (b" NOT", 4),
    (b" OR ALL", 7),
    (b" FROM", 5),
    (b" FROM (", 6),
    (b" HEADER x", 9),
    (b" LARGER -1", 8),
    (b" LARGER 4294967296", 8),
    (b" BEFORE yesterday", 8),
    (b" UID 0", 5),
    (b" EMAILID", 8),
    (b' EMAILID "M1"', 9),
    (b" EMAILID M1+", 9),
    (b" THREADID " + b"T" * 256, 10),
    (b" SAVEDON yesterday", 9),
    (b" MODSEQ", 7),
    (b" MODSEQ -1", 8),
    (b" MODSEQ 9223372036854775808", 8),
    (b' MODSEQ "/flags/a" some 1', 19),
    (b' MODSEQ "/flags/a" 1', 19),
    (b" 0", 1),
    (b" KEYWORD \\Seen", 9),
    (b" CHARSET UTF-8", 14),
    (b" CHARSET US-ASCII BODY {1+}\r\n\xff", 23),
    (b" CHARSET UTF-8 BODY {1+}\r\n\xff", 20),
    (b" RETURN ALL", 8),
    (b" RETURN (ALL)", 13),
    (b" RETURN (SOME) ALL", 9),
    (b" RETURN (PARTIAL) ALL", 16),
    (b" RETURN (PARTIAL 1) ALL", 17),
    (b" RETURN (PARTIAL 0:5) ALL", 17),
    (b" RETURN (PARTIAL 1:*) ALL", 17),
    (b" RETURN (PARTIAL -1:5) ALL", 17),
    (b" RETURN (PARTIAL 1:-5) ALL", 17),
    (b" RETURN (PARTIAL 1:4294967296) ALL", 17),
    (b" RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL", 21),
    (b" RETURN (PARTIAL 1:2 ALL) ALL", 8),
    (b" RETURN (ALL ALL", 16),
    (b" CHARSET UTF-8 RETURN (ALL) ALL", 15),
    (b" OLDER 0", 7),
    (b" YOUNGER -1", 9),
    (b" YOUNGER 4294967296", 9),
    (b" " + b"(" * (DEEP + 1) + b"ALL" + b")" * (DEEP + 1), 1 + DEEP),
    (b" " + b"NOT " * (DEEP + 1) + b"ALL", 1 + 4 * (DEEP + 1)),
    (b" " + b"OR ALL " * (DEEP + 1) + b"ALL", 1 + 7 * (DEEP + 1) - 4),
    (b" " + b"ALL " * 1000 + b"ALL", 4001),
    (b" " + b"(" * 60_000, 1 + DEEP),
    (b" " + b"NOT " * 16_000, 1 + 4 * (DEEP + 1)),
]


@pytest.mark.parametrize(("octets", "offset"), BAD, ids=lambda value: repr(value)[:40])
def test_bad(octets: bytes, offset: int) -> None:
    with pytest.raises(BadSyntax) as raised:
        parse_search(cursor(octets), by_uid=False)
    assert raised.value.offset == offset


def test_as_deep_and_as_many_as_allowed() -> None:
    key: Key = All()
    for _ in range(DEEP):
        key = Not(key)
    assert parse_search(cursor(b" " + b"NOT " * DEEP + b"ALL"), by_uid=False).key == key
    assert parse_search(cursor(b" ALL" * 1000), by_uid=False).key == And((All(),) * 1000)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
OBJECTIDS = st.text("abZ019_-", min_size=1, max_size=6).map(str.encode)
WORD = st.text("abcXYZ$-_.", min_size=1, max_size=6)
LEAVES = (
    st.just(All())
    | st.builds(HasFlag, st.sampled_from([ANSWERED, DELETED, DRAFT, FLAGGED, SEEN]), st.booleans())
    | st.builds(HasKeyword, WORD, st.booleans())
    | st.builds(Recent, st.booleans())
    | st.builds(Dated, st.sampled_from(DateField), st.sampled_from(Order), st.integers(-700_000, 2_900_000))
    | st.builds(Aged, st.integers(1, MAX_NUMBER), st.booleans())
    | st.builds(Larger, st.integers(0, MAX_NUMBER))
    | st.builds(Smaller, st.integers(0, MAX_NUMBER))
    | st.builds(Header, WORD.map(lambda word: word.lower().encode()), TEXT)
    | st.builds(Body, TEXT)
    | st.builds(InText, TEXT)
    | st.builds(EmailId, OBJECTIDS)
    | st.builds(ThreadId, OBJECTIDS)
    | st.builds(Modified, st.integers(0, 2**63 - 1))
    | st.builds(SeqNumbers, SETS)
    | st.builds(Uids, SETS)
)
TREES = st.recursive(
    LEAVES,
    lambda keys: (
        st.builds(Not, keys)
        | st.builds(Or, keys, keys)
        | st.lists(keys, min_size=2, max_size=4).map(lambda each: And(tuple(each)))
    ),
    max_leaves=12,
)


@given(TREES)
def test_what_is_written_is_read(key: Key) -> None:
    assert parse_search(cursor(b" " + write_key(key)), by_uid=False).key == key
