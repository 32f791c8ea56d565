"""A live box over a real store: what it computes or does not look for again is what the store has."""

import asyncio
from collections.abc import Coroutine

from opostd.config import StoreSettings
from opostd.imap.live import LiveBox
from opostd.imap.state.snapshot import Snapshot
from opostd.model.flags import DELETED, SEEN, FlagAction, Flags
from opostd.model.ids import BoxId
from opostd.model.new_ids import new_post_id
from opostd.store import changes, flags, moves
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
    box, columns = await store.run(changes.columns, *live.key)
    assert shown.box == box
    assert list(shown.uids) == list(columns.uids)
    assert list(shown.bits) == list(columns.bits)
    assert shown.modseqs == columns.modseqs
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
