"""What is done again and again beside all else, whoever writes or not: one task, which no fault ends."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from opostd.model.errors import OpostError

log = logging.getLogger("opostd.intake")

LOOK_S = 30.0


class Loop:
    """One task, from ``start`` to ``close``: the work, a pause, the work again.

    work: what is due; what it raises is said in the log of the room, under this name, and it goes on.  pause: until
    the next time; seconds, or whatever comes to an end then.  later: begins with a pause.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[object]],
        pause: float | Callable[[], Awaitable[None]],
        log: logging.Logger,
        *,
        later: bool = False,
    ) -> None:
        self._name, self._work, self._pause, self._log, self._later = name, work, pause, log, later
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Breaks off what is being done."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        if self._later:
            await self._wait()
        while True:
            try:
                await self._work()
            except OpostError as error:
                self._log.warning("%s: not done, trying again: %s", self._name, error)
            except Exception:
                self._log.exception("%s met a bug, and goes on", self._name)
            await self._wait()

    async def _wait(self) -> None:
        await (asyncio.sleep(self._pause) if isinstance(self._pause, float) else self._pause())


class Rounds:
    """steps: each does what is due, and says how much that was.  A fault of one keeps the others from nothing."""

    def __init__(self, steps: Sequence[Callable[[], Awaitable[int]]]) -> None:
        self._steps = steps
        self._loop = Loop("the rounds", self.once, LOOK_S, log)

    def start(self) -> None:
        self._loop.start()

    async def close(self) -> None:
        await self._loop.close()

    async def once(self) -> int:
        """All steps; how much was due."""
        found = 0
        for step in self._steps:
            try:
                found += await step()
            except Exception as error:
                log.warning("not done, trying again error=%r", error, exc_info=not isinstance(error, OpostError))
        return found
