"""Sets of numbers as octets (RFC 9051 9: sequence-set; RFC 4315 4: uid-set)."""

from collections.abc import Iterable

from opostd.imap.values.sets import STAR, SequenceSet


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
