"""The way into the store: ``await store.run(fn, *args)`` runs one function as one transaction, again where it must.

A function of the store is marked ``@reads(Group.X)`` or ``@writes(Group.X)`` and takes a ``Tx`` first.  It may run
more than once, so it has no effect outside of the database; hints it notes are published after COMMIT only.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from opostd.config import StoreSettings
from opostd.model.errors import OpostError, SchemaMismatch
from opostd.model.ids import BoxId, ModSeq, OwnerId
from opostd.model.records import BoxHint
from opostd.store.database import Database, Step
from opostd.store.groups import Group
from opostd.store.notify import EVERYTHING, Bus, open_bus
from opostd.store.ready import ReadyPostgres, exchange_of, ready
from opostd.store.retry import Attempts
from opostd.store.schema import REVISION
from opostd.store.threads import InThread, OnLoop, Outcome

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


class Tx:
    """A transaction on one group of tables, handed to the functions of the store."""

    __slots__ = ("_connection", "_exchange", "again", "dialect", "hints", "idle")

    def __init__(self, connection: sa.Connection, again: bool = False) -> None:
        self._connection = connection
        self._exchange = exchange_of(connection)
        self.again = again  # this is not the first try: an earlier one may have been committed
        self.dialect = connection.dialect.name
        self.hints: list[BoxHint] = []
        self.idle = False

    def execute(
        self, statement: sa.Executable, parameters: dict[str, Any] | Sequence[dict[str, Any]] | None = None
    ) -> "sa.CursorResult[*tuple[Any, ...]]":
        """Runs one statement."""
        self._flush()
        result = self._connection.execute(statement, parameters)
        assert isinstance(result, sa.CursorResult)
        return result

    def rows(self, statement: sa.Executable, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """What a statement that is made once, at import, returns: the driver's own tuples.

        A third of the time of ``execute``, for the few statements that every command runs.  No list parameters, no
        column whose values SQLAlchemy would convert; a driver's own errors, which ``retry`` knows as well.
        """
        if (known := ready(statement, self._connection)) is not None:
            return known.run(parameters)[0]
        return [tuple(row) for row in self.execute(statement, dict(parameters))]

    def rows_of(self, *asked: tuple[sa.Executable, Mapping[str, Any]]) -> list[list[tuple[Any, ...]]]:
        """As ``rows``, of several statements in order: on PostgreSQL one way there and back.

        Each sees what was committed before it began, the second what was when the first had its locks.
        """
        if self._exchange is not None:
            known = [ready(statement, self._connection) for statement, _ in asked]
            calls = [
                each.call(parameters)
                for each, (_, parameters) in zip(known, asked, strict=True)
                if isinstance(each, ReadyPostgres)
            ]
            if len(calls) == len(asked):
                return [rows for rows, _ in self._exchange.rows(calls)]
            return [
                [tuple(row) for row in self.execute(statement, dict(parameters))]
                if each is None
                else each.run(parameters)[0]
                for each, (statement, parameters) in zip(known, asked, strict=True)
            ]
        return [self.rows(statement, parameters) for statement, parameters in asked]

    def count(self, statement: sa.Executable, parameters: Mapping[str, Any]) -> int:
        """As ``rows``, for a statement without rows: how many it has changed."""
        if (known := ready(statement, self._connection)) is not None:
            return known.run(parameters)[1]
        return self.execute(statement, dict(parameters)).rowcount

    def count_many(self, statement: sa.Executable, parameters: Sequence[Mapping[str, Any]]) -> int:
        """As ``count``, once for each of the parameters."""
        changed = 0
        while parameters and (known := ready(statement, self._connection)) is None:
            changed += self.execute(statement, dict(parameters[0])).rowcount
            parameters = parameters[1:]
        return changed + (known.run_many(parameters) if parameters and known is not None else 0)

    def later(self, statement: sa.Executable, *parameters: Mapping[str, Any]) -> None:
        """As ``count_many`` for whoever asks nothing: on PostgreSQL with the next statement that has an answer.

        An error of it is raised there, or by COMMIT.
        """
        while parameters and (known := ready(statement, self._connection)) is None:
            self.execute(statement, dict(parameters[0])).close()
            parameters = parameters[1:]
        if parameters and known is not None:
            known.later(parameters)

    def _flush(self) -> None:
        if self._exchange is not None:
            self._exchange.flush()

    def has_table(self, name: str) -> bool:
        """Whether the database has this table."""
        self._flush()
        return sa.inspect(self._connection).has_table(name)

    def hint(self, owner: OwnerId, box: BoxId, modseq: int) -> None:
        """Say after COMMIT that this box has changed; with box 0 the account has."""
        self.hints.append(BoxHint(owner, box, ModSeq(modseq)))

    def nothing_changed(self) -> None:
        """What was written is taken back, without waiting for the disk.  Nothing may have been hinted.

        Not in a run that follows another, whose COMMIT may have gone through without its answer: a COMMIT of nothing
        would not wait for the standby.
        """
        self.idle = not self.again


def reads(group: Group) -> Callable[[Function[P, T]], Function[P, T]]:
    """Marks a function that only reads; on PostgreSQL each of its statements sees what was committed before it."""
    return _marked(_Work(group, writes=False))


def writes(group: Group) -> Callable[[Function[P, T]], Function[P, T]]:
    """Marks a function that writes: one transaction, READ COMMITTED."""
    return _marked(_Work(group, writes=True))


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

        It may be run by the loop itself, so it is nothing for lists and texts of an outsider's length.
        """
        found = self.at_once(fn, *args, **kwargs)
        return await self.run(fn, *args, **kwargs) if found is None else found[0]

    def at_once(self, fn: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T] | None:
        """What ``glance`` finds without waiting; None where ``run`` is the way."""
        work: _Work | None = getattr(fn, _MARK, None)
        if work is None or work.writes:
            raise TypeError(f"{fn!r} is not marked with reads")
        return self._databases[work.group].glance(lambda connection: (fn(Tx(connection), *args, **kwargs),))

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

        database.write(transaction, lambda _: self._publish(hints), outcome)

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
