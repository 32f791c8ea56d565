"""SQLite: a few reads by key, at once, in the loop's thread, on a connection of their own.

They take some 20 microseconds, a fifth of the way to another thread and back; in WAL mode no writer keeps a reader
waiting.  But a disk may: what must stay true is that all of the loop's time that slow reads take is a small part of
it, whatever the disk does (promise 7).  A read that was slow is followed by a rest in which threads do the reading.
"""

import contextlib
import itertools
import resource
import sqlite3
import time
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa

T = TypeVar("T")

SLOW_S = 0.02  # a thousand times what it takes from memory
REST = 100  # times as long as it took: slow reads take 1 % of the loop's time at most

_SERIAL = "opostd serial"
_numbers = itertools.count(1)


def number(info: dict[str, Any]) -> None:
    """Gives a new connection, whose ``info`` this is, a number that no other of the process has."""
    info[_SERIAL] = next(_numbers)


def serial(connection: sa.Connection) -> int:
    """That number.  Two connections may count the same version for different states of a file."""
    found = connection.connection.info[_SERIAL]
    assert isinstance(found, int)
    return found


class Glancer:
    """connect: makes the connection, at the first look and after an error.

    clock: seconds, monotonic.  waits: how often this thread has waited for something other than a processor.
    """

    def __init__(
        self,
        connect: Callable[[], sa.Connection],
        clock: Callable[[], float] = time.perf_counter,
        waits: Callable[[], int] = lambda: resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw,
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._waits = waits
        self._connection: sa.Connection | None = None
        self._serial = 0
        self._rests_until = 0.0

    def look(self, work: Callable[[sa.Connection], T]) -> T | None:
        """What the work finds; None where that cannot be found so, or not now."""
        begun = self._clock()
        if begun < self._rests_until:
            return None
        waited = self._waits()
        try:
            return work(self._connection or self._open())
        except (sqlite3.Error, sa.exc.SQLAlchemyError):
            self.close()
            return None
        finally:
            ended = self._clock()
            # Where the processor was given to somebody else meanwhile, that says nothing of the disk.
            if ended - begun >= SLOW_S and self._waits() > waited:
                self._rests_until = ended + REST * (ended - begun)

    def version(self) -> tuple[int, int] | None:
        """A value that differs when anybody has committed since the last call, this process too; None: not now."""
        found = self.look(lambda connection: _driver(connection).execute("PRAGMA data_version").fetchone()[0])
        return None if found is None else (self._serial, found)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error, sa.exc.SQLAlchemyError):
                connection.close()

    def _open(self) -> sa.Connection:
        connection = self._connection = self._connect()
        self._serial = serial(connection)
        _driver(connection).execute("PRAGMA busy_timeout = 0").close()
        return connection


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.dbapi_connection
