"""Messages in boxes: delivered, flagged, copied, moved, expunged; and what a look at the box then tells."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opostd.model.columns import BLOCK_ROWS
from opostd.model.errors import LimitReached, NoSuchBox
from opostd.model.flags import (
    ALL_FLAGS,
    DELETED,
    EVERY_FLAG,
    FLAGGED,
    MAX_KEYWORDS,
    SEEN,
    FlagAction,
    Flags,
    FlagScope,
    apply_flags,
)
from opostd.model.ids import BoxId, ModSeq, OwnerId, Uid
from opostd.model.new_ids import new_post_id
from opostd.store import boxes, changes, delivery, flags, listing, moves, schema
from opostd.store.run import Group, Store, Tx, writes
from tests.store.world import NOW, World, a_delivery, run


async def anna(store: Store, count: int = 0) -> World:
    world = await World(store).make("anna")
    if count:
        await world.fill("anna", count)
    return world


# Delivery


def test_delivery_is_idempotent(store: Store) -> None:
    """A post that the box has keeps its UID; when none is new, nothing is spent."""

    async def main() -> None:
        world = await anna(store)
        key, one, two, three = world.key("anna"), a_delivery(), a_delivery(), a_delivery()
        first = await store.run(delivery.deliver, *key, [one, two], NOW)
        assert (first.uids, first.modseq, first.fresh) == ((1, 2), 2, 2)
        again = await store.run(delivery.deliver, *key, [two, one], NOW)
        assert (again.uids, again.modseq, again.fresh) == ((2, 1), 2, 0)
        mixed = await store.run(delivery.deliver, *key, [two, three, one, three], NOW)
        assert (mixed.uids, mixed.modseq, mixed.fresh) == ((2, 3, 1, 3), 3, 1)
        assert (await store.run(boxes.box_by_id, *key)).uidnext == 4

    run(main())


def test_delivery_looks_past_copies(store: Store) -> None:
    async def main() -> None:
        world = await anna(store)
        key, one = world.key("anna"), a_delivery()
        await store.run(delivery.deliver, *key, [one], NOW)
        await store.run(moves.copy, *key, key[1], [Uid(1)], NOW)
        again = await store.run(delivery.deliver, *key, [one], NOW)
        assert (again.uids, again.fresh) == ((1,), 0)

    run(main())


def test_delivery_keeps_what_append_says(store: Store) -> None:
    async def main() -> None:
        world = await anna(store)
        await store.run(delivery.deliver, *world.key("anna"), [a_delivery(None, -5, FLAGGED, ("a", "b"))], NOW)
        (row,) = (await store.run(changes.listing, *world.key("anna"))).rows
        assert (row.bits, row.keywords, row.internaldate, row.savedate) == (FLAGGED, ("a", "b"), -5, NOW)

    run(main())


def test_deliver_many(store: Store) -> None:
    """A box that is gone stops nobody; a box named twice keeps its order."""

    async def main() -> None:
        world = await World(store).make("anna", "bob")
        posts = [a_delivery() for _ in range(4)]
        gone = (world.owner("bob"), BoxId(5), [posts[0]])
        results = await store.run(
            delivery.deliver_many,
            [
                (*world.key("bob"), posts[:2]),
                gone,
                (*world.key("anna"), [posts[2]]),
                (*world.key("bob"), [posts[3], posts[0]]),
                (OwnerId(3), world.inbox["anna"], [posts[0]]),
            ],
            NOW,
        )
        bobs, no_box, annas, more, no_owner = results
        assert isinstance(no_box, NoSuchBox)
        assert isinstance(no_owner, NoSuchBox)
        assert isinstance(bobs, delivery.Delivered)
        assert bobs.uids == (1, 2)
        assert isinstance(more, delivery.Delivered)
        assert more.uids == (3, 1)
        assert isinstance(annas, delivery.Delivered)
        assert annas.uids == (1,)
        assert await store.run(delivery.deliver_many, [], NOW) == []

    run(main())


@writes(Group.OWNER)
def set_uidnext(tx: Tx, owner: OwnerId, box: BoxId, uidnext: int) -> None:
    table = schema.box
    tx.execute(sa.update(table).where(table.c.owner_id == owner, table.c.box_id == box).values(uidnext=uidnext))


def test_uids_end_and_never_wrap(store: Store) -> None:
    async def main() -> None:
        world = await anna(store)
        key = world.key("anna")
        await store.run(set_uidnext, *key, 2**32 - 3)
        assert (await store.run(delivery.deliver, *key, [a_delivery(), a_delivery()], NOW)).uids == (
            2**32 - 3, 2**32 - 2
        )  # fmt: skip
        with pytest.raises(LimitReached, match="UID"):
            await store.run(delivery.deliver, *key, [a_delivery()], NOW)
        with pytest.raises(LimitReached):
            await store.run(moves.copy, *key, key[1], [Uid(2**32 - 2)], NOW)
        assert (await store.run(boxes.box_by_id, *key)).uidnext == 2**32 - 1

    run(main())


# Flags


@pytest.mark.parametrize(
    ("action", "change", "after"),
    [
        (FlagAction.ADD, Flags(SEEN), Flags(SEEN | FLAGGED, ("a",))),
        (FlagAction.ADD, Flags(0, ("B",)), Flags(FLAGGED, ("a", "B"))),
        (FlagAction.ADD, Flags(0, ("A",)), None),
        (FlagAction.ADD, Flags(FLAGGED), None),
        (FlagAction.REMOVE, Flags(FLAGGED, ("A",)), Flags()),
        (FlagAction.REMOVE, Flags(SEEN, ("z",)), None),
        (FlagAction.REPLACE, Flags(SEEN), Flags(SEEN)),
        (FlagAction.REPLACE, Flags(), Flags()),
        (FlagAction.REPLACE, Flags(FLAGGED, ("a",)), None),
    ],
)
def test_store_flags(store: Store, action: FlagAction, change: Flags, after: Flags | None) -> None:
    """after: None where nothing changes, so that no modseq is spent."""

    async def main() -> None:
        world = await anna(store)
        await world.fill("anna", 3, FLAGGED, ("a",))
        key = world.key("anna")
        before = await store.run(changes.listing, *key)
        result = await store.run(flags.store_flags, *key, [(2, 2)], action, change, None)
        listing = await store.run(changes.listing, *key)
        if after is None:
            assert (result.changed, result.modseq, listing) == (0, before.box.highestmodseq, before)
            return
        assert result.changed == 1
        assert result.modseq == listing.box.highestmodseq == before.box.highestmodseq + 1
        assert Flags(listing.rows[1].bits, listing.rows[1].keywords) == after
        assert listing.rows[1].modseq == result.modseq
        assert (listing.rows[0], listing.rows[2]) == (before.rows[0], before.rows[2])

    run(main())


def test_unchangedsince(store: Store) -> None:
    async def main() -> None:
        world = await anna(store, 6)
        key = world.key("anna")
        first = await store.run(flags.store_flags, *key, [(2, 3)], FlagAction.ADD, Flags(SEEN), None)
        since = ModSeq(first.modseq - 1)
        result = await store.run(flags.store_flags, *key, [(1, 4)], FlagAction.ADD, Flags(FLAGGED), since)
        assert (result.changed, result.modified) == (2, (2, 3))
        nothing = await store.run(flags.store_flags, *key, [(1, 6)], FlagAction.ADD, Flags(DELETED), ModSeq(1))
        assert (nothing.changed, nothing.modified, nothing.modseq) == (0, (1, 2, 3, 4, 5, 6), result.modseq)

    run(main())


def test_keywords_have_limits(store: Store) -> None:
    async def main() -> None:
        world = await anna(store, 2)
        many = tuple(f"k{number}" for number in range(MAX_KEYWORDS))
        await store.run(flags.store_flags, *world.key("anna"), [(1, 1)], FlagAction.ADD, Flags(0, many), None)
        for change in (Flags(0, ("more",)), Flags(SEEN, ("x" * 101,))):
            with pytest.raises(LimitReached):
                await store.run(flags.store_flags, *world.key("anna"), [(1, 2)], FlagAction.ADD, change, None)
        listing = await store.run(changes.listing, *world.key("anna"))
        assert [len(row.keywords) for row in listing.rows] == [MAX_KEYWORDS, 0]

    run(main())


def test_flags_of_ten_thousand(store: Store) -> None:
    """In one go, as a range and as 5,000 single UIDs (how fast: ``make bench``)."""

    async def main() -> None:
        world = await anna(store, 10_000)
        await world.store.run(flags.store_flags, *world.key("anna"), [(1, 10_000)], FlagAction.ADD, Flags(8), None)
        for ranges, count in (([(1, 10_000)], 10_000), ([(uid, uid) for uid in range(1, 10_001, 2)], 5_000)):
            bit = SEEN if count == 10_000 else FLAGGED
            result = await world.store.run(
                flags.store_flags, *world.key("anna"), ranges, FlagAction.ADD, Flags(bit), None
            )
            assert result.changed == count

    run(main())


Step = tuple[FlagAction, Flags, list[tuple[int, int]]]
flag_sets = st.builds(
    Flags,
    st.integers(0, ALL_FLAGS),
    st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True).map(lambda words: tuple(sorted(words))),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(FlagAction),
        flag_sets,
        st.lists(st.tuples(st.integers(1, 12), st.integers(0, 5)), min_size=1, max_size=3),
    ),
    max_size=5,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_flags_are_as_computed_one_by_one(one_box: tuple[Store, World], steps: list[Step]) -> None:
    """The few UPDATEs give what ``apply_flags`` gives for each message alone; modseqs tell exactly what changed."""
    store, world = one_box
    key = world.key("anna")
    store.run_sync(flags.store_flags, *key, [(1, 99)], FlagAction.REPLACE, Flags(), None)
    model = {uid: Flags() for uid in range(1, 11)}
    for action, change, spans in steps:
        ranges = [(first, first + more) for first, more in spans]
        chosen = {uid for first, last in ranges for uid in range(first, last + 1) if uid in model}
        expected = {uid for uid in chosen if apply_flags(model[uid], action, change) != model[uid]}
        since = store.run_sync(boxes.box_by_id, *key).highestmodseq
        result = store.run_sync(flags.store_flags, *key, ranges, action, change, None)
        assert result.changed == len(expected)
        model.update((uid, apply_flags(model[uid], action, change)) for uid in expected)
        found = store.run_sync(changes.changes, *key, since)
        assert {row.uid for row in found.rows} == expected
        assert found.box.highestmodseq == since + (1 if expected else 0)
    rows = store.run_sync(changes.listing, *key).rows
    assert {row.uid: Flags(row.bits, row.keywords) for row in rows} == model


@pytest.fixture
def one_box(store: Store) -> tuple[Store, World]:
    return store, run(anna(store, 10))


# Copy, move, expunge


@pytest.mark.parametrize("verb", [moves.copy, moves.move])
def test_copy_and_move(store: Store, verb: object) -> None:
    async def main() -> None:
        world = await anna(store)
        owner, inbox = world.key("anna")
        posts = await world.fill("anna", 5, FLAGGED, ("kept",))
        archive = await store.run(boxes.box_named, owner, "Archive")
        moving = verb is moves.move
        result = await store.run(verb, owner, inbox, archive.box, [Uid(4), Uid(2), Uid(77)], NOW + 9)  # type: ignore[arg-type]
        assert result.pairs == ((2, 1), (4, 2))
        assert result.uidvalidity == archive.uidvalidity
        rows = (await store.run(changes.listing, owner, archive.box)).rows
        assert [row.post for row in rows] == [posts[1], posts[3]]
        assert {(row.bits, row.keywords, row.internaldate, row.savedate) for row in rows} == {
            (FLAGGED, ("kept",), NOW, NOW + 9)
        }
        left = await store.run(changes.changes, owner, inbox, ModSeq(2))
        assert left.gone == ((2, 4) if moving else ())
        assert len(await world.posts_in(owner, inbox)) == (3 if moving else 5)
        assert left.box.highestmodseq == (3 if moving else 2)

    run(main())


@pytest.mark.parametrize("wanted", [range(1, 7), (1, 2, 5, 6), (2, 5), (5,)])
def test_copies_with_and_without_gaps(store: Store, wanted: Sequence[int]) -> None:
    """New UIDs follow each other whatever is missing in the source; flags of the scope stay; what is gone is not there."""

    async def main() -> None:
        world = await anna(store)
        owner, inbox = world.key("anna")
        posts = await world.fill("anna", 6, FLAGGED | SEEN, ("kept",))
        await store.run(moves.expunge, owner, inbox, [Uid(3)], False)
        archive = await store.run(boxes.box_named, owner, "Archive")
        uids = [Uid(uid) for uid in wanted]
        there = [uid for uid in uids if uid != 3]
        scope = FlagScope(SEEN, keywords=False)
        for number, every in enumerate((scope, EVERY_FLAG)):
            copied = await store.run(moves.copy, owner, inbox, archive.box, uids, NOW, scope=every)
            first = number * len(there) + 1
            assert copied.pairs == tuple((uid, first + at) for at, uid in enumerate(there))
        rows = (await store.run(changes.listing, owner, archive.box)).rows
        assert [row.post for row in rows] == [posts[uid - 1] for uid in there] * 2
        flags_of = [(row.bits, row.keywords) for row in rows]
        assert flags_of == [(SEEN, ())] * len(there) + [(FLAGGED | SEEN, ("kept",))] * len(there)

    run(main())


def test_expunge_with_others_between(store: Store) -> None:
    """All that is deleted at once, and what stands between stays; charged is what is left."""

    async def main() -> None:
        world = await anna(store, 9)
        key = world.key("anna")
        for uid in (2, 5, 6, 9):
            await store.run(flags.store_flags, *key, [(uid, uid)], FlagAction.ADD, Flags(DELETED), None)
        found = await store.run(moves.expunge, *key, [Uid(uid) for uid in (1, 2, 3, 5, 6, 7)], True)
        box = await store.run(boxes.box_by_id, *key)
        assert (found.uids, found.modseq) == ((2, 5, 6), box.highestmodseq)
        assert (await store.run(changes.changes, *key, ModSeq(box.highestmodseq - 1))).gone == (2, 5, 6)
        found = await store.run(moves.expunge, *key, [Uid(1), Uid(8)], True)
        assert (found.uids, found.modseq) == ((), box.highestmodseq)
        assert (await store.run(moves.expunge, *key, None, True)).uids == (9,)
        assert [row.uid for row in (await store.run(changes.listing, *key)).rows] == [1, 3, 4, 7, 8]

    run(main())


def test_copy_is_a_second_row(store: Store) -> None:
    async def main() -> None:
        world = await anna(store)
        owner, inbox = world.key("anna")
        posts = await world.fill("anna", 1)
        assert (await store.run(moves.copy, owner, inbox, inbox, [Uid(1)], NOW)).pairs == ((1, 2),)
        assert await world.posts_in(owner, inbox) == posts * 2
        assert (await store.run(moves.move, owner, inbox, inbox, [Uid(1)], NOW)).pairs == ((1, 3),)
        assert [row.uid for row in (await store.run(changes.listing, owner, inbox)).rows] == [2, 3]

    run(main())


def test_what_is_found_comes_as_one_row(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a range that a client has named, whatever has left it; not where others are between."""
    came: list[int] = []
    rows = Tx.rows

    def noted(tx: Tx, *arguments: Any) -> list[tuple[Any, ...]]:
        found = rows(tx, *arguments)
        came.append(len(found))
        return found

    async def main() -> None:
        world = await anna(store, 40)
        owner, inbox = world.key("anna")
        archive = (await store.run(boxes.box_named, owner, "Archive")).box
        await store.run(moves.expunge, owner, inbox, [Uid(7), Uid(8), Uid(30)], False)
        await store.run(flags.store_flags, owner, inbox, [(9, 12)], FlagAction.ADD, Flags(DELETED), None)
        there = [uid for uid in range(1, 41) if uid not in (7, 8, 30)]
        monkeypatch.setattr(Tx, "rows", noted)
        for uids in (there, range(1, 41), there[:20]):
            found = await store.run(moves.copy, owner, inbox, archive, [Uid(uid) for uid in uids], NOW)
            assert [uid for uid, _ in found.pairs] == [uid for uid in uids if uid in there]
        assert (await store.run(moves.expunge, owner, inbox, None, True)).uids == (9, 10, 11, 12)
        assert max(came) == 1
        found = await store.run(moves.move, owner, inbox, archive, [Uid(1), Uid(2), Uid(4)], NOW)
        assert [uid for uid, _ in found.pairs] == [1, 2, 4]
        assert max(came) == 4
        found = await store.run(moves.move, owner, inbox, archive, [Uid(3), Uid(40)], NOW)
        assert [uid for uid, _ in found.pairs] == [3, 40]
        left = [uid for uid in there if uid not in (1, 2, 3, 4, 9, 10, 11, 12, 40)]
        assert [row.uid for row in (await store.run(changes.listing, owner, inbox)).rows] == left

    run(main())


