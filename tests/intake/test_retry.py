"""How long the spool waits, and that one row which no box takes holds up no other."""

import asyncio

import pytest

from opostd.intake.deliver import Arrival, Deliverer, Ticket
from opostd.intake.retry import MAX_PAUSE_S, Retry, pause_s
from opostd.mime.facts import new_post
from opostd.model.new_ids import new_post_id
from opostd.model.records import NewPost
from opostd.store import posts, queue
from opostd.store.delivery import Delivery
from opostd.store.run import Store
from tests.intake.world import NOW, text, world


@pytest.mark.parametrize(
    ("attempts", "chance", "wanted"),
    [(0, 0, 1), (0, 1, 1.5), (1, 0, 2), (5, 0.5, 40), (11, 0, 2048), (12, 0, MAX_PAUSE_S), (10_000, 1, 5400)],
)
def test_pause(attempts: int, chance: float, wanted: float) -> None:
    assert pause_s(attempts, chance) == wanted


def test_a_row_no_box_takes_fails_alone(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            anna, bob = await here.targets("anna", "bob")
            loop = asyncio.get_running_loop()
            ids = [new_post_id() for _ in range(3)]
            arrivals = []
            for id_, size in zip(ids, (1, 2**70, 3), strict=True):  # no column takes the second
                ticket = Ticket(1, loop.create_future())
                arrivals.append(Arrival(anna.owner, anna.box, Delivery(id_, size, NOW), (ticket,), spooled=False))
            ticket = Ticket(1, loop.create_future())
            arrivals.append(Arrival(bob.owner, bob.box, Delivery(ids[0], 1, NOW), (ticket,), spooled=False))
            here.intake._deliverer.put(arrivals)
            await asyncio.gather(*(each.tickets[0].done for each in arrivals))
            errors = [each.tickets[0].error for each in arrivals]
            assert [error is None for error in errors] == [True, False, True, True]
            assert [each.tickets[0].placed[anna.owner, anna.box][1] for each in (arrivals[0], arrivals[2])] == [1, 2]

    asyncio.run(main())


def test_what_is_leased_comes_in_order_of_acceptance_and_once(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            (anna,) = await here.targets("anna")
            new = [_post(f"s{number}") for number in range(5)]
            await store.run(posts.accept, [(each, [anna]) for each in reversed(new)], NOW)
            first = Retry(store, here.intake._deliverer, now=lambda: NOW)
            second = Retry(store, here.intake._deliverer, now=lambda: NOW)
            assert sum(await asyncio.gather(first.drain(), second.drain())) == 5
            await here.queue_is_empty()
            assert await here.subjects("anna") == [f"s{number}" for number in range(5)]

    asyncio.run(main())


def test_what_fails_again_says_why_and_waits(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            (anna,) = await here.targets("anna")
            await store.run(posts.accept, [(_post("late"), [anna])], NOW)
            # The clock of INTERNALDATE is past what a column takes, so the box refuses the row.
            deliverer = Deliverer(store, now=lambda: 2**70, settled=lambda keys: None, failed=lambda row, error: None)
            retry = Retry(store, deliverer, now=lambda: NOW, chance=lambda: 0.0)
            assert await retry.drain() == 1
            (row,) = await store.run(queue.waiting, 10)
            assert (row.attempts, row.next_at) == (1, NOW + 2)
            assert row.last_error
            assert await retry.drain() == 0

    asyncio.run(main())


def _post(subject: str) -> NewPost:
    return new_post(text(subject), id=new_post_id(), now=NOW)
