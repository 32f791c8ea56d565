"""Reads that the loop itself sends to PostgreSQL: how many ways they are, and that none of them waits in vain."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from opostd.config import StoreSettings
from opostd.model.errors import NoSuchBox, Unavailable
from opostd.model.ids import OwnerId
from opostd.model.new_ids import new_post_id
from opostd.store import boxes, glance_postgres, migrate, posts, sync
from opostd.store.exchange import Call
from opostd.store.glance_postgres import PostgresGlancer
from opostd.store.ready import Rows
from opostd.store.run import Group, Store, Tx, reads
from tests.store.world import World, accept, new_post, until
from tests.support import postgres

ECHO = sa.text("SELECT octet_length(:octets), repeat('x', CAST(:back AS integer))").bindparams(
    sa.bindparam("octets", type_=sa.LargeBinary)
)
HALF = sa.text("SELECT 10 / CAST(:by AS integer)")
DIVISION = (psycopg.errors.DivisionByZero, sa.exc.DataError)
WORD = sa.text("SELECT CAST(:word AS text)")
SLEEP = sa.text("SELECT CAST(pg_sleep(CAST(:ms AS integer) / 1000.0) AS text)")


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for a second is no silent server, where ways are counted."""
    monkeypatch.setattr(glance_postgres, "LATE_S", 30.0)


@reads(Group.OWNER)
def ask(tx: Tx, statement: sa.Executable, values: dict[str, Any]) -> Rows:
    return tx.rows(statement, values)


@reads(Group.OWNER)
def words(tx: Tx, *asked: str) -> list[str]:
    """One question after the other, each behind the answer of the one before."""
    return [tx.rows(WORD, {"word": each})[0][0] for each in asked]


@asynccontextmanager
async def looking(settings: StoreSettings, *people: str) -> AsyncIterator[tuple[World, PostgresGlancer]]:
    """A store that looks by the loop."""
    store = Store(settings)
    away = store._databases[Group.OWNER].away
    assert away is not None
    await store.start()
    try:
        world = await World(store).make(*people)
        await until(lambda: _usable(away))
        yield world, away
    finally:
        await store.close()


def _usable(away: PostgresGlancer) -> bool:
    return away._usable() is not None


def test_each_is_one_way_there_and_back(postgres_settings: StoreSettings) -> None:
    async def main() -> None:
        async with looking(postgres_settings, "anna") as (world, away):
            store, (owner, inbox) = world.store, world.key("anna")
            source = await world.group("team", "anna")
            id_ = await accept(store, new_post("one"))
            sources = (await store.run(sync.peek, owner, inbox)).sources
            assert len(sources) == 2  # everyone, and the group

            async def trips(look: Callable[[], Any], expected: object) -> int:
                for _ in range(2):  # each statement goes through SQLAlchemy first
                    await look()
                before = away.trips
                assert await look() == expected
                return away.trips - before

            box = await store.run(boxes.box_named, owner, "INBOX")
            raw = await store.run(posts.raw, id_)
            quiet = sync.Peeked(box, False, sources)
            assert await trips(lambda: store.glance(boxes.box_named, owner, "INBOX"), box) == 1
            assert await trips(lambda: store.glance(posts.raw, id_), raw) == 1
            assert await trips(lambda: store.glance(sync.peek, owner, inbox, sources), quiet) == 1
            # A source that nobody has thought of is asked behind
            for likely in (frozenset(), frozenset(list(sources)[:1])):
                assert await trips(lambda likely=likely: store.glance(sync.peek, owner, inbox, likely), quiet) == 2
            await world.send(source, new_post_id())
            found = sync.Peeked(box, True, sources)
            assert await trips(lambda: store.glance(sync.peek, owner, inbox, sources), found) == 1
            with pytest.raises(NoSuchBox):
                await store.glance(boxes.box_named, owner, "Nowhere")
            with pytest.raises(NoSuchBox):
                await store.glance(sync.peek, OwnerId(owner + 1), inbox, sources)

    asyncio.run(main())


