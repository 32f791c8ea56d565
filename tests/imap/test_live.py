"""A live box over a real store: what it computes or does not look for again is what the store has."""

import asyncio
from collections.abc import Coroutine
from functools import partial

from opostd.config import StoreSettings
from opostd.imap.hub import Hub
from opostd.imap.live import LiveBox
from opostd.imap.state.snapshot import Snapshot
from opostd.model.flags import DELETED, SEEN, FlagAction, Flags
from opostd.model.ids import BoxId, Uid
from opostd.model.new_ids import new_post_id
from opostd.store import boxes, flags, listing, moves, sync
from opostd.store.run import Store
from tests.store.world import NOW, World


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


async def opened(store: Store, count: int) -> tuple[World, LiveBox]:
    await store.start()
    world = World(store)
    await world.make("anna")
    await world.fill("anna", count)
    live = LiveBox(store, world.key("anna"), lambda: NOW)
    await live.bring_up()
    return world, live


async def is_the_store(store: Store, live: LiveBox, shown: Snapshot) -> None:
    box, columns = await store.run(listing.columns, *live.key)
    assert shown.box == box
    assert list(shown.uids) == list(columns.uids)
    assert list(shown.bits) == list(columns.bits)
    assert list(shown.modseqs) == [modseq for block in columns.blocks for modseq in block.modseqs]
    assert shown.keywords == columns.keywords


def test_stores(store: Store) -> None:
    async def main() -> None:
        world, live = await opened(store, 5)
        for spans, action, change in (
            ([(1, 3)], FlagAction.ADD, Flags(SEEN)),
            ([(2, 2), (4, 9)], FlagAction.ADD, Flags(SEEN | DELETED)),
            ([(1, 5)], FlagAction.ADD, Flags(0)),
            ([(1, 2)], FlagAction.ADD, Flags(SEEN, ("work",))),
            ([(1, 5)], FlagAction.REMOVE, Flags(DELETED)),
            ([(3, 4)], FlagAction.REPLACE, Flags(SEEN)),
        ):
            await live.store_flags(spans, action, change)
            await is_the_store(store, live, live.snapshot)
        # Another connection's change comes between: its row is shown too
        await store.run(flags.store_flags, *live.key, [(5, 5)], FlagAction.ADD, Flags(DELETED), None)
        await live.store_flags([(1, 1)], FlagAction.REMOVE, Flags(SEEN))
        await is_the_store(store, live, live.snapshot)
        # A message has come, and a STORE that changes nothing must not pass over it
        await world.fill("anna", 1)
        await live.store_flags([(5, 5)], FlagAction.ADD, Flags(DELETED))
        await live.refresh()
        await is_the_store(store, live, live.snapshot)
        assert len(live.snapshot) == 6
        await store.close()

    run(main())


def test_bring_up_sees_whatever_was_written_before_it(store: Store, store_settings: StoreSettings) -> None:
    """By this store or by another of the same database, and what a source has; not looking is only for when nothing was."""

    async def main() -> None:
        world, live = await opened(store, 2)
        other = Store(store_settings)
        source: BoxId = await world.group("team", "anna")
        for who in (store, other, store):
            assert await live.bring_up() is await live.bring_up()
            await who.run(flags.store_flags, *live.key, [(1, 1)], FlagAction.ADD, Flags(SEEN), None)
            await is_the_store(store, live, await live.bring_up())
            await who.run(flags.store_flags, *live.key, [(1, 1)], FlagAction.REMOVE, Flags(SEEN), None)
            await is_the_store(store, live, await live.bring_up())
            await world.send(source, new_post_id())
            before = len(live.snapshot)
            assert len(await live.bring_up()) == before + 1
            await who.run(moves.expunge, *live.key, [live.snapshot.uids[-1]], False)
            assert len(await live.bring_up()) == before
        await other.close()
        await store.close()

    run(main())


