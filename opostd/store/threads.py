"""Threads that each keep a connection, and the way of a piece of work to one of them and back to the loop.

A queue and one call into the loop: concurrent.futures and asyncio.wrap_future took longer for the way than SQLite for
the row at its end, six times as long when many connections ask at once.
"""

import asyncio
import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

import psycopg
import sqlalchemy as sa

from opostd.model.errors import Unavailable

log = logging.getLogger("opostd.store")

AT_WORK_S = 0.005  # between two looks, a second or so apart; who waits for a disk uses less
CLOSE_S = 5.0  # for what runs when the store is closed; after that it ends as by a kill, of which nothing is afraid

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Outcome(Protocol[T_contra]):
    """Where the result of a piece of work goes.

    abandoned: who waited has been told that it failed; what can still be taken back is.
    """

    abandoned: bool

    def wanted(self) -> bool:
        """Whether somebody still waits: what has not begun for nobody is left."""

    def settle(self, result: T_contra | None, error: BaseException | None) -> None:
        """In the thread that did the work."""


class OnLoop(Generic[T]):
    """For a coroutine of the running loop: it awaits ``future``, and may be cancelled."""

    __slots__ = ("_loop", "abandoned", "future")

    def __init__(self) -> None:
        self.abandoned = False
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()

    def wanted(self) -> bool:
        return not self.abandoned and not self.future.cancelled()

    def settle(self, result: T | None, error: BaseException | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(_settle, self.future, result, error)


class InThread(Generic[T]):
    """For a thread without a loop: it calls ``future.result()``."""

    __slots__ = ("abandoned", "future")

    def __init__(self) -> None:
        self.abandoned = False
        self.future: Future[T] = Future()

    def wanted(self) -> bool:
        return not self.abandoned

    def settle(self, result: T | None, error: BaseException | None) -> None:
        _settle(self.future, result, error)


def _settle(future: "asyncio.Future[T] | Future[T]", result: T | None, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type]  # None only where T has it


class Threads:
    """At most ``count`` threads, begun as they are needed."""

    def __init__(self, name: str, count: int, connect: Callable[[], sa.Connection]) -> None:
        self._name, self._count, self._connect = name, count, connect
        self._jobs: SimpleQueue[tuple[Callable[[bool], None], Outcome[Any]] | None] = SimpleQueue()
        self._since: dict[Outcome[Any], float] = {}  # what runs or waits to run, and since when
        self._ended = 0.0  # when some work last came to its end
        self._processor_s = 0.0  # that the threads had used at the last look
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False
        self._local = threading.local()
        self._open: set[sa.Connection] = set()
        self._lock = threading.Lock()

    def submit(self, work: Callable[[], T], outcome: Outcome[T]) -> None:
        """Does the work in one of the threads.  Raises Unavailable when they are closed."""

        def job(do: bool) -> None:
            if not do:
                outcome.settle(None, Unavailable("the store is closed"))
            elif outcome.wanted():
                try:
                    result = work()
                except BaseException as error:
                    outcome.settle(None, error)
                else:
                    outcome.settle(result, None)

        with self._lock:
            if self._closed:
                raise Unavailable("the store is closed")
            self._since[outcome] = time.monotonic()
            self._jobs.put((job, outcome))
            if self._idle:
                self._idle -= 1  # one that waits takes it
            elif len(self._threads) < self._count:
                # A daemon: a process that ends without closing has answered for nothing that still runs
                thread = threading.Thread(target=self._work, name=f"store-{self._name}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, outcome = item
            job(True)
            with self._lock:
                self._idle += 1
                self._since.pop(outcome, None)
                self._ended = time.monotonic()
            del item, job, outcome  # and what they hold: a result may be large, and the next may not come for long

    def stuck(self, patience_s: float) -> bool:
        """Whether something has waited for so long, and nothing has come to its end in that time."""
        with self._lock:
            before = time.monotonic() - patience_s
            return self._ended <= before and any(since <= before for since in self._since.values())

    def at_work(self) -> bool:
        """Whether the threads have used the processor since the last call: then they are slow, and not stuck."""
        with self._lock:  # none of them ends while it is held
            clocks = [time.pthread_getcpuclockid(each.ident) for each in self._threads if each.ident is not None]
            used = sum(map(time.clock_gettime, clocks))
        before, self._processor_s = self._processor_s, used
        return used - before > AT_WORK_S

    def abandon(self, patience_s: float, why: str) -> int:
        """Tells all who have waited for so long that they wait in vain; how many those were."""
        with self._lock:
            before = time.monotonic() - patience_s
            late = [outcome for outcome, since in self._since.items() if since <= before]
            for outcome in late:
                del self._since[outcome]
        for outcome in late:
            outcome.abandoned = True
            outcome.settle(None, Unavailable(why))
        return len(late)

    def connection(self) -> sa.Connection:
        """This thread's connection."""
        found: sa.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self._connect()
            with self._lock:
                self._open.add(found)
        return found

    def drop(self) -> None:
        """Closes this thread's connection: the next use makes a new one."""
        found: sa.Connection | None = getattr(self._local, "connection", None)
        self._local.connection = None
        if found is not None:
            with self._lock:
                self._open.discard(found)
            _close(found)

    def close(self, end: float | None = None) -> None:
        """What runs ends first, what waits does not begin.  May be called again.

        end: of ``time.monotonic``, until when that may take; None: ``CLOSE_S``.
        """
        end = time.monotonic() + CLOSE_S if end is None else end
        with self._lock:
            self._closed = True
            threads, self._threads = self._threads, []
        with contextlib.suppress(Empty):
            while (item := self._jobs.get_nowait()) is not None:
                item[0](False)
        for _ in threads:
            self._jobs.put(None)
        for thread in threads:
            thread.join(max(end - time.monotonic(), 0.0))
        if any(thread.is_alive() for thread in threads):
            log.warning("the database does not answer; not waited for threads=%s", self._name)
            return  # their connections are in use
        for connection in self._open:
            _close(connection)
        self._open.clear()


def _close(connection: sa.Connection) -> None:
    with contextlib.suppress(sa.exc.SQLAlchemyError, sqlite3.Error, psycopg.Error):
        connection.close()
