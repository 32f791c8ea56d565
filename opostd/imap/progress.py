"""A client whose command takes long hears that it still runs (INPROGRESS, RFC 9585), and does not take us for dead.

What must stay true: nothing stands within an answer, so it ends with the first response of the command; no number is
told that is not so: how many messages have been looked at is known, how many there will be is not.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from opostd.imap.format.strings import string

AFTER_S = 10.0  # and again after as long; clients wait for half a minute or more before they give up


def code(tag: bytes, looked: int) -> bytes:
    """``INPROGRESS ("a1" 175 NIL)``: a tag in which a code would end is not told (RFC 9585 4)."""
    name = b"NIL" if b"]" in tag else string(tag)
    return b"INPROGRESS (%b %b NIL)" % (name, b"%d" % looked if looked else b"NIL")


class Waiting:
    """Calls ``tell`` while a command is waited for, until ``end``; a connection that breaks is no error here."""

    def __init__(self, tell: Callable[[], Awaitable[None]]) -> None:
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(AFTER_S, self._begin)

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await self._tell()
                await asyncio.sleep(AFTER_S)

    def end(self) -> None:
        """May be called again."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
