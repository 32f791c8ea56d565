"""The way into the store: ``await store.run(fn, *args)`` runs one function as one transaction, again where it must.

A function of the store is marked ``@reads(Group.X)`` or ``@writes(Group.X)`` and takes a ``Tx`` first.  It may run
more than once, so it has no effect outside of the database; hints it notes are published after COMMIT only.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from opostd.config import StoreSettings
from opostd.model.errors import OpostError, SchemaMismatch
from opostd.model.records import BoxHint
from opostd.store.database import Database, Step
from opostd.store.groups import Group
from opostd.store.notify import EVERYTHING, Bus, open_bus
from opostd.store.retry import Attempts
from opostd.store.schema import REVISION
from opostd.store.threads import InThread, OnLoop, Outcome
from opostd.store.tx import Tx

__all__ = ["Group", "Store", "Tx", "reads", "writes"]

log = logging.getLogger("opostd.store")

P = ParamSpec("P")
T = TypeVar("T")
Function = Callable[Concatenate["Tx", P], T]

_MARK = "_opostd_work"
WATCH_S = 1.0  # between two looks at whether the database still answers


@dataclass(frozen=True, slots=True)
class _Work:
    group: Group
    writes: bool
    may_be_lost: bool = False


def reads(group: Group) -> Callable[[Function[P, T]], Function[P, T]]:
    """Marks a function that only reads; on PostgreSQL each of its statements sees what was committed before it."""
    return _marked(_Work(group, writes=False))


def writes(group: Group, *, may_be_lost: bool = False) -> Callable[[Function[P, T]], Function[P, T]]:
    """Marks a function that writes: one transaction, READ COMMITTED.

    may_be_lost: nobody has been promised anything of it, and it would be done again: its COMMIT waits for no disk and
    no standby.
    """
    return _marked(_Work(group, writes=True, may_be_lost=may_be_lost))


def _marked(work: _Work) -> Callable[[Function[P, T]], Function[P, T]]:
    def mark(fn: Function[P, T]) -> Function[P, T]:
        setattr(fn, _MARK, work)
        return fn

    return mark


class Store:
    """The three groups, wherever they live.

    faults: for tests: called as ``faults("before")`` and ``faults("after")`` around each COMMIT in the transaction's
    thread; an exception from it is taken for one of the database's.
    """

    def __init__(self, settings: StoreSettings, faults: Step | None = None) -> None:
        self._settings = settings
        self._databases: dict[Group, Database] = {}
        by_url: dict[str, Database] = {}
        for group in Group:
            url = group.url(settings)
            if url not in by_url:
                by_url[url] = Database(url, settings.pool_size, faults)
            self._databases[group] = by_url[url]
        self._bus: Bus = open_bus(self._databases[Group.OWNER])
        self._listeners: list[Callable[[BoxHint], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, fn: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function returns, after COMMIT.  Raises its own errors, Unavailable and DiskFull.

        The caller may be cancelled; a transaction that has begun goes on to its end.
        """
        attempts, again = Attempts(self._settings.retry_deadline_s), False
        while True:
            try:
                outcome: OnLoop[T] = OnLoop()
                self._submit(outcome, again, fn, *args, **kwargs)
                return await outcome.future
            except Exception as error:
                pause, again = attempts.pause_after(error), True
                _log_retry(fn, error)
            await asyncio.sleep(pause)

    async def glance(self, fn: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``run`` for a function that makes a few reads by key and waits for nothing: at once where that can be.

        It may be run by the loop itself, so it is nothing for lists and texts of an outsider's length.  On PostgreSQL
        it is run anew with each answer.
        """
        found = self.at_once(fn, *args, **kwargs)
        if found is None and (away := self._database_of(fn).away) is not None:
            found = await away.look(lambda tx: fn(tx, *args, **kwargs))
        return await self.run(fn, *args, **kwargs) if found is None else found[0]

    def at_once(self, fn: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T] | None:
        """What ``glance`` finds without waiting; None where ``run`` is the way."""
        return self._database_of(fn).glance(lambda connection: (fn(Tx(connection), *args, **kwargs),))

    def _database_of(self, fn: Function[P, T]) -> Database:
        work: _Work | None = getattr(fn, _MARK, None)
        if work is None or work.writes:
            raise TypeError(f"{fn!r} is not marked with reads")
        return self._databases[work.group]

    def run_sync(self, fn: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``run`` for a thread without a loop."""
        attempts, again = Attempts(self._settings.retry_deadline_s), False
        while True:
            try:
                outcome: InThread[T] = InThread()
                self._submit(outcome, again, fn, *args, **kwargs)
                return outcome.future.result()
            except Exception as error:
                pause, again = attempts.pause_after(error), True
                _log_retry(fn, error)
            time.sleep(pause)

    def _submit(
        self, outcome: Outcome[T], again: bool, fn: Function[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> None:  # fmt: skip
        work: _Work | None = getattr(fn, _MARK, None)
        if work is None:
            raise TypeError(f"{fn!r} is not marked with reads or writes")
        database = self._databases[work.group]
        if not work.writes:
            database.read(lambda connection: fn(Tx(connection), *args, **kwargs), outcome)
            return
        hints: list[BoxHint] = []

        def transaction(connection: sa.Connection) -> tuple[T, bool]:
            tx = Tx(connection, again)
            result = fn(tx, *args, **kwargs)
            hints[:] = tx.hints
            return result, not tx.idle

        database.write(transaction, lambda _: self._publish(hints), outcome, work.may_be_lost)

    @property
    def together(self) -> bool:
        """Whether posts and boxes may be written by one transaction: in a file of SQLite.

        Not on PostgreSQL: there a box's lock may be waited for, and on a distributed engine readers would see the row
        before the post (distributed.md 0.3).
        """
        return self._databases[Group.OWNER].is_sqlite and len(set(self._databases.values())) == 1

    def version(self) -> tuple[int, int] | None:
        """A value that is the same as before only if nobody has changed anything of an owner's since; None: not known.

        On the loop, without waiting; a different value says nothing.
        """
        return self._databases[Group.OWNER].version()

    def check_schema(self) -> None:
        """Raises SchemaMismatch when a group's tables are not what this program needs; Unavailable."""
        for group, database in self._databases.items():
            file = database.url.database
            missing = database.is_sqlite and file is not None and not Path(file).exists()
            found = None if missing else self.run_sync(_REVISIONS[group])
            if found != REVISION:
                raise SchemaMismatch(group.value, found, REVISION)

    def listen(self, callback: Callable[[BoxHint], None]) -> Callable[[], None]:
        """Calls back on the loop of ``start`` for every hint, of this process or another; returns what ends it.

        BoxHint(0, 0, 0) says that anything may have changed.
        """
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    async def start(self) -> None:
        """Begins to hear of what other processes change.  Callbacks are called on this loop."""
        self._loop = asyncio.get_running_loop()
        for database in set(self._databases.values()):
            if database.away is not None:
                database.away.start()
        await self._bus.start(self._loop, self._told)
        if not self._tasks:
            self._tasks = [self._loop.create_task(self._look_after())]
            if self._databases[Group.OWNER].is_sqlite:
                self._tasks.append(self._loop.create_task(self._poll()))

    async def close(self) -> None:
        """Ends what runs, sends what was said, closes all connections.  May be called again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._bus.stop()
        for database in set(self._databases.values()):
            if database.away is not None:
                await database.away.stop()
        self._loop = None
        await asyncio.to_thread(self.close_sync)

    def close_sync(self) -> None:
        """``close`` for a thread without a loop."""
        self._loop = None
        for database in set(self._databases.values()):
            database.close()
        self._bus.close()

    def _publish(self, hints: Sequence[BoxHint]) -> None:
        if hints:
            self._tell(hints)
            self._bus.publish(hints)

    def _tell(self, hints: Sequence[BoxHint]) -> None:
        """To this process's listeners; from any thread."""
        loop = self._loop
        if loop is not None and self._listeners:
            with contextlib.suppress(RuntimeError):  # the loop has ended a moment before
                loop.call_soon_threadsafe(self._told, hints)

    def _told(self, hints: Sequence[BoxHint]) -> None:
        for callback in tuple(self._listeners):
            for hint in hints:
                try:
                    callback(hint)
                except Exception:
                    log.exception("a listener failed on %r", hint)

    async def _look_after(self) -> None:
        """A database that says nothing is found out, so that those who wait for it are answered (promise 8)."""
        patience_s = self._settings.retry_deadline_s
        while True:
            await asyncio.sleep(min(WATCH_S, patience_s / 2))
            for database in set(self._databases.values()):
                await database.look_after(patience_s)

    async def _poll(self) -> None:
        """SQLite: the truth behind the datagrams: has another process written?"""
        database = self._databases[Group.OWNER]
        seen: tuple[int, int] | None = None
        while True:
            await asyncio.sleep(self._settings.hint_poll_s)
            try:
                outcome: OnLoop[tuple[int, int]] = OnLoop()
                database.data_version(outcome)
                found = await outcome.future
            except (sa.exc.SQLAlchemyError, OpostError) as error:
                log.info("not polled: %s", error)
                continue
            if seen is not None and found != seen:
                self._told([EVERYTHING])
            seen = found


def _log_retry(fn: Callable[..., object], error: Exception) -> None:
    orig = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    log.info("running %s again: %r", getattr(fn, "__name__", fn), orig)


def _revision(tx: Tx, group: Group) -> str | None:
    """The revision that a group's tables have."""
    if not tx.has_table(group.version_table):
        return None
    table = sa.table(group.version_table, sa.column("version_num"))
    found: str | None = tx.execute(sa.select(table.c.version_num)).scalar()
    return found


def _revision_of(group: Group) -> Callable[[Tx], str | None]:
    @reads(group)
    def revision(tx: Tx) -> str | None:
        return _revision(tx, group)

    return revision


_REVISIONS = {group: _revision_of(group) for group in Group}
