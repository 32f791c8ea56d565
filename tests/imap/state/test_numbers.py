"""Sets of numbers to places in a box (RFC 9051 9: sequence-set), against the naive way."""

import time
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.format.sets import format_sequence_set, format_set
from opostd.imap.state.numbers import by_saved, by_seq, by_uid, part, within
from opostd.imap.values.sets import MAX_NUMBER, STAR, SequenceSet
from opostd.model.errors import BadSyntax
from tests.imap.octets import cursor


def numbers(octets: bytes) -> SequenceSet:
    found = cursor(octets).sequence_set()
    assert isinstance(found, SequenceSet)
    return found


SEQ = [
    (b"1", 3, [(0, 1)]),
    (b"*", 3, [(2, 3)]),
    (b"2:*", 3, [(1, 3)]),
    (b"*:2", 3, [(1, 3)]),
    (b"3:1", 3, [(0, 3)]),
    (b"1,3", 3, [(0, 1), (2, 3)]),
    (b"3,1,2", 3, [(0, 3)]),
    (b"1,1,1:2,2", 3, [(0, 2)]),
    (b"1:5,2:3,4:*", 9, [(0, 9)]),
]


@pytest.mark.parametrize(("octets", "count", "places"), SEQ)
def test_by_seq(octets: bytes, count: int, places: list[tuple[int, int]]) -> None:
    assert by_seq(numbers(octets), count) == places


@pytest.mark.parametrize(("octets", "count"), [(b"4", 3), (b"1:4", 3), (b"4:*", 3), (b"1", 0), (b"*", 0), (b"1:*", 0)])
def test_a_number_that_no_message_has(octets: bytes, count: int) -> None:
    """RFC 9051 9, at seq-number: BAD, and so is ``*`` where the mailbox is empty."""
    with pytest.raises(BadSyntax, match="there is no message"):
        by_seq(numbers(octets), count)


UIDS = array("Q", [3, 4, 8, 10])
UID = [
    (b"1", []),
    (b"3", [(0, 1)]),
    (b"*", [(3, 4)]),
    (b"99:*", [(3, 4)]),
    (b"*:99", [(3, 4)]),
    (b"5:*", [(2, 4)]),
    (b"1:4294967295", [(0, 4)]),
    (b"4294967295:1", [(0, 4)]),
    (b"5:7", []),
    (b"10,3,4", [(0, 2), (3, 4)]),
    (b"4:8,3", [(0, 3)]),
]


@pytest.mark.parametrize(("octets", "places"), UID)
def test_by_uid(octets: bytes, places: list[tuple[int, int]]) -> None:
    assert by_uid(numbers(octets), UIDS) == places


@pytest.mark.parametrize("octets", [b"1", b"*", b"1:*", b"1:4294967295"])
def test_by_uid_of_an_empty_box(octets: bytes) -> None:
    assert by_uid(numbers(octets), array("Q")) == []


SAVED = [
    ([], []),
    ([3], [(0, 1)]),
    ([3, 4, 10], [(0, 2), (3, 4)]),
    ([1, 2, 5, 9, 11], []),
    ([1, 4, 5, 8, 99], [(1, 3)]),
]


@pytest.mark.parametrize(("saved", "places"), SAVED)
def test_a_saved_result_without_what_has_left(saved: list[int], places: list[tuple[int, int]]) -> None:
    assert by_saved(array("I", saved), UIDS) == places
    assert by_saved(array("I", saved), array("Q")) == []


END = st.integers(1, 30) | st.just(STAR) | st.just(MAX_NUMBER)
SETS = st.lists(st.tuples(END, END), min_size=1, max_size=8).map(lambda ranges: SequenceSet(tuple(ranges)))


def _naive(wanted: SequenceSet, star: int) -> set[int]:
    """All numbers below 40 that the set names."""
    named: set[int] = set()
    for ends in wanted.ranges:
        low, high = sorted(star if end == STAR else end for end in ends)
        named |= set(range(low, min(high, 40) + 1))
    return named


