"""SIGTERM, SIGINT and SIGHUP end the server cleanly; a second one ends it now.

Ending now loses nothing: whatever was answered is committed, and what was not is sent again by its sender.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # HUP: the terminal was closed


class StopSignal:
    """Waits for the first signal.  hurry: called by the second one, in place of waiting any longer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hurry: Callable[[], None] | None = None) -> None:
        self._loop = loop
        self._asked = asyncio.Event()
        self._hurry = hurry or _leave
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._signal)

    def _signal(self) -> None:
        if self._asked.is_set():
            self._hurry()
        self._asked.set()

    async def wait(self) -> None:
        await self._asked.wait()

    def close(self) -> None:
        for number in STOP_SIGNALS:
            with contextlib.suppress(ValueError, RuntimeError):
                self._loop.remove_signal_handler(number)


def _leave() -> None:
    os._exit(128 + signal.SIGINT)
