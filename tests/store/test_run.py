"""The runner: retries, faults around COMMIT, hints after COMMIT only, three databases, files and their modes."""

import asyncio
import os
import random
import sqlite3
import stat
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from opostd.config import StoreSettings
from opostd.model.errors import DiskFull, NoSuchBox, SchemaMismatch, Unavailable
from opostd.model.flags import ALL_FLAGS, SEEN, FlagAction, Flags
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, Uid
from opostd.model.mailing import Target
from opostd.model.new_ids import new_post_id
from opostd.model.records import BoxHint
from opostd.store import boxes, changes, delivery, flags, migrate, moves, posts, provision, queue, schema, search, sync
from opostd.store.run import Group, Store, Tx, reads, writes
from opostd.store.schema import REVISION
from opostd.store.search import Needle, Where
from tests.store.world import DOMAIN, NOW, PATIENCE_S, World, a_delivery, accept, new_post, run, until
from tests.support import postgres


class Faults:
    """Raises what a database would, before or after COMMIT, each with a chance."""

    def __init__(self, seed: int, chance: float, dialect: str) -> None:
        self._random, self._chance, self._lock = random.Random(seed), chance, threading.Lock()
        self._sqlite = dialect == "sqlite"
        self.on = False
        self.raised: Counter[str] = Counter()

    def __call__(self, moment: str) -> None:
        with self._lock:
            if not self.on or self._random.random() >= self._chance:
                return
            self.raised[moment] += 1
            lost = self._random.random() < 0.5
        if self._sqlite:
            error: Exception = sqlite3.OperationalError("disk I/O error" if lost else "database is locked")
        elif lost or moment == "after":
            error = psycopg.OperationalError("server closed the connection unexpectedly")
        else:
            error = psycopg.errors.SerializationFailure("could not serialize access")
        raise sa.exc.OperationalError("COMMIT", {}, error)


@pytest.mark.parametrize("seed", range(2))
def test_faults_around_commit(store_settings: StoreSettings, seed: int) -> None:
    """Whatever is said of a COMMIT, everything is there once, in order, and no UID is skipped."""
    faults = Faults(seed, 0.2, sa.make_url(store_settings.url).get_backend_name())

    async def main() -> None:
        world = World(Store(store_settings, faults))
        await world.make("anna", "bob")
        source = await world.group("team", "anna", "bob")
        faults.on = True
        sent = []
        for number in range(20):
            id_ = await accept(world.store, new_post(str(number)), Target(SYSTEM_OWNER, source, source=True))
            delivered = await world.send(source, id_)
            sent.append(id_)
            assert delivered.uids == (number + 1,)
            await world.store.run(queue.done, [(id_, SYSTEM_OWNER, source)])
            if number % 5 == 0:
                assert await world.look("anna") == sent
        assert await world.look("bob") == sent
        await world.store.run(flags.store_flags, *world.key("bob"), [(1, 20)], FlagAction.ADD, Flags(SEEN), None)
        archive = await world.store.run(boxes.box_named, world.owner("bob"), "Archive")
        assert await world.look("anna") == sent
        faults.on = False
        listing = await world.store.run(changes.listing, *world.key("bob"))
        assert [row.uid for row in listing.rows] == list(range(1, 21))
        assert all(row.bits & ALL_FLAGS == SEEN for row in listing.rows)
        assert listing.box.uidnext == 21
        assert await world.store.run(queue.depth) == 0
        assert archive.uidnext == 1
        await world.store.close()

    run(main())
    assert faults.raised["before"] > 2
    assert faults.raised["after"] > 2


def test_hints_are_published_after_commit_only(store_settings: StoreSettings) -> None:
    heard: list[BoxHint] = []
    committed = threading.Event()

    def faults(moment: str) -> None:
        if moment == "before" and not committed.is_set():
            assert not heard
        if moment == "after":
            committed.set()

    async def main() -> None:
        world = await World(Store(store_settings)).make("anna")
        await world.store.close()
        store = Store(store_settings, faults)
        await store.start()
        stop = store.listen(heard.append)
        done = await store.run(delivery.deliver, *world.key("anna"), [a_delivery()], NOW)
        await until(lambda: bool(heard))
        assert heard == [BoxHint(*world.key("anna"), done.modseq)]
        assert committed.is_set()
        with pytest.raises(ZeroDivisionError):
            await store.run(hints_and_fails, *world.key("anna"))
        stop()
        await store.run(delivery.deliver, *world.key("anna"), [a_delivery()], NOW)
        await asyncio.sleep(0)
        assert len(heard) == 1
        await store.close()

    run(main())


