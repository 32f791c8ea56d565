"""LIST and LSUB: matching and attributes (RFC 9051 6.3.9, RFC 3501 6.3.8, 6.3.9; RFC 5258 5; RFC 6154)."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.format.any import format_response
from opostd.imap.parse.mailboxes import parse_list, parse_lsub
from opostd.imap.state.match import Matcher, listed
from tests.imap.octets import cursor

BOXES = [
    ("INBOX", ""),
    ("INBOX/old", ""),
    ("Sent", "Sent"),
    ("Trash", "Trash"),
    ("Lists/team", ""),  # "Lists" does not exist
    ("Lists/team/2026", ""),
    ("a/b/c", ""),
    ("a", ""),
]
SUBSCRIBED = {"INBOX", "Sent", "Lists/team/2026", "gone", "gone/below", "a/b/c"}

LISTS = [
    (b'"" ""', [b'(\\Noselect) "/" ""']),
    (b'"Lists/" ""', [b'(\\Noselect) "/" ""']),
    (b'"" INBOX', [b'(\\HasChildren) "/" INBOX']),
    (b'"" inbox', [b'(\\HasChildren) "/" INBOX']),
    (b'"" "inb*"', []),  # RFC 9051 6.3.9: the upper-case string must match
    (b'"" "INB*"', [b'(\\HasChildren) "/" INBOX', b'(\\HasNoChildren) "/" INBOX/old']),
    (b'"" inbox/*', [b'(\\HasNoChildren) "/" INBOX/old']),
    (b'"" sent', []),
    (b'"" Sent', [b'(\\HasNoChildren \\Sent) "/" Sent']),
    (b'"" Lists', [b'(\\NonExistent \\Noselect \\HasChildren) "/" Lists']),
    (
        b'"" %',
        [
            b'(\\HasChildren) "/" INBOX',
            b'(\\NonExistent \\Noselect \\HasChildren) "/" Lists',
            b'(\\HasNoChildren \\Sent) "/" Sent',
            b'(\\HasNoChildren \\Trash) "/" Trash',
            b'(\\HasChildren) "/" a',
        ],
    ),
    (b'"Lists/" %', [b'(\\HasChildren) "/" Lists/team']),
    (b'Lists/ team', [b'(\\HasChildren) "/" Lists/team']),
    (b'"" %/%', [
        b'(\\HasNoChildren) "/" INBOX/old',
        b'(\\HasChildren) "/" Lists/team',
        b'(\\NonExistent \\Noselect \\HasChildren) "/" a/b',
    ]),
    (b'"" *b*', [
        b'(\\NonExistent \\Noselect \\HasChildren) "/" a/b',
        b'(\\HasNoChildren) "/" a/b/c',
    ]),
    (b'"" %/', []),
    (b'"" (Sent Trash S%)', [b'(\\HasNoChildren \\Sent) "/" Sent', b'(\\HasNoChildren \\Trash) "/" Trash']),
    (b'(SPECIAL-USE) "" *', [b'(\\HasNoChildren \\Sent) "/" Sent', b'(\\HasNoChildren \\Trash) "/" Trash']),
    (b'(SPECIAL-USE SUBSCRIBED) "" *', [b'(\\HasNoChildren \\Sent \\Subscribed) "/" Sent']),
    (b'(REMOTE) "" a', [b'(\\HasChildren) "/" a']),
    (
        b'(SUBSCRIBED) "" *',
        [
            b'(\\HasChildren \\Subscribed) "/" INBOX',
            b'(\\HasNoChildren \\Subscribed) "/" Lists/team/2026',
            b'(\\HasNoChildren \\Sent \\Subscribed) "/" Sent',
            b'(\\HasNoChildren \\Subscribed) "/" a/b/c',
            b'(\\NonExistent \\Noselect \\HasNoChildren \\Subscribed) "/" gone',
            b'(\\NonExistent \\Noselect \\HasNoChildren \\Subscribed) "/" gone/below',
        ],
    ),
    (b'(SUBSCRIBED) "" Lists', []),
    (
        b'(SUBSCRIBED RECURSIVEMATCH) "" %',
        [
            b'(\\HasChildren \\Subscribed) "/" INBOX',
            b'(\\NonExistent \\Noselect \\HasChildren) "/" Lists ("CHILDINFO" ("SUBSCRIBED"))',
            b'(\\HasNoChildren \\Sent \\Subscribed) "/" Sent',
            b'(\\HasChildren) "/" a ("CHILDINFO" ("SUBSCRIBED"))',
            b'(\\NonExistent \\Noselect \\HasNoChildren \\Subscribed) "/" gone ("CHILDINFO" ("SUBSCRIBED"))',
        ],
    ),
    (
        b'"" "[ST]*" RETURN (SUBSCRIBED)',
        [],
    ),
    (
        b'"" ("S*" "T*") RETURN (SUBSCRIBED CHILDREN SPECIAL-USE)',
        [b'(\\HasNoChildren \\Sent \\Subscribed) "/" Sent', b'(\\HasNoChildren \\Trash) "/" Trash'],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("octets", "lines"), LISTS)
def test_list(octets: bytes, lines: list[bytes]) -> None:
    responses = listed(BOXES, SUBSCRIBED, parse_list(cursor(b" " + octets)), lsub=False)
    assert [format_response(each) for each in responses] == [b"* LIST " + line + b"\r\n" for line in lines]


LSUBS = [
    (
        b'"" *',
        [
            b'(\\HasChildren) "/" INBOX',
            b'(\\HasNoChildren) "/" Lists/team/2026',
            b'(\\HasNoChildren \\Sent) "/" Sent',
            b'(\\HasNoChildren) "/" a/b/c',
            b'(\\NonExistent \\Noselect \\HasNoChildren) "/" gone',
            b'(\\NonExistent \\Noselect \\HasNoChildren) "/" gone/below',
        ],
    ),
    # RFC 3501 6.3.9: what % hides below itself is told by its parent
    (
        b'"" %',
        [
            b'(\\HasChildren) "/" INBOX',
            b'(\\Noselect \\HasChildren) "/" Lists',
            b'(\\HasNoChildren \\Sent) "/" Sent',
            b'(\\Noselect \\HasChildren) "/" a',
            b'(\\NonExistent \\Noselect \\HasNoChildren) "/" gone',
        ],
    ),
    (b'"Lists/" %', [b'(\\Noselect \\HasChildren) "/" Lists/team']),
    (b'"" "inbox"', [b'(\\HasChildren) "/" INBOX']),
    (b'"" ""', [b'(\\Noselect) "/" ""']),
]


@pytest.mark.parametrize(("octets", "lines"), LSUBS)
def test_lsub(octets: bytes, lines: list[bytes]) -> None:
    responses = listed(BOXES, SUBSCRIBED, parse_lsub(cursor(b" " + octets)), lsub=True)
    assert [format_response(each) for each in responses] == [b"* LSUB " + line + b"\r\n" for line in lines]


def test_nothing_is_altered() -> None:
    names, subscribed = list(BOXES), set(SUBSCRIBED)
    for octets in (b' (SUBSCRIBED RECURSIVEMATCH) "" *', b' "" *'):
        listed(names, subscribed, parse_list(cursor(octets)), lsub=False)
    assert (names, subscribed) == (BOXES, SUBSCRIBED)


def _naive(pattern: str, name: str) -> bool:
    pieces = {"*": ".*", "%": "[^/]*"}
    expression = "".join(pieces.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(expression, name, re.DOTALL) is not None


PATTERNS = st.text("ab/*%é", max_size=8)
NAMES = st.text("ab/é", max_size=10)


@given(st.lists(PATTERNS, min_size=1, max_size=3), st.lists(NAMES, max_size=8))
def test_matching_is_the_naive_way(patterns: list[str], names: list[str]) -> None:
    """One matcher for all the names, in any order: what it remembers of one must not spoil another."""
    matcher = Matcher(patterns)
    for name in names:
        assert matcher.matches(name) == any(_naive(pattern, name) for pattern in patterns)


@pytest.mark.parametrize(
    "pattern", ["%" * 128 + "x", "%a" * 64 + "x", "*a" * 64 + "x", "%/" * 64 + "x", "*%a" * 80 + "x"]
)
def test_many_wildcards_cost_no_more(pattern: str) -> None:
    """1000 boxes take 0.05 s (security.md 1.5 allows 0.2), where a backtracking matcher would take years."""
    names = [(f"Lists/aaaaaaaa/{'a' * 20}{number:04d}/aaaaaaaaaaaaaaaa", "") for number in range(1000)]
    command = parse_list(cursor(b' "" "' + pattern.encode() + b'"'))
    before = time.process_time()
    assert listed(names, set(), command, lsub=False) == []
    assert time.process_time() - before < 10


def test_sorted_by_level() -> None:
    names = [("b", ""), ("a b", ""), ("a/c", ""), ("a", ""), ("a-b", "")]
    responses = listed(names, set(), parse_list(cursor(b' "" *')), lsub=False)
    assert [each.name for each in responses] == ["a", "a/c", "a b", "a-b", "b"]
