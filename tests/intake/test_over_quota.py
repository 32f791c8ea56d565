"""A box without room: what was accepted waits, then its sender is told; nobody else waits (RFC 9208, RFC 3463)."""

import asyncio

import pytest

from opostd.intake.intake import NewMessage
from opostd.model.errors import OverQuota
from opostd.model.records import Quota
from opostd.store import boxes, moves, queue, quota
from opostd.store.quota import Own
from opostd.store.run import Store
from opostd.store.spooling import HELD_AT
from tests.intake.test_retry import SCHEDULE, retry
from tests.intake.world import NOW, World, text, world


async def limit(here: World, name: str, octets: int | None = None, messages: int | None = None) -> None:
    await here.store.run(quota.set_own, here.people[name].owner, Own(octets, messages))


async def empty(here: World, name: str) -> None:
    inbox = await here.store.run(boxes.box_named, here.people[name].owner, "INBOX")
    await here.store.run(moves.expunge, inbox.owner, inbox.box, None, False)


def test_it_waits_and_comes_when_there_is_room(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            await limit(here, "anna", messages=1)
            await here.submit("first", "anna", "bob")
            await here.submit("second", "anna", "bob")
            assert (await here.subjects("anna"), await here.subjects("bob")) == (["first"], ["first", "second"])
            await here.queue_is_empty(but=1)
            assert await retry(here).drain() == 1
            (row,) = await store.run(queue.waiting, 9)
            assert (row.attempts, row.last_error, row.held) == (1, "OverQuota: over quota", False)
            await empty(here, "anna")
            assert await retry(here, now=row.next_at).drain() == 1
            await here.queue_is_empty()
            assert await here.subjects("anna") == ["second"]

    asyncio.run(main())


def test_it_ends_and_the_sender_is_told(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            await limit(here, "bob", octets=1)
            await here.submit("too much", "bob", sender="anna")
            now = NOW
            for _ in range(SCHEDULE.tries):
                assert await retry(here, now=now).drain() == 1
                await here.queue_is_empty(but=1)  # a report is on its way to anna
                ((now, owner),) = [(row.next_at, row.owner) for row in await store.run(queue.waiting, 9)]
            assert (now, owner) == (HELD_AT, here.people["bob"].owner)
            delayed, failed = await here.raws("anna")
            assert b"Action: delayed\r\nStatus: 4.2.2\r\n" in delayed
            assert b"Action: failed\r\nStatus: 5.2.2\r\n" in failed
            assert b"The mailbox is full." in failed
            assert await here.subjects("bob") == []

    asyncio.run(main())


def test_what_comes_at_once_goes_in_as_far_as_there_is_room(store: Store) -> None:
    """One transaction would have them all refused; a larger one does not stop a smaller one behind it."""

    async def main() -> None:
        async with world(store) as here:
            await limit(here, "anna", octets=2000)
            await asyncio.gather(
                *(here.submit(f"s{n}", "anna", raw=text(f"s{n}", "x" * (5000 if n == 1 else 10))) for n in range(4)),
                *(here.submit(f"b{n}", "bob") for n in range(4)),
            )
            assert sorted(await here.subjects("anna")) == ["s0", "s2", "s3"]
            assert len(await here.subjects("bob")) == 4
            await here.queue_is_empty(but=1)

    asyncio.run(main())


def test_a_client_is_told_no_and_nothing_waits(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            inbox = await store.run(boxes.box_named, here.people["anna"].owner, "INBOX")
            await limit(here, "anna", messages=2)
            both = [NewMessage(text("a", "a")), NewMessage(text("b", "b"))]
            await here.intake.append(both, inbox.owner, inbox.box)
            for messages in (both[:1], both):
                with pytest.raises(OverQuota):
                    await here.intake.append(messages, inbox.owner, inbox.box)
            assert await here.subjects("anna") == ["a", "b"]
            assert await store.run(queue.depth) == 0

    asyncio.run(main())


def test_what_a_group_was_sent_comes_all_the_same(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            await limit(here, "anna", octets=1, messages=1)
            await here.submit("to all", "everyone", sender="root")
            assert await here.subjects("anna") == ["to all"]
            await here.queue_is_empty()

    asyncio.run(main())


def test_room_is_looked_at_before(store: Store) -> None:
    """None of one's own limits is kept when it changes; and the limits of the settings hold for everybody else."""

    async def main() -> None:
        async with world(store) as here:
            await store.start()
            here.intake._fullness.default = Quota(messages=1)
            anna, bob = await here.targets("anna", "bob")
            await here.intake.check_room((anna,), None)
            await here.submit("one", "anna")
            with pytest.raises(OverQuota):
                await here.intake.check_room((anna,), None)
            await here.intake.check_room((anna, bob), 10_000)
            await limit(here, "anna", octets=1000, messages=0)
            await asyncio.sleep(0)
            await here.intake.check_room((anna,), 100)
            with pytest.raises(OverQuota):
                await here.intake.check_room((anna,), 1000)
            (source,) = await here.targets("everyone", sender="root")
            await here.intake.check_room((source,), 10**9)

    asyncio.run(main())
