"""Columns that are altered block by block are what a plain list of rows would be, and the old ones stay as they are."""

import sys
from array import array
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.state.snapshot import Snapshot, changed
from opostd.model.columns import BLOCK_ROWS, Columns, read_records
from opostd.model.flags import ALL_FLAGS
from opostd.model.ids import BoxId, ModSeq, OwnerId, PostId, Uid
from opostd.model.records import Box, DeliveredPost

numbers = st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**32, 2**50])
dates = st.sampled_from([0, 1_700_000_000, 2**32 - 1, 2**32, -1, -(2**40)])


@dataclass(frozen=True)
class Step:
    """new: bits, modseq and date of each; altered and gone: which of the messages there."""

    new: list[tuple[int, int, int]]
    altered: list[tuple[int, int, int]]
    gone: list[int]


steps = st.builds(
    Step,
    st.lists(st.tuples(st.integers(0, ALL_FLAGS), numbers, dates), max_size=14),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, ALL_FLAGS), numbers), max_size=6),
    st.lists(st.integers(0, 60), max_size=9) | st.just(list(range(2, 50, 3))) | st.just(list(range(0, 60, 2))),
)


def is_the_list(shown: Snapshot, rows: list[DeliveredPost]) -> None:
    assert len(shown) == len(rows)
    assert list(shown.uids) == [row.uid for row in rows]
    assert list(shown.bits) == [row.bits for row in rows]
    assert list(shown.modseqs) == [row.modseq for row in rows]
    assert list(shown.sizes) == [row.size for row in rows]
    assert list(shown.internaldates) == [row.internaldate for row in rows]
    assert [shown.post(at) for at in range(len(rows))] == [row.post for row in rows]
    assert dict(shown.keywords) == {row.uid: row.keywords for row in rows if row.keywords}
    for row in rows:
        assert shown.places(row.post) == {at for at, each in enumerate(rows) if each.post == row.post}
    for since in (0, 2**31, 2**32, 2**51):
        for stop in (0, len(rows) // 2, len(rows)):
            found = [at for at, row in enumerate(rows[:stop]) if row.modseq > since]
            assert shown.changed_since(since, stop) == found
    for column, values in ((shown.sizes, [row.size for row in rows]), (shown.modseqs, [row.modseq for row in rows])):
        assert [column[at] for at in range(len(rows))] == values
        assert list(column[1:-1]) == values[1:-1]
        assert list(column[2::2]) == values[2::2]
        assert list(column[-3:]) == values[-3:]
        if values:
            assert column[-1] == values[-1]


@given(st.lists(steps, max_size=8), st.integers(1, 5))
def test_as_a_list_would_be(taken: list[Step], block_rows: int) -> None:
    box = Box(OwnerId(7), BoxId(9), "x", "", 1, Uid(1), ModSeq(1))
    shown, rows, uid = Snapshot(box, Columns(array("I"), array("B"), (), {}, block_rows)), list[DeliveredPost](), 0
    for step in taken:
        before, expected = shown, list(rows)
        told: dict[int, DeliveredPost] = {}
        for which, bits, modseq in step.altered if rows else []:
            at = which % len(rows)
            words = ("k",) if bits & 1 else ()
            told[rows[at].uid] = rows[at] = replace(rows[at], bits=bits, modseq=ModSeq(modseq), keywords=words)
        for bits, modseq, date in step.new:
            uid += 3
            post = PostId((uid % 4).to_bytes(16, "big") if bits & 2 else uid.to_bytes(16, "big"))
            row = DeliveredPost(Uid(uid), ModSeq(modseq), post, bits, (), date, 0, uid)
            rows.append(row)
            told[uid] = row
        left = {rows[which].uid for which in step.gone if which < len(rows)}
        rows = [row for row in rows if row.uid not in left]
        gone = sorted([Uid(each) for each in {*left, 2}])
        shown = changed(before, box, [told[each] for each in sorted(told)], gone)
        is_the_list(shown, rows)
        is_the_list(before, expected)
        assert shown.expunges == before.expunges + bool(left)


def test_a_modseq_over_32_bits_in_one_block_after_another() -> None:
    """No block takes for its own what another has: each is widened when it has to be."""
    box = Box(OwnerId(7), BoxId(9), "x", "", 1, Uid(1), ModSeq(1))
    rows = [DeliveredPost(Uid(uid), ModSeq(1), PostId(bytes(16)), 0, (), 0, 0, 1) for uid in range(1, 5)]
    shown = changed(Snapshot(box, Columns(array("I"), array("B"), (), {}, 2)), box, rows, [])
    assert len(shown.columns.blocks) == 2
    for altered in ({1: 2**32, 3: 7}, {3: 2**32, 4: 2**32}, {2: 2**33}):
        for uid, modseq in altered.items():
            rows[uid - 1] = replace(rows[uid - 1], modseq=ModSeq(modseq))
        shown = changed(shown, box, [rows[uid - 1] for uid in altered], [])
        is_the_list(shown, rows)


def test_what_has_not_changed_is_shared() -> None:
    """A message that comes to many, and flags of one, copy a block and the two columns of five octets a message."""
    records = b"".join(
        uid.to_bytes(4, "big")
        + (10).to_bytes(4, "big")
        + (1).to_bytes(7, "big")
        + b"\1"
        + uid.to_bytes(8, "big")
        + bytes(16)
        for uid in range(1, BLOCK_ROWS + 1)
    )
    uids, bits = array("I"), array("B")
    blocks = tuple([read_records(records, uids, bits) for _ in range(3)])
    uids = array("I", range(1, len(uids) + 1))
    box = Box(OwnerId(7), BoxId(9), "x", "", 1, Uid(len(uids) + 1), ModSeq(1))
    kept = [
        uids,
        bits,
        *(c for block in blocks for c in (block.modseqs, block.posts, block.sizes, block.internaldates)),
    ]
    assert sum(map(sys.getsizeof, kept)) / len(uids) < 34  # a box of a million: 32 MiB of the 40 that it may cost
    old = Snapshot(box, Columns(uids, bits, blocks, {}))
    row = DeliveredPost(Uid(5), ModSeq(2), PostId(bytes(16)), 3, (), 0, 0, 10)
    new = changed(old, box, [row], [])
    assert new.uids is old.uids  # so that what clients believe is not compared UID by UID
    assert [a is b for a, b in zip(new.columns.blocks, blocks, strict=True)] == [False, True, True]
    assert new.columns.blocks[0].posts is blocks[0].posts
    came = changed(old, box, [replace(row, uid=Uid(len(uids) + 1))], [])
    assert [a is b for a, b in zip(came.columns.blocks, blocks, strict=True)] == [True, True, False]
    left = changed(old, box, [], [Uid(BLOCK_ROWS + 7)])
    assert [a is b for a, b in zip(left.columns.blocks, blocks, strict=True)] == [True, False, True]
    assert left.uids[BLOCK_ROWS + 6] == BLOCK_ROWS + 8
