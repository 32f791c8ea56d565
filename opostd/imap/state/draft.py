"""The columns of a box while they are altered: what is altered is copied first, block by block, the rest is shared."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import compress

from opostd.imap.state.column import starts_of
from opostd.model.columns import LAST_SHORT, POST_ID_OCTETS, Block, Columns, date_column, modseq_column
from opostd.model.ids import PostId, Uid
from opostd.model.records import DeliveredPost

FEW_RUNS = 32  # a column without so many runs is put together of slices, else it is gone over number by number


class Draft:
    """One change of some columns; the columns given, which others hold, stay as they are."""

    def __init__(self, old: Columns) -> None:
        self.uids, self.bits, self._keywords = old.uids, old.bits, old.keywords
        self._old, self._rows = old, old.block_rows
        self._blocks = list(old.blocks)
        self._starts = starts_of(old.blocks)
        self._modseqs: dict[int, array[int]] = {}  # of blocks whose flags have changed
        self._top = 0  # of what they were given

    def columns(self) -> Columns:
        self._settle()
        blocks = [block for block in self._blocks if block.sizes]
        if len(blocks) > 1 and len(self.uids) <= self._rows:
            blocks = [_joined(blocks)]
        return Columns(self.uids, self.bits, tuple(blocks), self._keywords, self._rows)

    def put(self, rows: Sequence[DeliveredPost]) -> None:
        """New or changed messages, by ascending UID."""
        first_new = bisect_right(rows, self.uids[-1] if self.uids else 0, key=lambda row: row.uid)
        for row in rows[:first_new]:
            at = bisect_left(self.uids, row.uid)
            if self.uids[at] != row.uid:  # UIDs become visible in ascending order (promise 2): a fault of the store
                raise ValueError(f"UID {row.uid} appeared below {self.uids[-1]}")
            self.flag((at,), bytes((row.bits,)), row.modseq)
        if new := rows[first_new:]:
            posts = [(row.post, row.size, row.internaldate) for row in new]
            self.append([row.uid for row in new], bytes(row.bits for row in new), [row.modseq for row in new], posts)
        for row in rows:
            if row.keywords or row.uid in self._keywords:
                if self._keywords is self._old.keywords:
                    self._keywords = dict(self._keywords)
                assert isinstance(self._keywords, dict)
                self._keywords[row.uid] = row.keywords
                if not row.keywords:
                    del self._keywords[row.uid]

    def flag(self, places: Sequence[int], bits: bytes, modseq: int) -> None:
        """These bits, one for each of the places, which ascend; and the modseq for all of them."""
        if self.bits is self._old.bits:
            self.bits = self.bits[:]
        neighbours = len(places) > 1 and places[-1] - places[0] + 1 == len(places)
        if neighbours:
            self.bits[places[0] : places[-1] + 1] = array("B", bits)
        else:
            for place, each in zip(places, bits, strict=True):
                self.bits[place] = each
        at = 0
        while at < len(places):
            number = bisect_right(self._starts, places[at]) - 1
            begin, modseqs = self._starts[number], self._altered(number, modseq)
            stop = bisect_left(places, begin + len(modseqs), at)
            if neighbours:
                first, last = places[at] - begin, places[stop - 1] - begin
                modseqs[first : last + 1] = array(modseqs.typecode, [modseq]) * (stop - at)
            else:
                for place in places[at:stop]:
                    modseqs[place - begin] = modseq
            at = stop

    def append(
        self, uids: Sequence[int], bits: bytes, modseqs: Sequence[int], posts: Sequence[tuple[PostId, int, int]]
    ) -> None:
        """New messages at the end; posts: id, octets and INTERNALDATE of each."""
        self._settle()
        self.uids = self.uids + array("I", uids)
        self.bits = self.bits + array("B", bits)
        ids, sizes, dates = zip(*posts, strict=True)
        new = Block(
            modseq_column(list(modseqs)), b"".join(ids), array("I", sizes), date_column(list(dates)), max(modseqs)
        )
        whole = _joined([self._blocks.pop(), new]) if self._blocks else new
        count = len(whole.sizes)
        if count < 2 * self._rows:
            self._blocks.append(whole)
        else:
            self._blocks += [_part(whole, at, at + self._rows) for at in range(0, count, self._rows)]
        self._starts = starts_of(self._blocks)

    def remove(self, gone: Sequence[Uid]) -> bool:
        """Whether any of these was here."""
        self._settle()
        runs = self._leaving(sorted(gone))
        if not runs:
            return False
        if not self._keywords.keys().isdisjoint(gone):
            leaving = set(gone)
            self._keywords = {uid: words for uid, words in self._keywords.items() if uid not in leaving}
        self.uids, self.bits = _without(self.uids, runs), _without(self.bits, runs)
        for number, begin in enumerate(self._starts):
            block = self._blocks[number]
            here = _within(runs, begin, begin + len(block.sizes))
            if here:
                self._blocks[number] = _block_without(block, here)
        self._starts = starts_of(self._blocks)
        return True

    def _leaving(self, gone: Sequence[int]) -> "Runs":
        """Where these stand that are here.  gone: ascending."""
        if not gone:
            return []
        start, stop = bisect_left(self.uids, gone[0]), bisect_right(self.uids, gone[-1])
        if stop - start == len(gone) and self.uids[start:stop].tolist() == gone:
            return [(start, stop)]
        if stop - start < 8 * len(gone):
            leaving = set(gone)
            return _runs([at for at, uid in enumerate(self.uids[start:stop], start) if uid in leaving])
        places = [(at, uid) for uid in gone if (at := bisect_left(self.uids, uid)) < len(self.uids)]
        return _runs([at for at, uid in places if self.uids[at] == uid])

    def _altered(self, number: int, modseq: int) -> "array[int]":
        """The modseqs of a block, to be altered, with room for this one."""
        self._top = max(self._top, modseq)
        found = self._modseqs.get(number)
        if found is None:
            found = self._modseqs[number] = self._blocks[number].modseqs[:]
        if modseq > LAST_SHORT and found.typecode == "I":
            found = self._modseqs[number] = array("Q", found)
        return found

    def _settle(self) -> None:
        for number, modseqs in self._modseqs.items():
            block = self._blocks[number]
            top = max(block.top, self._top)
            self._blocks[number] = Block(modseqs, block.posts, block.sizes, block.internaldates, top)
        self._modseqs.clear()


def _widened(column: "array[int]", typecode: str) -> "array[int]":
    """The column, of 8 octets a number where it is or the other is."""
    return column if typecode == "I" or column.typecode == typecode else array(typecode, column)


def _end_to_end(columns: "Sequence[array[int]]") -> "array[int]":
    typecode = max((column.typecode for column in columns), key=lambda code: code != "I")
    found = array(typecode)
    for column in columns:
        found.extend(_widened(column, typecode))
    return found


def _joined(blocks: Sequence[Block]) -> Block:
    return Block(
        _end_to_end([block.modseqs for block in blocks]),
        b"".join([block.posts for block in blocks]),
        _end_to_end([block.sizes for block in blocks]),
        _end_to_end([block.internaldates for block in blocks]),
        max(block.top for block in blocks),
    )


def _part(block: Block, start: int, stop: int) -> Block:
    posts = block.posts[start * POST_ID_OCTETS : stop * POST_ID_OCTETS]
    return Block(block.modseqs[start:stop], posts, block.sizes[start:stop], block.internaldates[start:stop], block.top)


Runs = list[tuple[int, int]]
"""Places from 0, half open, ascending, apart from each other."""


def _runs(places: Sequence[int]) -> Runs:
    found: Runs = []
    for place in places:
        if found and found[-1][1] == place:
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
    return found


def _within(runs: Runs, start: int, stop: int) -> Runs:
    """What of them is from one place to another, counted from there."""
    first = bisect_right(runs, start, key=lambda run: run[1])
    last = bisect_left(runs, stop, key=lambda run: run[0])
    return [(max(begin, start) - start, min(end, stop) - start) for begin, end in runs[first:last]]


def _kept(runs: Runs, count: int) -> Iterator[tuple[int, int]]:
    """What is between the runs."""
    at = 0
    for start, stop in [*runs, (count, count)]:
        if at < start:
            yield at, start
        at = stop


def _without(column: "array[int]", runs: Runs) -> "array[int]":
    if len(runs) > FEW_RUNS:
        return array(column.typecode, compress(column, _mask(runs, len(column))))
    found = array(column.typecode)
    for start, stop in _kept(runs, len(column)):
        found.extend(column[start:stop])
    return found


def _mask(runs: Runs, count: int) -> bytes:
    mask = bytearray(b"\1") * count
    for start, stop in runs:
        mask[start:stop] = bytes(stop - start)
    return bytes(mask)


def _block_without(block: Block, runs: Runs) -> Block:
    count, octets = len(block.sizes), POST_ID_OCTETS
    posts = b"".join([block.posts[start * octets : stop * octets] for start, stop in _kept(runs, count)])
    sizes, dates = _without(block.sizes, runs), _without(block.internaldates, runs)
    return Block(_without(block.modseqs, runs), posts, sizes, dates, block.top)
