"""Sets of numbers to places in a box, and numbers to sets (RFC 9051 9: sequence-set; RFC 4315 4: uid-set).

What must stay true: ``1:4294967295`` costs what the box costs, not what the range is long.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from opostd.imap.values.sets import STAR, Numbers, SavedResult, SequenceSet
from opostd.model.errors import BadSyntax

Ranges = list[tuple[int, int]]
"""Places from 0, half open, ascending, apart from each other."""


class NoSuchNumber(BadSyntax):
    """A sequence number that no message has: BAD (RFC 9051 9, at seq-number)."""

    def __init__(self, text: str) -> None:
        super().__init__(0, text)
        self.args = (text,)


def by_seq(numbers: Numbers, count: int) -> Ranges:
    """The places of sequence numbers.  count: of the messages that the client counts.

    Raises NoSuchNumber for one over the count, and for ``*`` in an empty box.
    """
    places = []
    for first, last in _ranges(numbers):
        low, high = _ordered(first, last, count)
        if high > count or low == 0:
            raise NoSuchNumber(f"there is no message {max(high, 1)}: the mailbox has {count}")
        places.append((low - 1, high))
    return _merged(places)


def by_uid(numbers: Numbers, uids: Sequence[int]) -> Ranges:
    """The places of UIDs; those that are not there are nothing.  uids: of the box, ascending.

    ``*`` is the largest UID there is, so that ``n:*`` always names the last message (RFC 9051 9).
    """
    if not uids:
        _ranges(numbers)
        return []
    star = uids[-1]
    places = []
    for first, last in _ranges(numbers):
        low, high = _ordered(first, last, star)
        start, stop = bisect_left(uids, low), bisect_right(uids, high)
        if start < stop:
            places.append((start, stop))
    return _merged(places)


def _ranges(numbers: Numbers) -> tuple[tuple[int, int], ...]:
    if isinstance(numbers, SavedResult):  # SEARCHRES (RFC 5182) is not announced
        raise NoSuchNumber("$ is not known here: there is no saved search result")
    return numbers.ranges


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


def format_set(numbers: Iterable[int]) -> bytes:
    """``1:3,5``: the numbers in the order given, runs of them as ranges.  At least one number.

    The order is kept, for in COPYUID the nth of one set is the nth of the other (RFC 4315 3).
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return b",".join([b"%d" % first if first == last else b"%d:%d" % (first, last) for first, last in runs])


def format_sequence_set(numbers: SequenceSet) -> bytes:
    """A set as a client may write it; ``*`` where it is meant."""
    return b",".join(
        [_end(first) if first == last else _end(first) + b":" + _end(last) for first, last in numbers.ranges]
    )


def _end(number: int) -> bytes:
    return b"*" if number == STAR else b"%d" % number
