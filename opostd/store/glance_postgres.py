"""PostgreSQL: a few reads by key, on a connection that the loop drives itself (``line``): no thread on the way.

What must stay true: it is a shorter way and never the only one.  Whatever is wrong with it, and wherever who asks
would wait for others, ``None`` is the answer, and a thread does the same reading, with its retries and deadlines.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa

from opostd.store.line import Line
from opostd.store.ready import Rows
from opostd.store.replay import Questions, Replay, Unanswered, Unfit
from opostd.store.retry import judge
from opostd.store.tx import Tx

log = logging.getLogger("opostd.store")

T = TypeVar("T")

BEHIND_S = 0.02  # some read takes long, perhaps from a disk: a hundred times what it takes from memory
MOST_WAITING = 200  # some 10 ms of the server's time: more goes to other connections
LATE_S = 1.0  # nothing comes any more: those who wait ask again by a thread
REST_S = 1.0  # before another connection is made


class PostgresGlancer:
    """connect: makes a connection in autocommit that is nobody else's, in a thread."""

    def __init__(self, connect: Callable[[], "psycopg.Connection[Any]"], dialect: sa.Dialect) -> None:
        self._connect = connect
        self._questions = Questions(dialect)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._line: Line | None = None
        self._opening: asyncio.Event | None = None
        self._rests_until = 0.0
        self.trips = 0
        """Ways there and back so far."""

    def start(self) -> None:
        """To be used on this loop."""
        self.close()  # of a loop before
        self._loop = asyncio.get_running_loop()
        self._rests_until = 0.0

    async def look(self, work: Callable[[Tx], T]) -> tuple[T] | None:
        """What the work finds; None where that cannot be found so, or not now.  Raises the work's own errors."""
        answers: list[list[Rows]] = []
        while True:
            line = self._usable()
            if line is None:
                return None
            try:
                return (work(Replay(self._questions, answers)),)
            except Unanswered as unanswered:
                calls = unanswered.calls
            except (Unfit, psycopg.Error):  # such as text that PostgreSQL does not take
                return None
            self.trips += 1
            try:
                answers.append(await line.ask(calls))
            except psycopg.Error as error:
                log.debug("a look failed: %s", error)
                if judge(error).reconnect:  # such as a pooler that has put another server behind it
                    line.close()
                return None

    def _usable(self) -> Line | None:
        loop, line = self._loop, self._line
        if loop is None or asyncio.get_running_loop() is not loop:
            return None
        if line is None:
            if self._opening is None and loop.time() >= self._rests_until:
                self._opening = asyncio.Event()
                threading.Thread(target=self._open, args=(loop,), name="store-look", daemon=True).start()
            return None
        if line.waiting and (line.waiting >= MOST_WAITING or loop.time() - line.since > BEHIND_S):
            return None
        return line

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        driver: psycopg.Connection[Any] | None = None
        try:
            driver = self._connect()
        except (psycopg.Error, sa.exc.SQLAlchemyError, OSError) as error:
            log.debug("no connection to look by: %s", error)
        try:
            loop.call_soon_threadsafe(self._opened, loop, driver)
        except RuntimeError:  # the loop has ended meanwhile
            if driver is not None:
                driver.close()

    def _opened(self, loop: asyncio.AbstractEventLoop, driver: "psycopg.Connection[Any] | None") -> None:
        if driver is None:
            self._rests_until = loop.time() + REST_S
        elif loop is self._loop and self._line is None:
            self._line = Line(driver, loop, self._broken)
        else:
            driver.close()
        if self._opening is not None:
            self._opening.set()
            self._opening = None

    def _broken(self) -> None:
        self._line = None
        if self._loop is not None and not self._loop.is_closed():
            self._rests_until = self._loop.time() + REST_S

    def look_after(self, patience_s: float) -> None:
        """A server that says nothing breaks no connection; called again and again, on the loop."""
        line, loop = self._line, self._loop
        if line is not None and loop is not None and loop.time() - line.since > min(LATE_S, patience_s):
            log.info("a connection says nothing; another is made")
            line.close()

    async def stop(self) -> None:
        """Not used any more, on the loop that has used it."""
        opening, self._loop = self._opening, None
        if opening is not None:
            await opening.wait()  # connect_timeout at most
        self.close()

    def close(self) -> None:
        """As ``stop``, from a thread when the loop has ended.  May be called again."""
        self._loop = self._opening = None
        if self._line is not None:
            self._line.close()
