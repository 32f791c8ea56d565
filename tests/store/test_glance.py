"""Reads on the loop, and transactions that keep nothing."""

import asyncio

import pytest
import sqlalchemy as sa

from opostd.config import StoreSettings
from opostd.model.errors import NoSuchBox
from opostd.model.flags import SEEN, FlagAction, Flags
from opostd.model.ids import BoxId
from opostd.store import boxes, flags, sync
from opostd.store.database import Database
from opostd.store.glance import OFTEN, Glancer
from opostd.store.run import Store
from tests.store.world import World


class Steps:
    """Counts COMMITs.  lost: of so many the answer does not come."""

    def __init__(self) -> None:
        self.commits = 0
        self.lost = 0

    def __call__(self, moment: str) -> None:
        if moment == "after":
            self.commits += 1
            if self.lost:
                self.lost -= 1
                raise sa.exc.OperationalError("COMMIT", None, OSError("gone"), connection_invalidated=True)


def test_it_sees_what_anybody_has_committed(store_settings: StoreSettings) -> None:
    async def main() -> None:
        here, there = Store(store_settings), Store(store_settings)
        world = await World(there).make("anna")
        owner, inbox = world.key("anna")
        for count in range(3):
            box, behind = await here.glance(sync.peek, owner, inbox)
            assert (box.uidnext, behind) == (1 + count, False)
            assert box == (await here.run(sync.peek, owner, inbox))[0]
            await world.fill("anna", 1)
        with pytest.raises(NoSuchBox):
            await here.glance(boxes.box_named, owner, "Nowhere")
        await here.close()
        await there.close()

    asyncio.run(main())


def test_where_it_cannot_look_now_a_thread_does(store_settings: StoreSettings) -> None:
    async def main() -> None:
        store = Store(store_settings)
        world = await World(store).make("anna")
        owner, inbox = world.key("anna")
        assert (await store.glance(sync.peek, owner, inbox))[0].uidnext == 1
        for database in store._databases.values():
            if database._glancer is not None and database._glancer._connection is not None:
                database._glancer._connection.close()  # as after a fault
        assert (await store.glance(sync.peek, owner, inbox))[0].uidnext == 1
        assert (await store.glance(sync.peek, owner, inbox))[0].uidnext == 1
        await store.close()

    asyncio.run(main())


def test_a_version_is_never_that_of_another_connection(sqlite_settings: StoreSettings) -> None:
    """Each connection counts from the same number: after a fault nothing may look unchanged that is not."""

    async def main() -> None:
        store = Store(sqlite_settings)
        world = await World(store).make("anna")
        seen = store.version()
        assert seen is not None
        assert store.version() == seen
        for database in store._databases.values():
            assert database._glancer is not None
            database._glancer.close()
        await world.fill("anna", 1)
        assert store.version() != seen
        await store.close()

    asyncio.run(main())


def test_after_a_slow_look_threads_do_it(sqlite_settings: StoreSettings) -> None:
    """Where the disk holds the loop up, that is 1 % of its time (promise 7)."""
    database = Database(sqlite_settings.url, 1)
    now, held = 0.0, 0.0

    def clock() -> float:
        return now

    def slow(_: sa.Connection) -> str:
        nonlocal now, held
        now += 0.5
        held += 0.5
        return "found"

    glancer = Glancer(database._connect, clock)
    looks = [glancer.look(lambda _: "at once"), glancer.look(slow), glancer.look(slow)]
    assert looks == ["at once", "found", None]
    assert glancer.version() is None
    while now < 1000:
        now += 0.1
        glancer.look(slow)
    assert held / now < 0.011
    now += 60
    assert [glancer.look(lambda _: "again") for _ in range(2)] == ["again", "again"]
    glancer.close()
    database.close()


def test_a_processor_that_is_busy_for_a_moment_is_no_slow_disk(sqlite_settings: StoreSettings) -> None:
    database = Database(sqlite_settings.url, 1)
    now = 0.0

    def clock() -> float:
        return now

    def slow(_: sa.Connection) -> str:
        nonlocal now
        now += 0.03
        return "found"

    glancer = Glancer(database._connect, clock)
    for _ in range(3):
        assert glancer.look(slow) == "found"
        assert [glancer.look(lambda _: "at once") for _ in range(OFTEN)] == ["at once"] * OFTEN
    assert [glancer.look(slow) for _ in range(3)] == ["found", "found", None]
    glancer.close()
    database.close()


def test_it_never_writes(store: Store) -> None:
    async def main() -> None:
        with pytest.raises(TypeError):
            await store.glance(flags.store_flags, 1, BoxId(1), [], FlagAction.ADD, Flags(), None)  # type: ignore[arg-type]

    asyncio.run(main())


def test_a_store_that_changes_nothing_commits_nothing(store_settings: StoreSettings) -> None:
    async def main() -> None:
        steps = Steps()
        store = Store(store_settings, steps)
        world = await World(store).make("anna")
        key = world.key("anna")
        await world.fill("anna", 3)
        first = await store.run(flags.store_flags, *key, [(1, 2)], FlagAction.ADD, Flags(SEEN), None)
        before = steps.commits
        again = await store.run(flags.store_flags, *key, [(1, 2)], FlagAction.ADD, Flags(SEEN), None)
        assert (again.changed, again.modseq, steps.commits) == (0, first.modseq, before)
        assert (await store.run(boxes.box_by_id, *key)).highestmodseq == first.modseq
        third = await store.run(flags.store_flags, *key, [(1, 3)], FlagAction.ADD, Flags(SEEN), None)
        assert (third.changed, third.modseq, steps.commits) == (1, first.modseq + 1, before + 1)
        await store.close()

    asyncio.run(main())


def test_but_after_a_lost_answer_it_does(store_settings: StoreSettings) -> None:
    """The first COMMIT went through; only another one says that the standby has it."""

    async def main() -> None:
        steps = Steps()
        store = Store(store_settings, steps)
        world = await World(store).make("anna")
        key = world.key("anna")
        await world.fill("anna", 1)
        before, steps.lost = steps.commits, 1
        stored = await store.run(flags.store_flags, *key, [(1, 1)], FlagAction.ADD, Flags(SEEN), None)
        assert (stored.changed, steps.commits) == (0, before + 2)
        await store.close()

    asyncio.run(main())
