"""Sets of numbers to places in a box (RFC 9051 9: sequence-set; RFC 4315 4: uid-set; RFC 5182, 9394).

What must stay true: ``1:4294967295`` costs what the box costs, not what the range is long.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TypeVar

from opostd.imap.values.sets import STAR, Partial, SequenceSet
from opostd.model.errors import BadSyntax

T = TypeVar("T")

Ranges = list[tuple[int, int]]
"""Places from 0, half open, ascending, apart from each other."""


class NoSuchNumber(BadSyntax):
    """A sequence number that no message has: BAD (RFC 9051 9, at seq-number)."""

    def __init__(self, text: str) -> None:
        super().__init__(0, text)
        self.args = (text,)


def by_seq(numbers: SequenceSet, count: int, *, clamped: bool = False) -> Ranges:
    """The places of sequence numbers.  count: of the messages that the client counts.

    clamped: what is over the count is nothing, as in a search (RFC 7377 2).  Raises NoSuchNumber for it elsewhere,
    and for ``*`` in an empty box.
    """
    places = []
    for first, last in numbers.ranges:
        low, high = _ordered(first, last, count)
        if clamped:
            low, high = max(low, 1), min(high, count)
            if low > high:
                continue
        elif high > count or low == 0:
            raise NoSuchNumber(f"there is no message {max(high, 1)}: the mailbox has {count}")
        places.append((low - 1, high))
    return _merged(places)


def by_uid(numbers: SequenceSet, uids: Sequence[int]) -> Ranges:
    """The places of UIDs; those that are not there are nothing.  uids: of the box, ascending.

    ``*`` is the largest UID there is, so that ``n:*`` always names the last message (RFC 9051 9).
    """
    if not uids:
        return []
    star = uids[-1]
    places = []
    for first, last in numbers.ranges:
        low, high = _ordered(first, last, star)
        start, stop = bisect_left(uids, low), bisect_right(uids, high)
        if start < stop:
            places.append((start, stop))
    return _merged(places)


def by_saved(saved: Sequence[int], uids: Sequence[int]) -> Ranges:
    """The places of ``$``.  saved: UIDs, ascending; those that have left the box meanwhile are nothing (RFC 5182 2.1).

    uids: of the box, ascending.
    """
    places: Ranges = []
    at, count = 0, len(uids)
    for uid in saved:
        at = bisect_left(uids, uid, at)
        if at == count:
            break
        if uids[at] != uid:
            continue
        if places and places[-1][1] == at:
            places[-1] = (places[-1][0], at + 1)
        else:
            places.append((at, at + 1))
    return places


def part(results: Sequence[T], partial: Partial) -> Sequence[T]:
    """Those of the results that a range names; either end may be written first, and there may be fewer (RFC 9394)."""
    low, high = sorted(map(abs, partial))
    if partial[0] > 0:
        return results[low - 1 : high]
    return results[max(0, len(results) - high) : max(0, len(results) - low + 1)]


def _ordered(first: int, last: int, star: int) -> tuple[int, int]:
    """A range may be written from either end, and ``*`` may be lower than a number beside it."""
    first, last = (star if first == STAR else first), (star if last == STAR else last)
    return (first, last) if first <= last else (last, first)


def _merged(places: Ranges) -> Ranges:
    if len(places) < 2:
        return places
    places.sort()
    merged = [places[0]]
    for start, stop in places[1:]:
        before, end = merged[-1]
        if start <= end:
            if stop > end:
                merged[-1] = (before, stop)
        else:
            merged.append((start, stop))
    return merged


def within(numbers: SequenceSet, uids: Sequence[int], star: int) -> tuple[int, ...]:
    """Those of the UIDs that a set names.  uids: ascending, of messages that need not be there; star: what ``*`` is."""
    found: list[int] = []
    for start, stop in _merged([_half_open(*each, star) for each in numbers.ranges]):
        found += uids[bisect_left(uids, start) : bisect_left(uids, stop)]
    return tuple(found)


def _half_open(first: int, last: int, star: int) -> tuple[int, int]:
    low, high = _ordered(first, last, star)
    return low, high + 1