def test_what_is_carried_is_shown_without_a_look(store: Store) -> None:
    """As the store has it; where a change came between, by a look; what was shown already is not shown twice."""

    async def main() -> None:
        world, live = await opened(store, 3)
        source: BoxId = await world.group("team", "anna")

        async def carried(*, between: bool = False, late: bool = False) -> None:
            posts = [new_post_id() for _ in range(3)]
            await world.send(source, *posts)
            if between:
                await store.run(flags.store_flags, *live.key, [(2, 2)], FlagAction.ADD, Flags(SEEN), None)
            found = (await sync.carry_part(store, [live.key], now=NOW))[live.key]
            assert found is not None
            if late:
                await live.refresh()
            before = live.snapshot
            await live.arrived(found)
            assert (live.snapshot is before) is late
            await is_the_store(store, live, live.snapshot)

        await carried()
        await carried(between=True)
        await carried(late=True)
        await carried()
        assert len(live.snapshot) == 15
        await store.run(moves.expunge, *live.key, [live.snapshot.uids[-1]], False)
        await carried()
        await store.close()

    run(main())


def test_what_leaves_is_shown_without_a_look(store: Store, store_settings: StoreSettings) -> None:
    """As the store has it; where a change came between, by a look."""

    async def main() -> None:
        _, live = await opened(store, 12)
        other = Store(store_settings)
        await live.store_flags([(2, 3), (5, 5), (8, 8)], FlagAction.ADD, Flags(DELETED, ("work",)))
        before = live.snapshot
        assert await live.expunge([Uid(2), Uid(3), Uid(4)], deleted_only=True) == (2, 3)
        assert live.snapshot.expunges == before.expunges + 1
        await is_the_store(store, live, live.snapshot)
        await other.run(flags.store_flags, *live.key, [(1, 1)], FlagAction.ADD, Flags(SEEN), None)
        assert await live.expunge(None, deleted_only=True) == (5, 8)
        await is_the_store(store, live, live.snapshot)
        assert await live.expunge(None, deleted_only=True) == ()  # which looks all the same
        await other.run(flags.store_flags, *live.key, [(4, 4)], FlagAction.ADD, Flags(SEEN), None)
        assert await live.expunge(None, deleted_only=True) == ()
        await is_the_store(store, live, live.snapshot)
        archive = (await store.run(boxes.box_named, live.key[0], "Archive")).box
        for target, uids in ((archive, [Uid(1), Uid(4), Uid(77)]), (live.key[1], [Uid(6)]), (archive, [Uid(77)])):
            moved = await store.run(moves.move, *live.key, target, uids, NOW)
            await live.left([uid for uid, _ in moved.pairs], moved.left)
            await is_the_store(store, live, live.snapshot)
        assert list(live.snapshot.uids) == [7, 9, 10, 11, 12, 13]
        await other.close()
        await store.close()

    run(main())


def test_many_idle_readers_hear_of_a_broadcast(store: Store) -> None:
    """Each watcher is woken, and its snapshot is the store's; boxes nobody watches are left to their next look."""

    async def main() -> None:
        await store.start()
        world = await World(store).make(*(f"r{number}" for number in range(12)))
        hub = Hub(store, lambda: NOW)
        hub.start()
        boxes = [await hub.open(*world.key(f"r{number}")) for number in range(12)]
        woken: set[LiveBox] = set()
        done = asyncio.Event()

        def watcher(live: LiveBox) -> None:
            woken.add(live)
            if len(woken) == 10:
                done.set()

        for live in boxes[:10]:
            live.watchers.add(partial(watcher, live))
        await world.send(await world.source("everyone"), new_post_id())
        async with asyncio.timeout(60):
            await done.wait()
        for live in boxes[:10]:
            assert len(live.snapshot) == 1
            await is_the_store(store, live, live.snapshot)
        assert [len(live.snapshot) for live in boxes[10:]] == [0, 0]
        await hub.close()
        await store.close()

    run(main())


def test_a_bug_does_not_end_the_looking(store: Store) -> None:
    """Whoever is idle hears of what comes after it."""

    async def main() -> None:
        await store.start()
        world = await World(store).make("anna")
        hub = Hub(store, lambda: NOW)
        hub.start()
        live = await hub.open(*world.key("anna"))
        stumbled, done = asyncio.Event(), asyncio.Event()

        def stumble() -> None:
            live.watchers.remove(stumble)
            stumbled.set()
            raise ZeroDivisionError

        live.watchers.add(stumble)
        source = await world.source("everyone")
        await world.send(source, new_post_id())
        async with asyncio.timeout(20):
            await stumbled.wait()
        live.watchers.add(done.set)
        await world.send(source, new_post_id())
        async with asyncio.timeout(20):
            await done.wait()
        await is_the_store(store, live, live.snapshot)
        await hub.close()
        await store.close()

    run(main())
