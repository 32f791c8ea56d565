"""SORT and THREAD (RFC 5256 5, RFC 5957 5, RFC 5267 3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.parse.sort import parse_sort, parse_thread
from opostd.imap.values.search import ALL_OF_THEM, All, HasFlag, Header, Option, Returns
from opostd.imap.values.sort import Algorithm, Criterion, Sort, SortKey, Thread
from opostd.model.errors import BadSyntax
from opostd.model.flags import SEEN
from tests.imap.octets import cursor

SORTS = [
    (b" (SUBJECT) UTF-8 ALL", Sort((Criterion(SortKey.SUBJECT),), All(), False, "UTF-8")),
    (
        b" (subject reverse Date) us-ascii seen",
        Sort((Criterion(SortKey.SUBJECT), Criterion(SortKey.DATE, True)), HasFlag(SEEN, True), False, "US-ASCII"),
    ),
    (
        b' RETURN () (REVERSE DISPLAYFROM ARRIVAL) "UTF-8" FROM {2+}\r\n\xc3\xbc',
        Sort(
            (Criterion(SortKey.DISPLAYFROM, True), Criterion(SortKey.ARRIVAL)),
            Header(b"from", "ü"),
            False,
            "UTF-8",
            ALL_OF_THEM,
        ),
    ),
    (
        b" RETURN (MIN COUNT) (SIZE) UTF-8 ALL",
        Sort((Criterion(SortKey.SIZE),), All(), False, "UTF-8", Returns(frozenset({Option.MIN, Option.COUNT}))),
    ),
    (b" (CC) ROT13 ALL", Sort((Criterion(SortKey.CC),), All(), False, "ROT13")),
]


@pytest.mark.parametrize(("octets", "sort"), SORTS)
def test_sort(octets: bytes, sort: Sort) -> None:
    assert parse_sort(cursor(octets), by_uid=False) == sort


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        (b"", 0),
        (b" SUBJECT UTF-8 ALL", 1),
        (b" () UTF-8 ALL", 2),
        (b" (SUBJECT)", 10),
        (b" (SUBJECT) UTF-8", 16),
        (b" (SUBJECT) UTF-8 ", 17),
        (b" (COLOUR) UTF-8 ALL", 2),
        (b" (REVERSE) UTF-8 ALL", 9),
        (b" (REVERSE REVERSE DATE) UTF-8 ALL", 10),
        (b" (DATE  SIZE) UTF-8 ALL", 7),
        (b" RETURN (SOME) (DATE) UTF-8 ALL", 9),
        (b" (" + b"DATE " * 20 + b"DATE) UTF-8 ALL", 1),
        (b" (DATE) UTF-8 FROB", 14),
        (b" (DATE) UTF-8 BODY {1+}\r\n\xff", 19),
    ],
)
def test_bad_sort(octets: bytes, offset: int) -> None:
    with pytest.raises(BadSyntax) as raised:
        parse_sort(cursor(octets), by_uid=False)
    assert raised.value.offset == offset


def test_thread() -> None:
    assert parse_thread(cursor(b" references utf-8 ALL"), by_uid=True) == Thread(
        Algorithm.REFERENCES, All(), True, "UTF-8"
    )
    assert parse_thread(cursor(b" ORDEREDSUBJECT US-ASCII SEEN"), by_uid=False).algorithm is Algorithm.ORDEREDSUBJECT


@pytest.mark.parametrize(
    ("octets", "offset"),
    [(b"", 0), (b" REFS UTF-8 ALL", 1), (b" REFERENCES", 11), (b" REFERENCES UTF-8", 17), (b" REFERENCES UTF-8 0", 18)],
)
def test_bad_thread(octets: bytes, offset: int) -> None:
    with pytest.raises(BadSyntax) as raised:
        parse_thread(cursor(octets), by_uid=False)
    assert raised.value.offset == offset


CRITERIA = st.lists(st.builds(Criterion, st.sampled_from(SortKey), st.booleans()), min_size=1, max_size=20)


@given(CRITERIA)
def test_what_is_written_is_read(criteria: list[Criterion]) -> None:
    written = b" ".join((b"REVERSE " if each.reverse else b"") + each.key.value for each in criteria)
    assert parse_sort(cursor(b" (" + written + b") UTF-8 ALL"), by_uid=False).criteria == tuple(criteria)
