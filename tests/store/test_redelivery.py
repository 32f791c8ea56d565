"""A crash between a delivery and the end of its spool row: whatever the reader did meanwhile, the post is there once."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from opostd.model.ids import BoxId, OwnerId, Uid
from opostd.model.records import Withdraw
from opostd.store import boxes, moves, posts, queue, withdraw
from opostd.store.delivery import Delivery, deliver
from opostd.store.run import Store
from tests.intake.test_retry import _post, retry
from tests.intake.world import NOW, World, world
from tests.support.mail import mailing

Step = Callable[[Store, OwnerId, BoxId, BoxId], Awaitable[None]]


async def _expunge(store: Store, owner: OwnerId, inbox: BoxId, archive: BoxId) -> None:
    await store.run(moves.expunge, owner, inbox, [Uid(1)], False)


async def _move(store: Store, owner: OwnerId, inbox: BoxId, archive: BoxId) -> None:
    await store.run(moves.move, owner, inbox, archive, [Uid(1)], NOW)


async def _there_and_back(store: Store, owner: OwnerId, inbox: BoxId, archive: BoxId) -> None:
    await _move(store, owner, inbox, archive)
    await store.run(moves.move, owner, archive, inbox, [Uid(1)], NOW)


async def _nothing(store: Store, owner: OwnerId, inbox: BoxId, archive: BoxId) -> None:
    pass


STEPS = [(_nothing, ["s"], []), (_expunge, [], []), (_move, [], ["s"]), (_there_and_back, ["s"], [])]


@pytest.mark.parametrize(("step", "inbox", "archive"), STEPS)
def test_a_post_that_was_delivered_before_a_crash(
    store: Store, step: Step, inbox: list[str], archive: list[str]
) -> None:
    async def main() -> None:
        async with world(store) as here:
            await _crashed(here, step)
            assert await here.subjects("anna") == inbox
            assert await here.subjects("anna", "Archive") == archive
            await here.submit("later", "anna")
            assert await here.subjects("anna") == [*inbox, "later"]

    asyncio.run(main())


async def _crashed(here: World, step: Step) -> None:
    """A post is delivered, its row left in the spool as by a crash; the reader does something; the spool is taken up."""
    store = here.store
    (anna,) = await here.targets("anna")
    elsewhere = (await store.run(boxes.box_named, anna.owner, "Archive")).box
    new = _post("s")
    await store.run(posts.accept, [mailing(new, anna)], NOW)
    await store.run(deliver, anna.owner, anna.box, [Delivery(new.facts.id, new.facts.size, NOW)], NOW)
    await step(store, anna.owner, anna.box, elsewhere)
    assert await store.run(queue.depth) == 1
    assert await retry(here).drain() == 1
    await here.queue_is_empty()


def test_who_is_given_a_post_again_by_somebody_else_gets_it(store: Store) -> None:
    """What was expunged once is no reason to refuse a delivery that is the first of its kind."""

    async def main() -> None:
        async with world(store) as here:
            (anna,) = await here.targets("anna")
            new = _post("s")
            await store.run(posts.accept, [mailing(new)], NOW)
            delivery = Delivery(new.facts.id, new.facts.size, NOW)
            await store.run(deliver, anna.owner, anna.box, [delivery], NOW)
            await _expunge(store, anna.owner, anna.box, anna.box)
            assert (await store.run(deliver, anna.owner, anna.box, [delivery], NOW)).uids == (2,)

    asyncio.run(main())


def test_what_was_taken_back_does_not_come_again(store: Store) -> None:
    async def step(store: Store, owner: OwnerId, inbox: BoxId, archive: BoxId) -> None:
        await store.run(withdraw.take, [withdraw.Held(owner, inbox, Uid(1), 0)], Withdraw.ALL)

    async def main() -> None:
        async with world(store) as here:
            await _crashed(here, step)
            assert await here.subjects("anna") == []

    asyncio.run(main())
