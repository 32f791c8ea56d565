"""What the spool still holds for our boxes is tried again: what a crash left, and what a fault kept from its box.

What must stay true: several processes may do this at once, for each leases its own rows; a post that is there already
is not put there again; no pace is so fast that a database which is just back falls over; every row has an end, where
its sender is told and an administrator finds it held: nothing is dropped.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence

from opostd.intake.deliver import Arrival, Deliverer, Ticket
from opostd.intake.report import Action, Status
from opostd.intake.rounds import Loop
from opostd.intake.schedule import Schedule
from opostd.intake.tell import Teller
from opostd.model.errors import LimitReached, NoSuchBox, OverQuota, TooBig, Unavailable
from opostd.model.ids import post_id_text
from opostd.model.mailing import Mailing, Notify
from opostd.store import posts, queue
from opostd.store.delivery import Delivery
from opostd.store.queue import Pending
from opostd.store.run import Store
from opostd.store.spooling import HELD_AT

log = logging.getLogger("opostd.intake")

LEASE_S = 120  # four times the store's own patience: who holds a row for longer is dead
LEASE_ROWS = 250
LOOK_S = 15.0  # between looks while nothing is known to wait
FIRST_PAUSE_S = 1.0  # most faults of a database pass in seconds
# Rows this young are on their way in some process, in memory.  A fault's are tried again from there.
GRACE_S = 30


class Retry:
    """Again and again over the spool.

    teller: makes notifications; kept: told of those that are kept, to be delivered.  chance: gives 0 to 1.
    """

    def __init__(
        self,
        store: Store,
        deliverer: Deliverer,
        *,
        schedule: Schedule,
        teller: Teller,
        kept: Callable[[Sequence[Mailing]], None],
        now: Callable[[], int],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._deliverer = deliverer
        self._schedule = schedule
        self._teller = teller
        self._kept = kept
        self._now = now
        self._chance = chance
        self._hurry = asyncio.Event()
        self._failures = 0  # looks in a row that something asked for
        self._loop = Loop("the spool", self._look, self._until_due, log, later=True)

    async def start(self) -> None:
        """Once over all that is due, then again and again in a task of its own."""
        with contextlib.suppress(Unavailable):
            found = await self.drain()
            if found:
                log.info("delivered from the spool rows=%d", found)
        self._loop.start()

    async def close(self) -> None:
        await self._loop.close()

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
        """Whether any of them needs no more tries.  Those that do have their next time."""
        facts = await self._store.run(posts.facts, list({row.post for row in batch}))
        loop = asyncio.get_running_loop()
        tickets: list[tuple[Pending, Ticket]] = []
        for row in sorted(batch, key=lambda row: row.post):  # a post's id ascends with the time of acceptance
            if row.post not in facts:
                log.error("held id=%s: the post is lost", post_id_text(row.post))
                await self._store.run(queue.retry_later, row.key, "LostPost: the store has no such post", HELD_AT)
                continue
            ticket = Ticket(1, loop.create_future())
            delivery = Delivery(row.post, facts[row.post].size, row.created, again=True)
            told = any(Notify.SUCCESS in wish.notify for wish in row.wishes)
            self._deliverer.put([Arrival(row.owner, row.box, delivery, (ticket,), told=told)])
            tickets.append((row, ticket))
        moved = False
        for row, ticket in tickets:
            await ticket.done
            if ticket.error is None or isinstance(ticket.error, NoSuchBox):
                moved = True
            else:
                await self._failed(row, ticket.error)
        return moved

    async def _failed(self, row: Pending, error: Exception) -> None:
        now = self._now()
        text = f"{type(error).__name__}: {error}"
        next_at = self._schedule.next_at(row.attempts, now, self._chance())
        if next_at is None:
            id_ = post_id_text(row.post)
            log.error("held id=%s owner=%d box=%d: tried %d times", id_, row.owner, row.box, row.attempts)
            reports = await self._told(row, error, Action.FAILED, status_of(error))
        elif not row.warned and now - row.created >= self._schedule.warn_after_s:
            status = "4.2.2" if isinstance(error, OverQuota) else "4.3.0"
            reports = await self._told(row, error, Action.DELAYED, status, self._schedule.ends_at(row.attempts, now))
        else:
            await self._store.run(queue.retry_later, row.key, text, next_at)
            return
        await self._store.run(
            queue.retry_later, row.key, text, HELD_AT if next_at is None else next_at, reports, now, warned=True
        )
        self._kept(reports)

    async def _told(
        self, row: Pending, error: Exception, action: Action, status: str, until: int = 0
    ) -> tuple[Mailing, ...]:
        # The detail of what is no limit of the reader's is for the log
        said = "The mailbox is full." if isinstance(error, OverQuota) else "The mailbox cannot be written to."
        statuses = [Status(wish, action, status, diagnostic=said, until=until) for wish in row.wishes]
        return await self._teller.notification(row.post, row.origin, row.created, statuses)

    async def _until_due(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S * (1 + self._chance() / 2)):
                await self._hurry.wait()
        except TimeoutError:
            self._failures = 0
            return
        self._hurry.clear()
        self._failures += 1
        await asyncio.sleep(min(LOOK_S, self._schedule.pause_s(self._failures, self._chance())))
        self._deliverer.put_held()

    async def _look(self) -> None:
        try:
            await self.drain(GRACE_S)
        except Exception:
            self._hurry.set()
            raise


def status_of(error: Exception) -> str:
    """The enhanced code (RFC 3463) of what a box said to the end."""
    return "5.2.2" if isinstance(error, LimitReached | TooBig) else "5.4.7"
