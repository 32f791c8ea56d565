"""Reads on the loop, and transactions that keep nothing."""

import asyncio
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from opostd.config import StoreSettings
from opostd.model.errors import NoSuchBox
from opostd.model.flags import SEEN, FlagAction, Flags
from opostd.model.ids import BoxId
from opostd.store import boxes, flags, sync
from opostd.store.database import Database
from opostd.store.glance import Glancer
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
            found = await here.glance(sync.peek, owner, inbox)
            assert (found.box.uidnext, found.behind) == (1 + count, False)
            assert found == await here.run(sync.peek, owner, inbox)
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
        assert (await store.glance(sync.peek, owner, inbox)).box.uidnext == 1
        for database in store._databases.values():
            if database._glancer is not None and database._glancer._connection is not None:
                database._glancer._connection.close()  # as after a fault
        assert (await store.glance(sync.peek, owner, inbox)).box.uidnext == 1
        assert (await store.glance(sync.peek, owner, inbox)).box.uidnext == 1
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


class Disk:
    """Looks that wait for it, or only for a processor, by a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits = 0
        self.held = 0.0

    def slow(self, _: sa.Connection) -> str:
        self.waits += 1
        return self.preempted(_)

    def preempted(self, _: sa.Connection) -> str:
        self.now += 0.5
        self.held += 0.5
        return "found"


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def glancer(sqlite_settings: StoreSettings, disk: Disk) -> Iterator[Glancer]:
    database = Database(sqlite_settings.url, 1)
    glancer = Glancer(database._connect, lambda: disk.now, lambda: disk.waits)
    yield glancer
    glancer.close()
    database.close()


def test_after_a_slow_look_threads_do_it(glancer: Glancer, disk: Disk) -> None:
    """Where the disk holds the loop up, that is 1 % of its time (promise 7)."""
    looks = [glancer.look(lambda _: "at once"), glancer.look(disk.slow), glancer.look(disk.slow)]
    assert looks == ["at once", "found", None]
    assert glancer.version() is None
    while disk.now < 1000:
        disk.now += 0.1
        glancer.look(disk.slow)
    assert disk.held / disk.now < 0.011
    disk.now += 60
    assert [glancer.look(lambda _: "again") for _ in range(2)] == ["again", "again"]


def test_a_processor_that_is_busy_is_no_slow_disk(glancer: Glancer, disk: Disk) -> None:
    assert [glancer.look(disk.preempted) for _ in range(20)] == ["found"] * 20


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
