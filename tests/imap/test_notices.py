"""NOTIFY beside its transcripts: what it costs whom, limits, faults of the store, lost hints, clients that do not read."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from opostd.imap import notices
from opostd.model.errors import Unavailable
from opostd.model.ids import BoxId, ModSeq, OwnerId
from opostd.model.records import BoxHint
from opostd.store import boxes
from opostd.store.run import Store
from tests.imap.transcript import Client, World

PERSONAL = "NOTIFY SET (selected (MessageNew (uid) MessageExpunge)) (personal (MessageNew MessageExpunge MailboxName))"


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


def test_nothing_is_left_of_it_at_the_end(store: Store) -> None:
    async def main() -> None:
        async with world_of(store) as (world, first):
            second = await world.client("2")
            for client in (first, second):
                await client.ok("SELECT INBOX")
                await client.ok(PERSONAL)
            live = world.hub.live(world.accounts["anna"].owner, first.connection.session.box.live.key[1])
            assert len(world.hub._watches[world.accounts["anna"].owner]) == 2
            assert len(live.watchers) == 2
            await first.ok(PERSONAL)
            assert len(world.hub._watches[world.accounts["anna"].owner]) == 2
            await first.ok("UNAUTHENTICATE")
            assert len(live.watchers) == 1
            second.connection.lost()
            await second.task
            assert not world.hub._watches
            assert not live.watchers

    run(main())


def test_who_has_not_said_notify_pays_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is asked the same for FETCH, STORE, NOOP and SELECT, whether or not another user listens.

    Each look by the one way that is there on a busy machine, too.
    """
    asked: list[list[str]] = []
    commands: list[asyncio.Task[None] | None] = []
    run_ = store.run

    async def noted(fn: Any, *args: Any) -> Any:
        if asyncio.current_task() in commands:  # what follows a hint of the turn before asks, too
            asked[-1].append(fn.__name__)
        return await run_(fn, *args)

    async def main() -> None:
        async with world_of(store) as (world, client):
            await world.post("INBOX", "one.eml")
            bob = await world.client("2", "bob")
            commands.append(client.task)
            await client.ok("SELECT INBOX")
            for turn in ("first", "nobody listens", "bob listens"):  # the first is a little dearer
                if turn == "bob listens":
                    await bob.ok(PERSONAL)
                await client.ok("UNSELECT")
                asked.append([])
                with monkeypatch.context() as patch:
                    patch.setattr(store, "run", noted)
                    patch.setattr(store, "glance", noted)
                    patch.setattr(store, "version", lambda: None)
                    for command in ("SELECT INBOX", "FETCH 1 (UID FLAGS)", "STORE 1 +FLAGS (\\Seen)", "NOOP"):
                        await client.ok(command)
                await client.ok("STORE 1 -FLAGS (\\Seen)")
        assert asked[1] == asked[2]
        assert asked[1]

    run(main())


def test_too_many_mailboxes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """At NOTIFY it is NO and all stays as it was; later it is OK [NOTIFICATIONOVERFLOW], and silence (RFC 5465 5.8)."""
    monkeypatch.setattr(notices, "MAX_NOTIFY_BOXES", 7)

    async def main() -> None:
        async with world_of(store) as (world, client):
            other = await world.client("2")
            await client.ok("NOTIFY SET (mailboxes Archive (MessageNew MessageExpunge))")
            await other.ok("CREATE seventh")
            await other.ok("CREATE eighth")
            client.send(f"a {PERSONAL}")
            assert (await client.transport.line()).startswith("a NO [NOTIFICATIONOVERFLOW]")
            await world.post("Archive", "one.eml")
            assert (await client.transport.line()).startswith("* STATUS Archive (MESSAGES 1 ")
            await other.ok("DELETE eighth")
            await client.ok(PERSONAL)
            await world.post("Sent", "one.eml")
            assert (await client.transport.line()).startswith("* STATUS Sent (MESSAGES 1 ")
            await other.ok("CREATE eighth")
            assert (await client.transport.line()).startswith("* OK [NOTIFICATIONOVERFLOW]")
            await world.post("Sent", "two.eml")
            assert len(await client.ok("NOOP")) == 1

    run(main())


def test_what_the_store_could_not_say_is_told_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opostd.imap.news.RETRY_NOTICES_S", 0.01)
    away: list[bool] = []
    asked = asyncio.Event()
    run_ = store.run

    async def sometimes(fn: Any, *args: Any) -> Any:
        if away and fn in (boxes.statuses, boxes.boxes):
            asked.set()
            raise Unavailable("away")
        return await run_(fn, *args)

    async def main() -> None:
        async with world_of(store) as (world, client):
            other = await world.client("2")
            await client.ok(PERSONAL)
            monkeypatch.setattr(store, "run", sometimes)
            away.append(True)
            await world.post("Archive", "one.eml")
            await other.ok("CREATE new")
            await asked.wait()
            assert not client.transport.buffer
            away.clear()
            lines = sorted([await client.transport.line(), await client.transport.line()])
            assert lines[0] == '* LIST (\\HasNoChildren) "/" new'
            assert lines[1].startswith("* STATUS Archive (MESSAGES 1 ")

    run(main())


def test_a_lost_hint_costs_time_only(store: Store) -> None:
    """What happens while no hint arrives is found by the next look at everything."""

    async def main() -> None:
        async with world_of(store) as (world, client):
            await client.ok("SELECT INBOX")
            await client.ok(PERSONAL)
            assert world.hub._stop_listening is not None
            world.hub._stop_listening()
            world.hub._stop_listening = None
            await world.post("Archive", "one.eml")
            await store.run(boxes.create, world.accounts["anna"].owner, "new")
            await world.post("INBOX", "one.eml")
            world.hub.hint(BoxHint(OwnerId(0), BoxId(0), ModSeq(0)))
            lines = [await client.transport.line() for _ in range(4)]
            assert "* 1 EXISTS" in lines
            assert "* 1 FETCH (UID 1)" in lines
            assert '* LIST (\\HasNoChildren) "/" new' in lines
            assert any(line.startswith("* STATUS Archive (MESSAGES 1 ") for line in lines)

    run(main())


def test_a_client_that_does_not_read_is_waited_for(store: Store) -> None:
    """Nothing is written for it meanwhile, and afterwards each mailbox is told once, as it is then."""
    may_write = asyncio.Event()

    async def main() -> None:
        async with world_of(store) as (world, client):
            await client.ok(PERSONAL)
            waits = asyncio.Event()

            async def drain() -> None:
                waits.set()
                await may_write.wait()

            client.transport.drain = drain  # type: ignore[method-assign]
            await world.post("Archive", "one.eml")
            await waits.wait()
            for _ in range(5):
                await world.post("Archive", "two.eml")
            assert not client.transport.buffer
            may_write.set()
            assert (await client.transport.line()).startswith("* STATUS Archive (MESSAGES 6 ")
            assert len(await client.ok("NOOP")) == 1

    run(main())


def test_many_listeners_and_a_broadcast(store: Store) -> None:
    async def main() -> None:
        async with world_of(store) as (world, _):
            clients = [await world.client(f"n{number}", "bob" if number % 2 else "anna") for number in range(20)]
            for client in clients:
                await client.ok("NOTIFY SET (mailboxes INBOX (MessageNew MessageExpunge))")
            for count in (1, 2):
                await world.send("everyone@opost.example", b"From: root@opost.example\r\n\r\nx\r\n")
                for client in clients:
                    assert (await client.transport.line()).startswith(f"* STATUS INBOX (MESSAGES {count} ")

    run(main())
