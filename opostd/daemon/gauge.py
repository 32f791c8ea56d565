"""Counts now and then how far the posts of groups have come, so that it can be told later how that went on.

One process of all does it, in the background.  What must stay true: nobody who reads, deletes or writes waits for it.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable

from opostd.intake.rounds import Loop
from opostd.store import reach, reached, shares
from opostd.store.run import Store

log = logging.getLogger("opostd.agent")

LOOK_S = 600.0  # whether the hour has passed
DAY_S = 24 * 3600
LEASE_S = 600  # counting a post of a million readers takes seconds
PAUSE_S = 0.01  # between posts: whoever reads or writes mail goes first


class Gauge:
    """One task, from ``start`` to ``close``.

    days: after which a post is counted no more; 0 is never at all.  now: seconds since 1970.
    """

    def __init__(self, store: Store, days: int, now: Callable[[], int]) -> None:
        self._store = store
        self._days = days
        self._now = now
        self._holder = 1 + secrets.randbelow(2**62)
        self._loop = Loop("the gauge", self.once, LOOK_S, log, later=True)

    def start(self) -> None:
        if self._days:
            self._loop.start()

    async def close(self) -> None:
        await self._loop.close()

    async def once(self) -> int:
        """Whatever is due, if the hour has passed and nobody else does it; how many posts.  Raises Unavailable."""
        now = self._now()
        since = now - self._days * DAY_S
        if not await self._store.run(
            shares.lease_alone, shares.GAUGE, self._holder, now, LEASE_S, now - reach.HOUR_S + int(LOOK_S)
        ):
            return 0
        counted, after, renewed = 0, None, now
        while page := await self._store.run(reached.posted_since, since, after):
            after = page[-1]
            known = await self._store.run(reached.last, list({each.post for each in page}))
            for post in reached.due(page, known, now):
                await self._store.run(reached.keep, post, now, await self._store.run(reach.reach, post))
                counted += 1
                await asyncio.sleep(PAUSE_S)
                if self._now() - renewed >= LEASE_S // 4:
                    renewed = self._now()
                    if not await self._store.run(shares.renew, shares.GAUGE, self._holder, renewed, LEASE_S):
                        return counted  # we were taken for dead
        await self._store.run(shares.done, shares.GAUGE, self._holder, 0, now)
        return counted
