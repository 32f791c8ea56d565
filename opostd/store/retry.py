"""What an error of the database means: run again, run again on a new connection, disk full, or our bug.

Every transaction is a function that may run again (distributed.md 4, rules 6 and 7), so an unknown outcome of
COMMIT is answered by running it again, too.
"""

import random
import sqlite3
import time
from dataclasses import dataclass

import psycopg
import sqlalchemy as sa

from opostd.model.errors import DiskFull, Unavailable

FIRST_PAUSE_S = 0.01
LONGEST_PAUSE_S = 1.0

# Connection; shut down or fail-over; a primary that has become read-only; no connection left; a prepared statement that
# somebody else has deallocated
_RECONNECT = ("08", "57", "25006", "53300", "26000")
_AGAIN = ("40001", "40P01", "55P03")  # serialization, deadlock, lock not available
_DISK_FULL = "53100"
_UNIQUE = "23505"
_POST_PK = "delivered_post_pkey"  # a UID given twice: seen when a shard moves (distributed.md 2), right the next time

_SQLITE_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_SQLITE_FAULT = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_READONLY}


@dataclass(frozen=True, slots=True)
class Verdict:
    """again: run the function again; reconnect: on a new connection; full: the disk has no space."""

    again: bool = False
    reconnect: bool = False
    full: bool = False


class NotReplicated(Exception):
    """COMMIT came back with a warning: it stands here, and perhaps nowhere else (rule 8).

    It is not run again: the second run would find its rows and succeed without having waited for the standby.
    """


def judge(error: BaseException) -> Verdict:
    """What to do about an error that a transaction ended with."""
    if isinstance(error, sa.exc.DBAPIError):
        if error.connection_invalidated:
            return Verdict(again=True, reconnect=True)
        if error.orig is None:
            return Verdict()
        return judge(error.orig)
    if isinstance(error, psycopg.Error):
        return _judge_postgres(error)
    if isinstance(error, sqlite3.Error):
        return _judge_sqlite(error)
    return Verdict()


def _judge_postgres(error: psycopg.Error) -> Verdict:
    state = error.sqlstate
    if state is None:
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return Verdict(again=lost, reconnect=lost)
    if state == _DISK_FULL:
        return Verdict(full=True)
    if state.startswith(_RECONNECT):
        return Verdict(again=True, reconnect=True)
    if state in _AGAIN or (state == _UNIQUE and error.diag.constraint_name == _POST_PK):
        return Verdict(again=True)
    return Verdict()


def _judge_sqlite(error: sqlite3.Error) -> Verdict:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return Verdict(again=isinstance(error, sqlite3.OperationalError), reconnect=True)
    primary = code & 0xFF  # the rest says more about it
    if primary == sqlite3.SQLITE_FULL:
        return Verdict(full=True)
    if primary in _SQLITE_BUSY:
        return Verdict(again=True)
    fault = primary in _SQLITE_FAULT
    return Verdict(again=fault, reconnect=fault)


class Attempts:
    """The tries of one piece of work, from its beginning to its deadline."""

    def __init__(self, deadline_s: float) -> None:
        self._end = time.monotonic() + deadline_s
        self._pause = FIRST_PAUSE_S

    def pause_after(self, error: Exception) -> float:
        """Seconds to wait before the next try.  Raises DiskFull, Unavailable, or the error when it is neither."""
        if isinstance(error, NotReplicated):
            raise Unavailable(str(error)) from error
        verdict = judge(error)
        if verdict.full:
            raise DiskFull(_text(error)) from error
        if not verdict.again:
            raise error
        left = self._end - time.monotonic()
        if left <= 0:
            raise Unavailable(_text(error)) from error
        # Between half and all of it: those that collided do not meet again.
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311
        self._pause = min(self._pause * 2, LONGEST_PAUSE_S)
        return min(pause, left)


def _text(error: Exception) -> str:
    """The driver's words on one line, without the statement and its values."""
    orig = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return " ".join(str(orig or error).split())
