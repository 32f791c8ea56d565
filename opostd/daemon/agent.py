"""The background work of the store: what is due is done, whoever looks at a box or not.

Several processes may do this at once: each step is idempotent, and what two do together is done once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from opostd.model.errors import OpostError
from opostd.model.ids import post_id_text
from opostd.store import withdraw
from opostd.store.run import Store

log = logging.getLogger("opostd.agent")

LOOK_S = 5.0  # between looks: a post that has come to its end leaves its boxes within this


class Agent:
    """One task, from ``start`` to ``close``.  now: seconds since 1970."""

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def once(self) -> int:
        """All that is due now; how many posts were swept.  Raises Unavailable."""
        now, swept = self._now(), 0
        while due := await self._store.run(withdraw.due, now):
            for post in due:
                found = await withdraw.sweep(self._store, post, now)
                log.debug("swept id=%s removed=%d", post_id_text(post), found.removed)
                swept += 1
        return swept

    async def _run(self) -> None:
        while True:
            try:
                await self.once()
            except OpostError as error:
                log.warning("not done, trying again: %s", error)
            except Exception:
                log.exception("the agent met a bug, and goes on")
            await asyncio.sleep(LOOK_S)
