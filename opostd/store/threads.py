"""Threads that each keep a connection, and the way of a piece of work to one of them and back to the loop.

A queue and one call into the loop: concurrent.futures and asyncio.wrap_future took longer for the way than SQLite for
the row at its end, six times as long when many connections ask at once.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

import psycopg
import sqlalchemy as sa

from opostd.model.errors import Unavailable

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Outcome(Protocol[T_contra]):
    """Where the result of a piece of work goes."""

    def wanted(self) -> bool:
        """Whether somebody still waits: what has not begun for nobody is left."""

    def settle(self, result: T_contra | None, error: BaseException | None) -> None:
        """In the thread that did the work."""


class OnLoop(Generic[T]):
    """For a coroutine of the running loop: it awaits ``future``, and may be cancelled."""

    __slots__ = ("_loop", "future")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()

    def wanted(self) -> bool:
        return not self.future.cancelled()

    def settle(self, result: T | None, error: BaseException | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(_settle, self.future, result, error)


class InThread(Generic[T]):
    """For a thread without a loop: it calls ``future.result()``."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: Future[T] = Future()

    def wanted(self) -> bool:
        return True

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
        self._jobs: SimpleQueue[Callable[[bool], None] | None] = SimpleQueue()
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
            self._jobs.put(job)
            if self._idle:
                self._idle -= 1  # one that waits takes it
            elif len(self._threads) < self._count:
                # A daemon: a process that ends without closing has answered for nothing that still runs
                thread = threading.Thread(target=self._work, name=f"store-{self._name}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job(True)
            del job  # and with it what it held: a result may be large, and the next may not come for long
            with self._lock:
                self._idle += 1

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

    def close(self) -> None:
        """What runs ends first, what waits does not begin.  May be called again."""
        with self._lock:
            self._closed = True
            threads, self._threads = self._threads, []
        with contextlib.suppress(Empty):
            while (job := self._jobs.get_nowait()) is not None:
                job(False)
        for _ in threads:
            self._jobs.put(None)
        for thread in threads:
            thread.join()
        for connection in self._open:
            _close(connection)
        self._open.clear()


def _close(connection: sa.Connection) -> None:
    with contextlib.suppress(sa.exc.SQLAlchemyError, sqlite3.Error, psycopg.Error):
        connection.close()
