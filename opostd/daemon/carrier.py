"""The delivery agent of groups: carries into the boxes of those who look at their mail these days, open or not.

Who opens a box finds it up to date without an agent, too; with it the first look after a busy night costs no more than
any other.  Whoever has not looked for ``active_days`` costs nothing.  What must stay true: several agents, in any
number of processes, share the work and do none of it twice; the work of one that dies is taken up when its lease ends;
clients that wait at this moment go first.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable

from opostd.config import AgentSettings
from opostd.intake.rounds import Loop
from opostd.model.errors import OpostError
from opostd.model.ids import SYSTEM_OWNER
from opostd.model.records import BoxHint
from opostd.store import active, shares, sync
from opostd.store.run import Store

log = logging.getLogger("opostd.agent")

LEASE_S = 60  # twice the store's own patience with a transaction
LOOK_S = 30.0  # between looks when nothing is heard of: a lost hint costs so much
AGAIN_S = 600  # all shares are gone through so often in any case: for what somebody began and left
DAY_S = 24 * 3600
WORKERS = 2  # shares at once: while PostgreSQL writes one batch, the next is made


class Carrier:
    """One task, from ``start`` to ``close``.  now: seconds since 1970."""

    def __init__(self, store: Store, settings: AgentSettings, now: Callable[[], int]) -> None:
        self._store = store
        self._settings = settings
        self._now = now
        self._holder = 1 + secrets.randbelow(2**62)
        self._news = asyncio.Event()
        self._loop = Loop("the carrier", self._again, self._until_news, log, later=True)
        self._stop_listening: Callable[[], None] | None = None

    def start(self) -> None:
        if self._settings.carry:
            self._stop_listening = self._store.listen(self._heard)
            self._news.set()  # what an earlier process has left is not to wait
            self._loop.start()

    async def close(self) -> None:
        if self._stop_listening is not None:
            self._stop_listening()
        await self._loop.close()

    async def once(self) -> int:
        """All shares that are due and free; how many boxes were carried into.  Raises Unavailable."""
        generation = await self._store.run(shares.generation)
        workers = [asyncio.ensure_future(self._work(generation)) for _ in range(WORKERS)]
        try:
            return sum(await asyncio.gather(*workers))
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError):  # which they have been told, and give back what they have
                for each in workers:
                    each.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            raise

    async def _work(self, generation: int) -> int:
        boxes = 0
        while True:
            now = self._now()
            share = await self._store.run(shares.lease, self._holder, now, LEASE_S, generation, now - AGAIN_S)
            if share is None:
                return boxes
            try:
                boxes += await self._share(share, generation)
            except asyncio.CancelledError:  # at the end of the process another takes it up at once
                with contextlib.suppress(OpostError, TimeoutError):
                    async with asyncio.timeout(1.0):
                        await self._store.run(shares.give_back, share, self._holder)
                raise

    async def _share(self, share: int, generation: int) -> int:
        """Every active owner, a batch in a transaction; then those who have more to come, a page at a time."""
        after, end = shares.bounds(share)
        since = self._now() - self._settings.active_days * DAY_S
        await self._store.run(active.forget, after, end, since)
        boxes, late, renewed = 0, list[sync.Key](), self._now()
        while page := await self._store.run(active.owners, after, end, since, self._settings.batch):
            done = await sync.carry_owners(self._store, page, now=self._now())
            boxes, late, after = boxes + done.boxes, late + done.late, page[-1]
            if self._now() - renewed >= LEASE_S // 4:
                renewed = self._now()
                if not await self._store.run(shares.renew, share, self._holder, renewed, LEASE_S):
                    return boxes  # we were taken for dead
        while late:
            late = await sync.carry_all(self._store, late, now=self._now())
            if self._now() - renewed >= LEASE_S // 4:
                renewed = self._now()
                if not await self._store.run(shares.renew, share, self._holder, renewed, LEASE_S):
                    return boxes  # we were taken for dead
        await self._store.run(shares.done, share, self._holder, generation, self._now())
        if boxes:
            log.debug("carried share=%d boxes=%d", share, boxes)
        return boxes

    def _heard(self, hint: BoxHint) -> None:
        if hint.owner in (SYSTEM_OWNER, 0):
            self._news.set()

    async def _until_news(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._news.wait()
        # Boxes that are open are carried into at once, by whoever has them open; and what comes meanwhile is carried
        # together.
        await asyncio.sleep(self._settings.tick_s)
        self._news.clear()

    async def _again(self) -> None:
        try:
            await self.once()
        except OpostError:
            self._news.set()
            raise