def _places(ranges: list[tuple[int, int]]) -> list[int]:
    for (_, stop), (start, _) in pairwise(ranges):
        assert stop < start  # ascending, and apart from each other
    assert all(start < stop for start, stop in ranges)
    return [place for start, stop in ranges for place in range(start, stop)]


def test_numbers_past_the_end_are_nothing_in_a_search() -> None:
    """RFC 7377 2."""
    for octets, count, places in (
        (b"3:100", 5, [(2, 5)]), (b"7:9", 5, []), (b"6", 5, []), (b"*", 0, []), (b"1:*", 0, []), (b"9:*", 5, [(4, 5)]),
        (b"2,4:9,8", 5, [(1, 2), (3, 5)]),
    ):  # fmt: skip
        assert by_seq(numbers(octets), count, clamped=True) == places


@given(SETS, st.sets(st.integers(1, 30)))
def test_by_uid_is_the_naive_way(wanted: SequenceSet, present: set[int]) -> None:
    uids = sorted(present)
    named = _naive(wanted, uids[-1]) if uids else set()
    assert _places(by_uid(wanted, array("Q", uids))) == [place for place, uid in enumerate(uids) if uid in named]


@given(SETS, st.integers(0, 40))
def test_by_seq_is_the_naive_way(wanted: SequenceSet, count: int) -> None:
    ends = [count if end == STAR else end for pair in wanted.ranges for end in pair]
    if max(ends) > count or min(ends) == 0:
        with pytest.raises(BadSyntax):
            by_seq(wanted, count)
    else:
        assert _places(by_seq(wanted, count)) == [number - 1 for number in sorted(_naive(wanted, count))]


def test_a_range_costs_what_the_box_costs() -> None:
    wanted = SequenceSet(((1, MAX_NUMBER),) * 10_000)
    uids = array("Q", range(1, 100_001))
    before = time.process_time()
    assert by_uid(wanted, uids) == [(0, 100_000)]
    assert time.process_time() - before < 20


def test_within() -> None:
    """UIDs of messages that are not there any more: ``*`` is what the caller says it is."""
    gone = [2, 3, 7, 9, 20]
    assert within(SequenceSet(((3, 9),)), gone, 100) == (3, 7, 9)
    assert within(SequenceSet(((8, 1), (20, STAR), (7, 7))), gone, 100) == (2, 3, 7, 20)
    assert within(SequenceSet(((STAR, 21),)), gone, 100) == ()
    assert within(SequenceSet(((STAR, 9),)), gone, 5) == (7, 9)


FORMATTED = [
    ([1], b"1"),
    ([1, 2, 3], b"1:3"),
    ([1, 3, 4, 9], b"1,3:4,9"),
    ([3, 2, 1], b"3,2,1"),  # the order is COPYUID's
    ([5, 6, 1, 2], b"5:6,1:2"),
]


@pytest.mark.parametrize(("given_", "octets"), FORMATTED)
def test_format_set(given_: list[int], octets: bytes) -> None:
    assert format_set(given_) == octets


@given(st.lists(st.integers(1, MAX_NUMBER), min_size=1, max_size=30))
def test_format_set_keeps_every_number_in_order(given_: list[int]) -> None:
    read = numbers(format_set(given_))
    assert [number for first, last in read.ranges for number in range(first, last + 1)] == given_


@given(SETS)
def test_sequence_sets_round_trip(wanted: SequenceSet) -> None:
    assert numbers(format_sequence_set(wanted)) == wanted


PARTS = [
    ((1, 2), "ab"),
    ((2, 1), "ab"),
    ((4, 9), "de"),
    ((5, 5), "e"),
    ((6, 9), ""),
    ((-1, -2), "de"),
    ((-2, -1), "de"),
    ((-4, -9), "ab"),
    ((-5, -5), "a"),
    ((-6, -9), ""),
    ((1, MAX_NUMBER), "abcde"),
    ((-1, -MAX_NUMBER), "abcde"),
]


@pytest.mark.parametrize(("partial", "named"), PARTS)
def test_part(partial: tuple[int, int], named: str) -> None:
    assert "".join(part("abcde", partial)) == named
    assert list(part([], partial)) == []
