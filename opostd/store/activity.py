"""Who looks at their mail, told to the store once a day each: the agent carries for them.

A look costs a set's membership here; nothing is asked of the store then.
"""

import asyncio
import logging
from collections.abc import Callable

from opostd.model.errors import OpostError
from opostd.model.ids import OwnerId
from opostd.store import active
from opostd.store.run import Store

log = logging.getLogger("opostd.store")

FLUSH_S = 30  # what a process that dies forgets of this, the next look tells
PATIENCE_S = 1.0  # at the end of the process
DAY_S = 24 * 3600


class Activity:
    """now: seconds since 1970."""

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now
        self._fresh: set[OwnerId] = set()
        self._noted: set[OwnerId] = set()
        self._day = 0
        self._flushed = 0

    def saw(self, owner: OwnerId) -> None:
        """Somebody looks at their mail."""
        if owner not in self._noted:
            self._fresh.add(owner)

    async def flush(self, *, last: bool = False) -> None:
        """Tells the store, now and then, or the last time.  A fault is for the next time."""
        now = self._now()
        if now // DAY_S != self._day:
            self._day = now // DAY_S
            self._noted.clear()
        if not self._fresh or (not last and 0 <= now - self._flushed < FLUSH_S):
            return
        fresh, self._fresh = self._fresh, set()
        self._flushed = now
        try:
            async with asyncio.timeout(PATIENCE_S if last else None):
                await self._store.run(active.note, list(fresh), now)
        except (OpostError, TimeoutError) as error:
            log.info("not noted who looked at their mail: %s", error)
            self._fresh |= fresh
        else:
            self._noted |= fresh