def test_who_asks_gets_the_own_answer(postgres_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds at once, of which some go away while they wait and some have an error."""
    monkeypatch.setattr(glance_postgres, "BEHIND_S", 10.0)  # on a busy machine, too

    async def main() -> None:
        async with looking(postgres_settings) as (world, away):
            store = world.store
            for _ in range(3):
                await store.glance(words, "a")
                assert await store.glance(ask, HALF, {"by": 5}) == [(2,)]
            await until(lambda: _usable(away))
            before = away.trips
            asked = [asyncio.ensure_future(store.glance(words, str(n), f"{n}/2", f"{n}/3")) for n in range(500)]
            failing = [asyncio.ensure_future(store.glance(ask, HALF, {"by": n % 2})) for n in range(20)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for each in asked[::3]:
                each.cancel()
            answers = await asyncio.gather(*asked, return_exceptions=True)
            for n, answer in enumerate(answers):
                if n % 3:
                    assert answer == [str(n), f"{n}/2", f"{n}/3"]
                else:
                    assert isinstance(answer, asyncio.CancelledError)
            for n, found in enumerate(await asyncio.gather(*failing, return_exceptions=True)):
                assert found == [(10,)] if n % 2 else isinstance(found, DIVISION)
            assert away.trips - before > 200  # not all by threads
            assert _usable(away)

    asyncio.run(main())


def test_much_goes_both_ways_at_once(postgres_settings: StoreSettings) -> None:
    """Neither side stops reading while it writes, and the loop waits for neither."""

    async def main() -> None:
        async with looking(postgres_settings) as (world, away):
            octets, back = b"o" * 3_000_000, 3_000_000
            for _ in range(2):
                await world.store.glance(ask, ECHO, {"octets": b"", "back": 0})
            await until(lambda: _usable(away))
            before = away.trips
            values = {"octets": octets, "back": back}
            found = await asyncio.gather(*(world.store.glance(ask, ECHO, values) for _ in range(4)))
            assert found == [[(len(octets), "x" * back)]] * 4
            assert away.trips - before >= 1

    asyncio.run(main())


def test_text_that_the_database_does_not_take(postgres_settings: StoreSettings) -> None:
    async def main() -> None:
        async with looking(postgres_settings) as (world, away):
            for _ in range(2):
                assert await world.store.glance(words, "ä") == ["ä"]
            with pytest.raises((psycopg.DataError, sa.exc.DataError)):
                await world.store.glance(words, "a\0b")
            with pytest.raises(UnicodeEncodeError):
                await world.store.glance(words, "\ud800")
            assert await world.store.glance(words, "ä") == ["ä"]
            assert _usable(away)

    asyncio.run(main())


def test_a_connection_that_is_cut_costs_nobody_an_answer(
    postgres_settings: StoreSettings, postgres_server: postgres.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glance_postgres, "REST_S", 0.05)

    async def main() -> None:
        async with looking(postgres_settings, "anna") as (world, away):
            store, owner = world.store, world.owner("anna")
            database = sa.make_url(postgres_settings.url).database
            with postgres_server.connect(database) as admin:
                for _ in range(5):
                    await until(lambda: _usable(away))
                    asked = [asyncio.ensure_future(store.glance(words, str(n), f"{n}/2")) for n in range(100)]
                    await asyncio.sleep(0)
                    cut = admin.execute(
                        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    ).fetchone()
                    assert cut is not None
                    assert cut[0]
                    assert await asyncio.gather(*asked) == [[str(n), f"{n}/2"] for n in range(100)]
                    assert (await store.glance(boxes.box_named, owner, "INBOX")).name == "INBOX"
            await until(lambda: _usable(away))

    asyncio.run(main())


def test_statements_that_somebody_has_put_away_are_made_anew(
    postgres_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glance_postgres, "REST_S", 0.05)

    async def main() -> None:
        async with looking(postgres_settings) as (world, away):
            store = world.store
            for _ in range(3):
                assert await store.glance(words, "a") == ["a"]
            assert away._line is not None
            with pytest.raises(psycopg.errors.InvalidSqlStatementName):
                await away._line.ask([Call("DEALLOCATE ALL"), Call("SELECT 1"), Call("DEALLOCATE nothing")])
            await until(lambda: _usable(away))
            assert await store.glance(words, "b") == ["b"]  # by a thread
            await until(lambda: _usable(away))
            readers = store._databases[Group.OWNER]._readers
            before, read = away.trips, readers._ended
            assert await store.glance(words, "c") == ["c"]
            assert (away.trips - before, readers._ended) == (1, read)

    asyncio.run(main())


def test_one_that_takes_long_keeps_nobody_waiting(postgres_settings: StoreSettings) -> None:
    async def main() -> None:
        async with looking(postgres_settings) as (world, away):
            store = world.store
            for _ in range(2):
                await store.glance(ask, SLEEP, {"ms": 0})
                await store.glance(words, "a")
            await until(lambda: _usable(away))
            slow = asyncio.ensure_future(store.glance(ask, SLEEP, {"ms": 900}))
            await until(lambda: not _usable(away))  # it is behind
            before = away.trips
            assert await store.glance(words, "b") == ["b"]
            assert away.trips == before
            assert not slow.done()
            assert await slow == [("",)]
            await until(lambda: _usable(away))

    asyncio.run(main())


def test_a_server_that_says_nothing_is_found_out() -> None:
    """Who asked by the loop asks again by a thread, and is told what everybody is told (promise 8)."""

    async def main(server: postgres.OwnServer, settings: StoreSettings) -> None:
        async with looking(settings, "anna") as (world, away):
            store, owner = world.store, world.owner("anna")
            for _ in range(2):
                await store.glance(boxes.box_named, owner, "INBOX")
            await until(lambda: _usable(away))
            with server.silent():
                begun = time.monotonic()
                with pytest.raises(Unavailable):
                    await store.glance(boxes.box_named, owner, "INBOX")
                assert time.monotonic() - begun < 30  # and not for ever
            assert (await store.glance(boxes.box_named, owner, "INBOX")).name == "INBOX"
            await until(lambda: _usable(away))

    with postgres.own(fsync=False) as server:
        settings = StoreSettings(url=server.create_database(), retry_deadline_s=1)
        migrate.up(settings)
        asyncio.run(main(server, settings))


def test_another_loop_has_another_connection(postgres_settings: StoreSettings) -> None:
    """A store that was begun on a loop that has ended, without a word."""
    store = Store(postgres_settings)
    away = store._databases[Group.OWNER].away
    assert away is not None

    async def main(*, start: bool) -> None:
        if start:
            await store.start()
            await until(lambda: _usable(away))
            for _ in range(2):  # the first goes through SQLAlchemy
                await store.glance(words, "a")
        before = away.trips
        assert await store.glance(words, "b") == ["b"]
        assert away.trips - before == start
        assert await store.run(ask, HALF, {"by": 5}) == [(2,)]

    asyncio.run(main(start=True))
    asyncio.run(main(start=False))
    asyncio.run(main(start=True))
    store.close_sync()
    store.close_sync()
