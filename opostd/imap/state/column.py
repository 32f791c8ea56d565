"""One column over all blocks of a box, for whoever reads it."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import overload

from opostd.model.columns import Block


class Column(Sequence[int]):
    """Arrays end to end, read as one; a box of one block has the array itself in its place."""

    __slots__ = ("_count", "_parts", "_starts")

    def __init__(self, parts: "Sequence[array[int]]", starts: "array[int]") -> None:
        """starts: of ``starts_of``."""
        self._parts, self._starts = parts, starts
        self._count = starts[-1] + len(parts[-1])

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self._parts)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> "array[int]": ...
    def __getitem__(self, index: "int | slice") -> "int | array[int]":
        if isinstance(index, slice):
            return self._slice(*index.indices(self._count))
        if index < 0:
            index += self._count
        if not 0 <= index < self._count:
            raise IndexError("there are fewer messages")
        at = bisect_right(self._starts, index) - 1
        return self._parts[at][index - self._starts[at]]

    def _slice(self, start: int, stop: int, step: int) -> "array[int]":
        if step != 1:
            return array("q", [self[index] for index in range(start, stop, step)])
        found = array("q")
        at = max(bisect_right(self._starts, start) - 1, 0)
        while start < stop:
            begin, part = self._starts[at], self._parts[at]
            found.extend(part[start - begin : stop - begin].tolist())
            start, at = begin + len(part), at + 1
        return found


def starts_of(blocks: Sequence[Block]) -> "array[int]":
    """The place of the first message of each block."""
    return array("I", [0, *accumulate(len(block.sizes) for block in blocks[:-1])])
