"""How many ways to PostgreSQL and back a reader waits for, and that what is found in one of them is the truth."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from opostd.config import StoreSettings
from opostd.store import glance_postgres
from opostd.store.glance_postgres import PostgresGlancer
from opostd.store.run import Group, Store
from tests.imap.test_acl import answer
from tests.imap.transcript import DOMAIN, Client, World, mail
from tests.store.world import until


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for a second is no silent server, where ways are counted."""
    monkeypatch.setattr(glance_postgres, "LATE_S", 30.0)


def in_world(settings: StoreSettings, main: Callable[[World, Client, PostgresGlancer], Awaitable[None]]) -> None:
    async def run() -> None:
        store = Store(settings)
        away = store._databases[Group.OWNER].away
        assert away is not None
        world = World(store)
        await world.start()
        client = await world.client("1")
        await client.ok("NOOP")
        await until(lambda: away._usable() is not None)
        await main(world, client, away)
        await world.close()

    asyncio.run(run())


def by_threads(store: Store) -> float:
    """When a thread last came to the end of a read."""
    return store._databases[Group.OWNER]._readers._ended


def test_what_a_reader_waits_for(postgres_settings: StoreSettings) -> None:
    async def main(world: World, client: Client, away: PostgresGlancer) -> None:
        await client.ok("CREATE Here")
        for name in ("INBOX", "Here"):
            for _ in range(3):
                await world.post(name, "plain.eml")
        most = {
            "SELECT Here": 1,
            "STATUS INBOX (MESSAGES UNSEEN)": 1,
            "STATUS Here (MESSAGES UNSEEN)": 1,
            "EXAMINE INBOX": 1,
            "NOOP": 1,
            "FETCH 1 (FLAGS)": 0,
            "FETCH 1 (ENVELOPE)": 0,
            "FETCH 1 BODY.PEEK[]": 0,
            "SEARCH UNSEEN": 0,
        }
        for _ in range(3):  # statements that no thread has run before, and what is kept
            world.services.posts._facts.clear()
            for command in most:
                await client.ok(command)
        read = by_threads(world.store)
        for command, ways in most.items():
            before = away.trips
            await client.ok(command)
            assert away.trips - before == ways, command
        posts = world.services.posts
        for forgotten, command, ways in (  # as of a message that nobody has read
            ([posts._raw], "FETCH 1 BODY.PEEK[]", 1),
            ([posts._facts], "FETCH 1 (ENVELOPE)", 1),
            ([posts._facts, posts._raw], "FETCH 1 BODY.PEEK[]", 2),
        ):
            for cache in forgotten:
                cache.clear()
            before = away.trips
            await client.ok(command)
            assert away.trips - before == ways, command
        assert by_threads(world.store) == read  # in all of that no thread has read anything

    in_world(postgres_settings, main)


def test_a_name_that_is_another_box_now(postgres_settings: StoreSettings) -> None:
    """The box that had the name is only a guess."""

    async def main(world: World, client: Client, away: PostgresGlancer) -> None:
        await client.ok("CREATE Here")
        await world.post("Here", "plain.eml")
        for _ in range(3):
            assert "* 1 EXISTS" in await client.ok("SELECT Here")
        await client.ok("UNSELECT")
        await client.ok("RENAME Here There")
        assert (await answer(client, "SELECT Here"))[-1].startswith("NO")
        assert (await answer(client, "STATUS Here (MESSAGES)"))[-1].startswith("NO")
        await client.ok("CREATE Here")
        assert "* 0 EXISTS" in await client.ok("SELECT Here")
        assert "* STATUS There (MESSAGES 1)" in await client.ok("STATUS There (MESSAGES)")
        assert "* 1 EXISTS" in await client.ok("SELECT There")
        assert "* STATUS Here (MESSAGES 0)" in await client.ok("STATUS Here (MESSAGES)")

    in_world(postgres_settings, main)


def test_what_is_sent_to_everyone_is_there_when_one_looks(postgres_settings: StoreSettings) -> None:
    """The look that finds the box by its name is the one that finds what its sources have (promise 5)."""

    async def main(world: World, client: Client, away: PostgresGlancer) -> None:
        await world.post("INBOX", "plain.eml")
        count, two = 1, mail("two.eml").replace(b"x@", b"root@")
        for command, told in (
            ("SELECT INBOX", "* {} EXISTS"),
            ("STATUS inbox (MESSAGES)", "* STATUS INBOX (MESSAGES {})"),
        ):
            for _ in range(3):
                await world.send(f"everyone@{DOMAIN}", two.replace(b"<two@", b"<%d@" % count))
                count += 1
                before = away.trips
                assert told.format(count) in await client.ok(command)
            assert away.trips > before

    in_world(postgres_settings, main)
