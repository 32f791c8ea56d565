"""What is looked at again and again, whoever writes or not: told late, broken off, or over."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from opostd.model.errors import OpostError

log = logging.getLogger("opostd.intake")

LOOK_S = 30.0


class Rounds:
    """steps: each does what is due, and says how much that was.  A fault of one keeps the others from nothing."""

    def __init__(self, steps: Sequence[Callable[[], Awaitable[int]]]) -> None:
        self._steps = steps
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def once(self) -> int:
        """All steps; how much was due."""
        found = 0
        for step in self._steps:
            try:
                found += await step()
            except Exception as error:
                log.warning("not done, trying again error=%r", error, exc_info=not isinstance(error, OpostError))
        return found

    async def _run(self) -> None:
        while True:
            await self.once()
            await asyncio.sleep(LOOK_S)
