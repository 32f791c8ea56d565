"""The next snapshot after a STORE is what the store would show, without asking it."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.state.snapshot import Snapshot, flagged
from opostd.model.columns import Block, Columns, modseq_column
from opostd.model.flags import ALL_FLAGS, FlagAction, Flags, apply_flags
from opostd.model.ids import BoxId, ModSeq, OwnerId, Uid
from opostd.model.records import Box

BLOCK = 4


def snapshot(rows: list[tuple[int, int, int]], modseq: int) -> Snapshot:
    """rows: uid, bits, modseq."""
    uids, bits, modseqs = zip(*rows, strict=True) if rows else ((), (), ())
    box = Box(OwnerId(1), BoxId(2), "INBOX", "", 1, Uid(100), ModSeq(modseq))
    blocks = []
    for at in range(0, len(rows), BLOCK):
        some = modseq_column(list(modseqs[at : at + BLOCK]))
        zeros = array("I", [0]) * len(some)
        blocks.append(Block(some, bytes(16 * len(some)), zeros, zeros, max(some)))
    return Snapshot(box, Columns(array("I", uids), array("B", bits), tuple(blocks), {}, BLOCK))


rows = st.lists(st.tuples(st.integers(1, 40), st.integers(0, ALL_FLAGS), st.integers(1, 9)), max_size=12).map(
    lambda found: sorted({row[0]: row for row in found}.values())
)
spans = st.lists(st.tuples(st.integers(1, 45), st.integers(0, 8)), min_size=1, max_size=3).map(
    lambda found: [(first, first + more) for first, more in found]
)


@given(
    rows, spans, st.sampled_from([FlagAction.ADD, FlagAction.REMOVE]), st.integers(0, ALL_FLAGS),
    st.none() | st.integers(1, 9),
)  # fmt: skip
def test_flagged(
    found: list[tuple[int, int, int]],
    wanted: list[tuple[int, int]],
    action: FlagAction,
    bits: int,
    since: int | None,
) -> None:
    old = snapshot(found, 9)
    expected, count = [], 0
    for uid, before, modseq in found:
        named = any(first <= uid <= last for first, last in wanted)
        after = apply_flags(Flags(before), action, Flags(bits)).bits
        if named and after != before and (since is None or modseq <= since):
            expected.append((uid, after, 10))
            count += 1
        else:
            expected.append((uid, before, modseq))
    unchangedsince = None if since is None else ModSeq(since)
    result = flagged(old, wanted, action, bits, ModSeq(10), unchangedsince)
    assert result is not None
    new, changed = result
    assert changed == count
    assert list(zip(new.uids, new.bits, new.modseqs, strict=True)) == expected
    assert new.modseq == 10
    assert list(zip(old.uids, old.bits, old.modseqs, strict=True)) == found  # others may hold it


@given(st.integers(0, 3 * BLOCK), st.data())
def test_posts_of_places(count: int, data: st.DataObject) -> None:
    """Neighbours, over the borders of blocks or within one, and any others."""
    blocks = []
    for at in range(0, count, BLOCK):
        many = min(BLOCK, count - at)
        ids = b"".join(number.to_bytes(16, "big") for number in range(at, at + many))
        zeros = array("I", [0]) * many
        blocks.append(Block(modseq_column([1] * many), ids, zeros, zeros, 1))
    box = Box(OwnerId(1), BoxId(2), "INBOX", "", 1, Uid(100), ModSeq(1))
    columns = Columns(array("I", range(1, count + 1)), array("B", bytes(count)), tuple(blocks), {}, BLOCK)
    shown = Snapshot(box, columns)
    start, stop = sorted(data.draw(st.tuples(st.integers(0, count), st.integers(0, count))))
    some = sorted(data.draw(st.sets(st.integers(0, count - 1)))) if count else []
    for places in (range(start, stop), list(range(start, stop)), some):
        assert shown.posts(places) == [shown.post(place) for place in places]
        assert [int.from_bytes(id_, "big") for id_ in shown.posts(places)] == list(places)


def test_what_is_not_computed() -> None:
    """Another change came between, the action replaces, or the row is ahead of its box."""
    assert flagged(snapshot([(1, 0, 7)], 5), [(1, 1)], FlagAction.ADD, 1, ModSeq(6), None) is None
    old = snapshot([(1, 0, 1)], 5)
    assert flagged(old, [(1, 1)], FlagAction.ADD, 1, ModSeq(7), None) is None
    assert flagged(old, [(1, 1)], FlagAction.ADD, 1, ModSeq(5), None) is None
    assert flagged(old, [(1, 1)], FlagAction.REPLACE, 1, ModSeq(6), None) is None
