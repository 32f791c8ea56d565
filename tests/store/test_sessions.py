"""Sessions of browsers: found until they end, at most so many of one account, gone with it."""

import asyncio

import pytest

from opostd.model.ids import OwnerId
from opostd.store import provision, sessions
from opostd.store.run import Store

ME, OTHER = OwnerId(77), OwnerId(78)


def test_a_session_has_an_end(store: Store) -> None:
    async def flow() -> None:
        await store.run(sessions.begin, ME, "a", "mark", 100, 200)
        assert await store.run(sessions.mark, ME, "a", 199) == "mark"
        assert await store.run(sessions.mark, ME, "a", 200) is None
        assert await store.run(sessions.mark, OTHER, "a", 199) is None
        await store.run(sessions.end, ME, "a")
        await store.run(sessions.end, ME, "a")
        assert await store.run(sessions.mark, ME, "a", 199) is None

    asyncio.run(flow())


def test_the_oldest_goes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def flow() -> None:
        monkeypatch.setattr(sessions, "MAX_SESSIONS", 2)
        for at, name in enumerate("abc"):
            await store.run(sessions.begin, ME, name, "mark", 100, 200 + at)
        await store.run(sessions.begin, OTHER, "d", "mark", 100, 150)
        assert [await store.run(sessions.mark, ME, name, 150) for name in "abc"] == [None, "mark", "mark"]
        await store.run(sessions.begin, ME, "e", "mark", 300, 400)
        assert await store.run(sessions.mark, ME, "c", 150) is None  # over since, and gone

    asyncio.run(flow())


def test_it_goes_with_the_account(store: Store) -> None:
    async def flow() -> None:
        await provision.ensure_system(store, ("opost.example",), now=1)
        account = await provision.add_user(store, "anna@opost.example", secret="x", now=1)
        await store.run(sessions.begin, account.owner, "a", "mark", 100, 200)
        await provision.delete_user(store, account.login)
        assert await store.run(sessions.mark, account.owner, "a", 150) is None

    asyncio.run(flow())