@writes(Group.OWNER)
def hints_and_fails(tx: Tx, owner: OwnerId, box: BoxId) -> None:
    tx.hint(owner, box, 99)
    raise ZeroDivisionError


@writes(Group.OWNER)
def rename_and_fail(tx: Tx, owner: OwnerId, box: BoxId) -> None:
    table = schema.box
    tx.execute(sa.update(table).where(table.c.owner_id == owner, table.c.box_id == box).values(name="changed"))
    raise ZeroDivisionError


@reads(Group.OWNER)
def read_thread(tx: Tx) -> str:
    return threading.current_thread().name


def test_an_error_leaves_nothing(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await store.run(rename_and_fail, *world.key("anna"))
        assert (await store.run(boxes.box_by_id, *world.key("anna"))).name == "INBOX"

    run(main())


def test_unmarked_functions_are_refused(store: Store) -> None:
    with pytest.raises(TypeError, match="not marked"):
        store.run_sync(lambda tx: None)


def test_reads_have_threads_of_their_own(store: Store) -> None:
    assert "read" in store.run_sync(read_thread)


def test_a_closed_store_is_unavailable(store: Store) -> None:
    store.run_sync(read_thread)
    store.close_sync()
    store.close_sync()
    with pytest.raises(Unavailable):
        store.run_sync(read_thread)


def test_a_cancelled_caller_does_not_undo(store: Store, store_settings: StoreSettings) -> None:
    """What has begun goes on to its end, and its hint is said."""
    heard: list[BoxHint] = []
    begun, cancelled = threading.Event(), threading.Event()

    def step(moment: str) -> None:
        begun.set()
        assert cancelled.wait(PATIENCE_S), moment

    async def main() -> None:
        world = await World(store).make("anna")
        slow = Store(store_settings, step)
        await slow.start()
        slow.listen(heard.append)
        task = asyncio.create_task(slow.run(delivery.deliver, *world.key("anna"), [a_delivery()], NOW))
        assert await asyncio.to_thread(begun.wait, PATIENCE_S)
        task.cancel()
        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
        cancelled.set()
        await until(lambda: world.key("anna") in [(hint.owner, hint.box) for hint in heard])
        assert len(await world.posts_in(*world.key("anna"))) == 1
        await slow.close()

    run(main())


def test_check_schema(sqlite_settings: StoreSettings, tmp_path: Path) -> None:
    Store(sqlite_settings).check_schema()
    nowhere = tmp_path / "new.db"
    store = Store(StoreSettings(url=f"sqlite:///{nowhere}"))
    with pytest.raises(SchemaMismatch) as raised:
        store.check_schema()
    assert raised.value.found is None
    assert not nowhere.exists()
    store.close_sync()


def test_check_schema_finds_another_version(store: Store) -> None:
    store.check_schema()
    store.run_sync(set_version, "0000")
    with pytest.raises(SchemaMismatch, match=f"found 0000, this version needs {REVISION}") as raised:
        store.check_schema()
    assert raised.value.group == "owner"


@writes(Group.OWNER)
def set_version(tx: Tx, revision: str) -> None:
    tx.execute(sa.update(sa.table("schema_owner", sa.column("version_num"))).values(version_num=revision))


def test_check_schema_does_without_alembic(store_settings: StoreSettings) -> None:
    code = (
        "import sys; from opostd.config import StoreSettings; from opostd.store.run import Store\n"
        f"store = Store(StoreSettings(url={store_settings.url!r})); store.check_schema(); store.close_sync()\n"
        "assert not any(name.partition('.')[0] == 'alembic' for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


# SQLite's file


def test_the_file_is_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        settings = StoreSettings(url=f"sqlite:///{tmp_path / 'new.db'}")
        migrate.up(settings)
        store = Store(settings)
        run(provision.ensure_system(store, (DOMAIN,), now=NOW))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        store.close_sync()
    finally:
        os.umask(old)
    assert modes["new.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_sqlite_settings(sqlite_settings: StoreSettings) -> None:
    store = Store(sqlite_settings)
    assert store.run_sync(pragma, "journal_mode") == "wal"
    assert store.run_sync(pragma, "synchronous") == 2
    store.close_sync()


@writes(Group.OWNER)
def pragma(tx: Tx, name: str) -> object:
    return tx.execute(sa.text(f"PRAGMA {name}")).scalar()


def test_only_what_may_be_lost_does_not_wait_for_the_disk(store_settings: StoreSettings) -> None:
    """And it alone: whatever is written after it, by the same thread, waits; also where it has failed."""
    question = {"sqlite": "PRAGMA synchronous", "postgresql": "SHOW synchronous_commit"}
    waits = {"sqlite": (1, 2), "postgresql": ("off", "on")}

    def waiting(tx: Tx, fail: bool) -> int | str:
        found: int | str = tx.execute(sa.text(question[tx.dialect])).scalar_one()
        if fail:
            raise NoSuchBox("the test's")
        return found

    @writes(Group.POST, may_be_lost=True)
    def lazily(tx: Tx, fail: bool = False) -> int | str:
        return waiting(tx, fail)

    @writes(Group.POST)
    def for_good(tx: Tx) -> int | str:
        return waiting(tx, False)

    store = Store(replace(store_settings, pool_size=2))  # one thread that writes
    dialect = sa.make_url(store_settings.url).get_backend_name()
    with pytest.raises(NoSuchBox):
        store.run_sync(lazily, True)
    found = [store.run_sync(each) for each in (for_good, lazily, lazily, for_good, lazily, for_good)]
    assert found == [waits[dialect][number] for number in (1, 0, 0, 1, 0, 1)]
    store.close_sync()


def test_a_locked_file_is_unavailable_in_time(sqlite_settings: StoreSettings) -> None:
    """A backup holds the file: Unavailable within the deadline, and all is well afterwards."""

    async def main() -> None:
        world = await World(Store(sqlite_settings)).make("anna")
        await world.store.close()
        store = Store(replace(sqlite_settings, retry_deadline_s=1.0))
        other = sqlite3.connect(sqlite_settings.url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        loop = asyncio.get_running_loop()
        started = loop.time()
        with pytest.raises(Unavailable, match="locked"):
            await store.run(delivery.deliver, *world.key("anna"), [a_delivery()], NOW)
        assert loop.time() - started < 25  # and not the 30 s of the default
        assert (await store.run(boxes.box_by_id, *world.key("anna"))).uidnext == 1  # readers go on
        other.execute("COMMIT")
        other.close()
        assert (await store.run(delivery.deliver, *world.key("anna"), [a_delivery()], NOW)).uids == (1,)
        await store.close()

    run(main())


def test_a_full_disk(sqlite_settings: StoreSettings) -> None:
    """No space: said as such, nothing half, and it goes on when there is space again."""

    async def main() -> None:
        store = Store(sqlite_settings)
        pages = store.run_sync(pragma, "page_count")
        assert isinstance(pages, int)
        store.run_sync(pragma, f"max_page_count = {pages + 8}")
        big = new_post("x" * 200_000)
        with pytest.raises(DiskFull):
            await accept(store, big, Target(OwnerId(7), BoxId(7)))
        assert await store.run(queue.depth) == 0
        store.run_sync(pragma, "max_page_count = 1000000")
        await accept(store, big, Target(OwnerId(7), BoxId(7)))
        assert await store.run(posts.raw, big.facts.id) == big.raw
        await store.close()

    run(main())


# PostgreSQL away and back


def test_no_server_is_unavailable() -> None:
    store = Store(StoreSettings(url="postgresql+psycopg://opostd@127.0.0.1:1/nothing", retry_deadline_s=0.3))
    with pytest.raises(Unavailable):
        store.check_schema()
    store.close_sync()


def test_every_connection_broken(postgres_settings: StoreSettings, postgres_server: postgres.Server) -> None:
    """The server ends every connection between two commands: nobody notices."""
    name = sa.make_url(postgres_settings.url).database

    async def main() -> None:
        world = await World(Store(postgres_settings)).make("anna")
        for _ in range(5):
            await world.fill("anna", 1)
            with postgres_server.connect() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
                )  # fmt: skip
            assert len(await world.look("anna")) == _ + 1
        await world.store.close()

    run(main())


def test_a_commit_with_a_warning_is_no_success(postgres_settings: StoreSettings) -> None:
    """Rule 8: a cancelled wait for the standby comes back as success with a WARNING, and must not become a 250.

    No standby here: a deferred constraint trigger says a warning of its own at COMMIT.
    """
    engine = sa.create_engine(postgres_settings.url, execution_options={"outside": True})
    with engine.begin() as connection:
        connection.execute(sa.text(
            "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE WARNING 'canceling wait for synchronous replication'; RETURN NULL; END $$"
        ))  # fmt: skip
        connection.execute(sa.text(
            "CREATE CONSTRAINT TRIGGER w AFTER INSERT ON post DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION warn()"
        ))  # fmt: skip
    engine.dispose()

    async def main() -> None:
        store = Store(postgres_settings)
        with pytest.raises(Unavailable, match="synchronous replication"):
            await accept(store, new_post(), Target(OwnerId(7), BoxId(7)))
        await store.run(queue.retry_later, (new_post_id(), OwnerId(7), BoxId(7)), "no", NOW)  # the next is not blamed
        await store.close()

    run(main())


def test_accepting_again_writes_again(postgres_settings: StoreSettings, postgres_server: postgres.Server) -> None:
    """A COMMIT whose answer was lost: the second must wait for the standby too, so it must not be one of nothing."""
    ended: list[str] = []

    def faults(moment: str) -> None:
        with postgres_server.connect() as connection:
            (lsn,) = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone() or ("",)
        ended.append(lsn)
        if moment == "after" and len(ended) == 2:
            raise sa.exc.OperationalError("COMMIT", {}, psycopg.OperationalError("server closed the connection"))

    async def main() -> None:
        store = Store(postgres_settings, faults)
        await accept(store, new_post(), Target(OwnerId(7), BoxId(7)))
        await store.close()

    run(main())
    assert len(ended) == 4
    assert ended[1] != ended[2]


# Three databases


@pytest.fixture(params=["sqlite", "postgresql"])
def three(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreSettings]:
    if request.param == "sqlite":
        settings = StoreSettings("", *(f"sqlite:///{tmp_path / group.value}.db" for group in Group))
        assert len(migrate.up(settings)) % len(Group) == 0  # each step once for each group
        yield settings
        return
    server: postgres.Server = request.getfixturevalue("postgres_server")
    urls = [server.create_database() for _ in Group]
    yield StoreSettings("", *urls)
    for url in urls:
        server.drop_database(url)


def test_nothing_crosses_a_group(three: StoreSettings) -> None:
    """A broad flow with a database for each group."""

    async def main() -> None:
        store = Store(three)
        store.check_schema()
        world = await World(store).make("anna", "bob")
        source = await world.group("team", "anna", "bob")
        id_ = await accept(store, new_post("hello"), Target(SYSTEM_OWNER, source, source=True))
        leased = await store.run(queue.lease, NOW, 60, 10)
        assert [each.post for each in leased] == [id_]
        await world.send(source, id_)
        await store.run(queue.done, [each.key for each in leased])
        assert await world.look("anna") == [id_]
        assert (await store.run(search.matching, [id_], Needle("HELLO", Where.BODY)))[0] == {id_}
        archive = (await store.run(boxes.box_named, world.owner("anna"), "Archive")).box
        moved = await store.run(moves.move, *world.key("anna"), archive, [Uid(1)], NOW)
        assert moved.pairs == ((1, 1),)
        await store.run(boxes.rename, world.owner("anna"), "Archive", "old/archive")
        await provision.add_alias(store, f"sales@{DOMAIN}", [f"anna@{DOMAIN}"])
        await provision.leave(store, f"team@{DOMAIN}", world.owner("bob"), now=NOW)
        assert await world.look("bob") == [id_]
        await provision.delete_group(store, f"team@{DOMAIN}")
        await provision.delete_user(store, f"anna@{DOMAIN}")
        with pytest.raises(NoSuchBox):
            await sync_box(store, world, "anna")
        await store.close()

    run(main())


async def sync_box(store: Store, world: World, name: str) -> None:
    await sync.bring_up(store, *world.key(name), now=NOW)
    await store.run(boxes.box_by_id, *world.key(name))
