"""ESEARCH in several mailboxes beside its transcripts: what is left behind, limits, mailboxes that go meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from opostd.imap.commands import multisearch
from opostd.store import boxes
from opostd.store.run import Store
from tests.imap.transcript import Client, World


@asynccontextmanager
async def world_of(store: Store) -> AsyncIterator[tuple[World, Client]]:
    world = World(store)
    await world.start()
    try:
        yield world, await world.client("1")
    finally:
        await world.close()


def run(main: Coroutine[Any, Any, None]) -> None:
    async def within() -> None:
        async with asyncio.timeout(60):
            await main

    asyncio.run(within())


def test_every_mailbox_is_closed_again_and_the_answer_is_that_of_each_alone(store: Store) -> None:
    async def main() -> None:
        async with world_of(store) as (world, client):
            names = [f"b{number:02}" for number in range(20)]
            for number, name in enumerate(names):
                await client.ok(f"CREATE {name}")
                for each in ("one.eml", "two.eml", "three.eml")[: number % 4]:
                    await world.post(name, each)
            lines = await client.ok("ESEARCH IN (personal) OR SUBJECT two FROM nobody")
            assert not world.hub._boxes
            alone = []
            for name in names:
                await client.ok(f"SELECT {name}")
                found = (await client.ok("UID SEARCH SUBJECT two"))[0].removeprefix("* SEARCH").strip()
                if found:
                    alone.append((name, found))
            said = [(line.split("MAILBOX ")[1].split()[0], line.rsplit("ALL ", 1)[1]) for line in lines[:-1]]
            assert said == alone
            assert len(said) == 10

    run(main())


def test_a_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multisearch, "MAX_MULTISEARCH_BOXES", 6)

    async def main() -> None:
        async with world_of(store) as (_, client):
            await client.ok("ESEARCH IN (personal) ALL")
            await client.ok("CREATE seventh")
            client.send("a ESEARCH IN (personal) ALL")
            assert (await client.transport.line()).startswith("a NO [LIMIT]")
            await client.ok("SELECT INBOX")
            await client.ok("ESEARCH IN (selected personal) ALL")  # the selected one is not opened anew

    run(main())


def test_a_mailbox_that_is_deleted_meanwhile_is_passed_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with world_of(store) as (world, client):
            for name in ("a", "b", "c"):
                await client.ok(f"CREATE {name}")
                await world.post(name, "one.eml")
            open_ = world.hub.open
            owner = world.accounts["anna"].owner

            async def opened(*key: Any) -> Any:
                live = await open_(*key)
                if live.snapshot.box.name == "a":
                    await store.run(boxes.delete, owner, "b")
                return live

            monkeypatch.setattr(world.hub, "open", opened)
            lines = await client.ok("ESEARCH IN (mailboxes (a b c)) RETURN (COUNT) ALL")
            assert [line.split("MAILBOX ")[1][0] for line in lines[:-1]] == ["a", "c"]

    run(main())


def test_a_client_that_goes_away_leaves_no_mailbox_open(store: Store) -> None:
    async def main() -> None:
        async with world_of(store) as (world, client):
            for number in range(5):
                await client.ok(f"CREATE b{number}")
                await world.post(f"b{number}", "one.eml")
            client.send("a ESEARCH IN (personal) TEXT one")
            client.connection.lost()
            await client.task
            assert not world.hub._boxes

    run(main())