def test_nothing_to_copy_changes_nothing(store: Store) -> None:
    async def main() -> None:
        world = await anna(store, 1)
        owner, inbox = world.key("anna")
        archive = await store.run(boxes.box_named, owner, "Archive")
        assert (await store.run(moves.move, owner, inbox, archive.box, [Uid(9)], NOW)).pairs == ()
        assert await store.run(boxes.box_named, owner, "Archive") == archive

    run(main())


def test_only_between_boxes_of_one_owner(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob")
        await world.fill("anna", 2)
        for source, target in (
            (world.inbox["anna"], world.inbox["bob"]),
            (world.inbox["bob"], world.inbox["anna"]),
            (world.inbox["anna"], BoxId(1)),
        ):
            for verb in (moves.copy, moves.move):
                with pytest.raises(NoSuchBox):
                    await store.run(verb, world.owner("anna"), source, target, [Uid(1)], NOW)
        assert len(await world.posts_in(*world.key("anna"))) == 2

    run(main())


def test_expunge(store: Store) -> None:
    async def main() -> None:
        world = await anna(store, 6)
        key = world.key("anna")
        await store.run(flags.store_flags, *key, [(2, 4)], FlagAction.ADD, Flags(DELETED), None)
        assert (await store.run(moves.expunge, *key, [Uid(1), Uid(3), Uid(9)], True)).uids == (3,)
        assert (await store.run(moves.expunge, *key, None, True)).uids == (2, 4)
        before = await store.run(boxes.box_by_id, *key)
        assert (await store.run(moves.expunge, *key, None, True)).uids == ()
        assert await store.run(boxes.box_by_id, *key) == before
        assert (await store.run(moves.expunge, *key, [Uid(6)], False)).uids == (6,)
        found = await store.run(changes.changes, *key, ModSeq(0))
        assert ([row.uid for row in found.rows], found.gone) == ([1, 5], (2, 3, 4, 6))
        assert (await store.run(delivery.deliver, *key, [a_delivery()], NOW)).uids == (7,)

    run(main())


# Looking


def test_columns_are_the_listing(store: Store) -> None:
    async def main() -> None:
        world = await anna(store)
        key = world.key("anna")
        assert len((await store.run(listing.columns, *key))[1].uids) == 0
        for number in range(20):
            keywords = ("a", "b") if number % 3 == 0 else ()
            await world.fill("anna", 5, number % 32, keywords)
        rows = (await store.run(changes.listing, *key)).rows
        for block_rows in (BLOCK_ROWS, len(rows), 7):
            box, columns = await store.run(listing.columns, *key, block_rows)
            assert box == await store.run(boxes.box_by_id, *key)
            assert [len(block.sizes) for block in columns.blocks[:-1]] == [block_rows] * ((len(rows) - 1) // block_rows)
            assert list(columns.uids) == [row.uid for row in rows]
            assert list(columns.bits) == [row.bits for row in rows]
            assert [each for block in columns.blocks for each in block.modseqs] == [row.modseq for row in rows]
            assert b"".join(block.posts for block in columns.blocks) == b"".join(row.post for row in rows)
            assert [each for block in columns.blocks for each in block.sizes] == [row.size for row in rows]
            assert [each for block in columns.blocks for each in block.internaldates] == [
                row.internaldate for row in rows
            ]
            assert all(block.top == max(block.modseqs) for block in columns.blocks)
            assert columns.keywords == {row.uid: row.keywords for row in rows if row.keywords}

    run(main())


def test_columns_of_the_largest_and_the_oldest(store: Store) -> None:
    """Numbers over 32 bits, dates before 1970, and UIDs that are far from each other."""

    @writes(Group.OWNER)
    def set_numbers(tx: Tx, key: tuple[OwnerId, BoxId], uid: int, modseq: int, size: int, date: int) -> None:
        dp, values = schema.delivered_post, {"modseq": modseq, "size": size, "internaldate": date}
        first = sa.select(sa.func.min(dp.c.uid)).where(dp.c.owner_id == key[0], dp.c.box_id == key[1])
        here = (dp.c.owner_id == key[0], dp.c.box_id == key[1], dp.c.uid == first.scalar_subquery())
        tx.execute(sa.update(dp).where(*here).values(uid=uid, **values))

    async def main() -> None:
        world = await anna(store, 6)
        key = world.key("anna")
        numbers = [
            (2**32 - 2, 2**40, 2**31 - 1, -1),
            (2**31, 2**54, 0, -(2**40)),
            (2**31 - 1, 7, 255, 2**32),
            (70_000, 256, 2**24, 2**32 - 1),
        ]
        for each in numbers:
            await store.run(set_numbers, key, *each)
        rows = (await store.run(changes.listing, *key)).rows
        assert (rows[-1].uid, rows[-1].internaldate) == (2**32 - 2, -1)
        for block_rows in (100, 3, 1):
            _, columns = await store.run(listing.columns, *key, block_rows)
            assert list(columns.uids) == [row.uid for row in rows]
            assert [each for block in columns.blocks for each in block.modseqs] == [row.modseq for row in rows]
            assert [each for block in columns.blocks for each in block.sizes] == [row.size for row in rows]
            dates = [each for block in columns.blocks for each in block.internaldates]
            assert dates == [row.internaldate for row in rows]

    run(main())


def test_changes_put_together_are_the_box(store: Store) -> None:
    """Whatever happens, and wherever one looks from: old rows, what has changed, less what is gone, is the box."""

    async def main() -> None:
        world = await anna(store, 30)
        key, chance = world.key("anna"), random.Random(5)
        looks = [await store.run(changes.changes, *key, ModSeq(0))]
        for _ in range(30):
            uids = [Uid(uid) for uid in chance.sample(range(1, 60), 3)]
            match chance.randrange(4):
                case 0:
                    await world.fill("anna", chance.randint(1, 3))
                case 1:
                    await store.run(moves.expunge, *key, uids, False)
                case 2:
                    await store.run(moves.move, *key, key[1], uids, NOW)
                case 3:
                    action = chance.choice(list(FlagAction))
                    change = Flags(chance.randrange(32), ("k",) * chance.randrange(2))
                    await store.run(flags.store_flags, *key, [(uid, uid + 3) for uid in uids], action, change, None)
            now = await store.run(changes.listing, *key)
            for before in looks:
                found = await store.run(changes.changes, *key, before.box.highestmodseq)
                rows = {row.uid: row for row in (*before.rows, *found.rows)}
                for uid in found.gone:
                    rows.pop(uid, None)
                assert tuple(rows[uid] for uid in sorted(rows)) == now.rows
            if chance.random() < 0.2:
                looks.append(changes.Changes(now.box, now.rows, ()))

    run(main())


def test_status(store: Store) -> None:
    async def main() -> None:
        world = await anna(store, 4)
        key = world.key("anna")
        await store.run(flags.store_flags, *key, [(1, 1)], FlagAction.ADD, Flags(SEEN), None)
        await store.run(flags.store_flags, *key, [(3, 4)], FlagAction.ADD, Flags(DELETED), None)
        box = await store.run(boxes.box_by_id, *key)
        wanted = boxes.Status(box.box, 4, 3, 2, Uid(5), box.uidvalidity, box.highestmodseq, 400, 200)
        assert await store.run(boxes.status, *key) == wanted
        empty = await store.run(boxes.box_named, key[0], "Trash")
        assert (await store.run(boxes.status, key[0], empty.box)).size == 0
        found = await store.run(boxes.statuses, key[0], [empty.box, BoxId(1), box.box])
        assert {each.box: each.messages for each in found} == {box.box: 4, empty.box: 0}
        assert wanted in found

    run(main())


def test_a_box_that_is_not_there(store: Store) -> None:
    nobody = OwnerId(9), BoxId(9)
    calls = [
        (changes.changes, (ModSeq(0),)),
        (listing.columns, ()),
        (changes.listing, ()),
        (delivery.deliver, ([a_delivery(new_post_id())], NOW)),
        (flags.store_flags, ([(1, 2)], FlagAction.ADD, Flags(SEEN), None)),
        (moves.expunge, (None, False)),
        (boxes.status, ()),
    ]
    for call, arguments in calls:
        with pytest.raises(NoSuchBox):
            store.run_sync(call, *nobody, *arguments)  # type: ignore[arg-type]
