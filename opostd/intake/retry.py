"""What the spool still holds is tried again: what a crash left, and what a fault kept from its box.

What must stay true: several processes may do this at once, for each leases its own rows; a post that is there already
is not put there again; no pace is so fast that a database which is just back falls over.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence

from opostd.intake.deliver import Arrival, Deliverer, Ticket
from opostd.model.errors import NoSuchBox, Unavailable
from opostd.store import posts, queue
from opostd.store.delivery import Delivery
from opostd.store.queue import Pending
from opostd.store.run import Store

log = logging.getLogger("opostd.intake")

LEASE_S = 120  # four times the store's own patience: who holds a row for longer is dead
LEASE_ROWS = 250
LOOK_S = 15.0  # between looks while nothing is known to wait
FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 3600.0
# Rows this young are on their way in some process, in memory.  A fault's are tried again from there.
GRACE_S = 30


def pause_s(attempts: int, chance: float) -> float:
    """Seconds before the next try: doubled each time up to an hour, and up to half as much again by chance.

    attempts: so far, from 0.  chance: 0 to 1, so that a thousand rows that failed together do not come back together.
    """
    return min(MAX_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts, 12)) * (1 + chance / 2)


class Retry:
    """The loop over the spool.  chance: gives 0 to 1."""

    def __init__(
        self,
        store: Store,
        deliverer: Deliverer,
        *,
        now: Callable[[], int],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._deliverer = deliverer
        self._now = now
        self._chance = chance
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Once over all that is due, then again and again in a task of its own."""
        with contextlib.suppress(Unavailable):
            found = await self.drain()
            if found:
                log.info("delivered from the spool rows=%d", found)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def hurry(self) -> None:
        """Something did not reach its box just now: look again soon."""
        self._hurry.set()

    async def drain(self, grace_s: int = 0) -> int:
        """Try all that is due for so many seconds, oldest first; how many rows that was.  Raises Unavailable."""
        rows = 0
        while batch := await self._store.run(queue.lease, self._now() - grace_s, LEASE_S, LEASE_ROWS):
            rows += len(batch)
            if not await self._try(batch):
                break
        return rows

    async def _try(self, batch: Sequence[Pending]) -> bool:
        """Whether any of them is there now.  Those that are not have their next time."""
        facts = await self._store.run(posts.facts, list({row.post for row in batch}))
        loop = asyncio.get_running_loop()
        tickets: list[tuple[Pending, Ticket]] = []
        for row in sorted(batch, key=lambda row: row.post):  # a post's id ascends with the time of acceptance
            if row.post in facts:
                ticket = Ticket(1, loop.create_future())
                delivery = Delivery(row.post, facts[row.post].size, row.created, 0, ())
                self._deliverer.put([Arrival(row.owner, row.box, delivery, (ticket,))])
                tickets.append((row, ticket))
        moved = False
        for row, ticket in tickets:
            await ticket.done
            if ticket.error is None or isinstance(ticket.error, NoSuchBox):
                moved = True
                continue
            next_at = self._now() + int(pause_s(row.attempts - 1, self._chance())) + 1
            text = f"{type(ticket.error).__name__}: {ticket.error}"
            await self._store.run(queue.retry_later, (row.post, row.owner, row.box), text, next_at)
        return moved

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                async with asyncio.timeout(LOOK_S * (1 + self._chance() / 2)):
                    await self._hurry.wait()
                self._hurry.clear()
                await asyncio.sleep(min(LOOK_S, pause_s(failures, self._chance())))
                failures += 1
                self._deliverer.put_held()
            except TimeoutError:
                failures = 0
            try:
                await self.drain(GRACE_S)
            except Exception as error:
                self._hurry.set()
                unknown = None if isinstance(error, Unavailable) else error
                log.warning("the spool cannot be looked at error=%r", error, exc_info=unknown)
