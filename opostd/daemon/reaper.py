"""Posts that nobody has any more, and nobody will have, are removed: once a day, by one process of all.

Two passes, a day apart, have to agree (distributed.md 3); before that a post may be written to an archive.  What must
stay true: a post that waits anywhere, for a box, a moderator, another server, stays; so does one that a source still
has, for somebody is to get it.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from opostd.daemon.mbox import append
from opostd.intake.rounds import Loop
from opostd.model.ids import PostId
from opostd.store import dismissed, posts, reap, shares
from opostd.store.run import Store

log = logging.getLogger("opostd.agent")

LOOK_S = 600.0  # whether the day has passed
DAY_S = 24 * 3600
LEASE_S = 600  # a page takes milliseconds
PAUSE_S = 0.01  # between pages: whoever reads or writes mail goes first


class Reaper:
    """One task, from ``start`` to ``close``.

    archive: a folder for what is removed, a file a month in mbox format; None is for none.  now: seconds since 1970.
    """

    def __init__(self, store: Store, archive: Path | None, now: Callable[[], int]) -> None:
        self._store = store
        self._archive = archive
        self._now = now
        self._holder = 1 + secrets.randbelow(2**62)
        self._loop = Loop("the reaper", self._pass, LOOK_S, log, later=True)

    def start(self) -> None:
        self._loop.start()

    async def close(self) -> None:
        await self._loop.close()

    async def once(self) -> int:
        """A pass over all posts, if the day has passed and nobody else does it; how many were removed.

        Raises Unavailable, and OSError where the archive cannot be written: then nothing of that page is removed.
        """
        now = self._now()
        if not await self._store.run(shares.lease_alone, shares.REAPER, self._holder, now, LEASE_S, now - DAY_S):
            return 0
        removed, after = 0, None
        while page := await self._store.run(reap.candidates, now - reap.GAP_S, after):
            removed += await self._page(page, now)
            after = page[-1]
            if not await self._store.run(shares.renew, shares.REAPER, self._holder, self._now(), LEASE_S):
                return removed  # we were taken for dead
            await asyncio.sleep(PAUSE_S)
        await self._store.run(shares.done, shares.REAPER, self._holder, 0, now)
        if removed:
            log.info("removed posts=%d that nobody has any more", removed)
        return removed

    async def _page(self, ids: list[PostId], now: int) -> int:
        used = await self._store.run(reap.referenced, ids)
        free = [id_ for id_ in ids if id_ not in used]
        await self._store.run(reap.note, free, list(used), now)
        before = now - reap.GAP_S + 1
        if self._archive is not None:
            ripe = await self._store.run(reap.ripe, free, before)
            for id_ in ripe:
                await asyncio.to_thread(append, self._archive, id_, await self._store.run(posts.raw, id_))
            free = ripe
        if not free:
            return 0
        await self._store.run(dismissed.forget, free)
        return len(await self._store.run(reap.remove, free, before))

    async def _pass(self) -> None:
        try:
            await self.once()
        except OSError as error:
            log.error("the archive cannot be written, and nothing is removed: %s", os.strerror(error.errno or 0))
