"""One database: its connections, each held by a thread, and one transaction on them.

SQLite has exactly one writer (BEGIN IMMEDIATE) and two readers; PostgreSQL has ``pool_size`` connections, half of them
for reads, so that writers who wait for a box lock never stop a reader.  Connections are in autocommit and BEGIN and
COMMIT are said here: half of what the usual pool costs is its own BEGIN and ROLLBACK (feasibility.md 2a).

SQLite files are made 0600, and their directory is synced: what COMMIT has promised must be found after a power loss.
"""

import asyncio
import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psycopg
import sqlalchemy as sa

from opostd.model.errors import OpostError, Unavailable
from opostd.store.exchange import Call, Exchange
from opostd.store.glance import Glancer, number, serial
from opostd.store.glance_postgres import PostgresGlancer
from opostd.store.ready import exchange_of
from opostd.store.retry import NotReplicated, judge
from opostd.store.threads import CLOSE_S, OnLoop, Outcome, Threads

log = logging.getLogger("opostd.store")

T = TypeVar("T")

SQLITE_READERS = 2  # feasibility.md 2: a third gains nothing
PROBE_S = 3.0  # for the answer to SELECT 1
BUSY_MS = 500  # another process writes; longer waits are runs of the whole function again, so that deadlines hold
CACHE_KIB = 8 * 1024  # of each SQLite connection
LOCK_TIMEOUT_S = 10  # of a box lock on PostgreSQL: then 55P03, and the function runs again
POSTGRES_DEFAULTS: dict[str, Any] = {  # distributed.md 5: a dead server is noticed in seconds
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
    "application_name": "opostd",
    "client_encoding": "utf8",
}


class Step(Protocol):
    """Called around COMMIT with ``before`` or ``after``; what it raises is taken for a fault of the database there."""

    def __call__(self, moment: str) -> None: ...


class Database:
    """All of one process's connections to one URL.  step: see ``Step``."""

    def __init__(self, url: str, pool_size: int, step: Step | None = None) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._step = step
        self._engine = _engine(self.url)
        self._glancer = Glancer(self._connect) if self.is_sqlite and self.url.database else None
        self.away = None if self.is_sqlite else PostgresGlancer(self._driver_of_its_own, self._engine.dialect)
        """PostgreSQL: looks without a thread, on the loop that has started it."""
        readers = SQLITE_READERS if self.is_sqlite else max(pool_size // 2, 1)
        writers = 1 if self.is_sqlite else max(pool_size - readers, 1)
        self._readers = Threads("read", readers, self._connect)
        self._writers = Threads("write", writers, self._connect)
        self._prober = Threads("probe", 1, self._connect)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    def read(self, work: Callable[[sa.Connection], T], outcome: Outcome[T]) -> None:
        """Runs the work in a thread for readers."""
        self._readers.submit(lambda: self._reading(work), outcome)

    def write(
        self,
        work: Callable[[sa.Connection], tuple[T, bool]],
        committed: Callable[[T], None],
        outcome: Outcome[T],
        may_be_lost: bool = False,
    ) -> None:
        """Runs the work in a transaction, and ``committed`` with its result after COMMIT, in the same thread.

        On PostgreSQL BEGIN waits in the connection's ``exchange``, for the first statement to take it along.
        Where the work says false beside its result there is nothing to keep: ROLLBACK, which needs no disk.
        may_be_lost: COMMIT waits for no disk, and what it has written for one that does.
        """
        self._writers.submit(lambda: self._transaction(work, committed, outcome, may_be_lost), outcome)

    def data_version(self, outcome: Outcome[tuple[int, int]]) -> None:
        """SQLite: a value that differs when another process has written since the last call."""

        def look() -> tuple[int, int]:
            with self._clean(self._writers) as connection:
                version = connection.exec_driver_sql("PRAGMA data_version").scalar_one()
                return serial(connection), version

        self._writers.submit(look, outcome)

    def version(self) -> tuple[int, int] | None:
        """SQLite: a value that differs when anybody has committed since the last call, this process too.

        As ``glance``; None where there is no such value, or not now.
        """
        return None if self._glancer is None else self._glancer.version()

    def glance(self, work: Callable[[sa.Connection], T]) -> T | None:
        """What a few reads by key find, in the loop's thread; None where ``read`` is the way (``store.glance``)."""
        return None if self._glancer is None else self._glancer.look(work)

    async def look_after(self, patience_s: float) -> None:
        """Whoever has waited for so long, while the database did nothing at all, is told that it does not answer.

        A server that is stopped, or a disk that is stuck, says no word: no error comes that could be waited for.  A
        server that works at something long still answers another question; SQLite itself works, in our threads.
        Called again and again, some seconds apart at most.
        """
        if self.away is not None:
            self.away.look_after(patience_s)
        for threads in (self._readers, self._writers):
            at_work = threads.at_work()
            if not threads.stuck(patience_s) or (at_work if self.is_sqlite else await self._answers()):
                continue
            if threads.stuck(patience_s):
                told = threads.abandon(patience_s, "the database does not answer")
                log.warning("the database does not answer; told to those who wait for it count=%d", told)

    async def _answers(self) -> bool:
        outcome: OnLoop[None] = OnLoop()
        try:
            self._prober.submit(self._probe, outcome)
            async with asyncio.timeout(PROBE_S):
                await outcome.future
        except (TimeoutError, OpostError, sa.exc.SQLAlchemyError):
            return False
        return True

    def _probe(self) -> None:
        with self._clean(self._prober) as connection:
            connection.exec_driver_sql("SELECT 1")

    def close(self) -> None:
        if self._glancer is not None:
            self._glancer.close()
        if self.away is not None:
            self.away.close()
        end = time.monotonic() + CLOSE_S
        for threads in (self._readers, self._writers, self._prober):
            threads.close(end)
        self._engine.dispose()

    def _connect(self) -> sa.Connection:
        if self.is_sqlite and self.url.database:
            create_file(Path(self.url.database))
        return self._engine.connect()

    def _driver_of_its_own(self) -> "psycopg.Connection[Any]":
        """PostgreSQL: the driver's connection, which SQLAlchemy has let go of."""
        connection = self._engine.raw_connection()
        driver = connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        connection.detach()
        driver.execute("SET plan_cache_mode = force_generic_plan").close()  # by key, one plan is right for any values
        return driver

    @contextlib.contextmanager
    def _clean(self, threads: Threads) -> Iterator[sa.Connection]:
        """This thread's connection; after an error it is out of its transaction, or closed."""
        connection = threads.connection()
        try:
            yield connection
        except BaseException as error:
            if judge(error).reconnect or not _roll_back(connection):
                threads.drop()
            raise

    def _reading(self, work: Callable[[sa.Connection], T]) -> T:
        with self._clean(self._readers) as connection:
            if not self.is_sqlite:  # each statement sees what was committed before it: readers are written for that
                return work(connection)
            _say(connection, "BEGIN")
            result = work(connection)
            _say(connection, "COMMIT")
            return result

    def _transaction(
        self,
        work: Callable[[sa.Connection], tuple[T, bool]],
        committed: Callable[[T], None],
        outcome: Outcome[T],
        may_be_lost: bool,
    ) -> T:
        with self._clean(self._writers) as connection:
            exchange = exchange_of(connection)
            if exchange is None:
                _be_synchronous(connection, not may_be_lost)
                _say(connection, "BEGIN IMMEDIATE")
            else:
                exchange.later(_BEGIN)
                if may_be_lost:
                    exchange.later(_NO_WAIT)
            result, keep = work(connection)
            if not keep or outcome.abandoned:
                if not _roll_back(connection):
                    self._writers.drop()
                return result
            if self._step is not None:
                self._step("before")
            if exchange is None:
                _say(connection, "COMMIT")
            else:
                _commit(connection, exchange)
            if self._step is not None:
                self._step("after")
        committed(result)
        return result


_NOTICES = "opostd notices"
_FULL, _NORMAL = "FULL", "NORMAL"
_SYNCHRONOUS = "opostd synchronous"
_BEGIN = Call("BEGIN ISOLATION LEVEL READ COMMITTED")
_NO_WAIT = Call("SET LOCAL synchronous_commit = off")


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            poolclass=sa.NullPool,
            connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False, "cached_statements": 512},
        )
        sa.event.listen(engine, "connect", _prepare_sqlite)
        return engine
    given = {name: value for name, value in POSTGRES_DEFAULTS.items() if name not in url.query}
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool, connect_args=given)
    sa.event.listen(engine, "connect", _prepare_postgres)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, record: sa.pool.ConnectionPoolEntry) -> None:
    number(record.info)
    record.info[_SYNCHRONOUS] = True
    for pragma in (
        "journal_mode = WAL",
        f"synchronous = {_FULL}",  # 250 is said after COMMIT, so COMMIT must be on the disk
        f"cache_size = -{CACHE_KIB}",
        "temp_store = MEMORY",
        "journal_size_limit = 67108864",  # a WAL that has grown under a long reader shrinks again
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _prepare_postgres(connection: psycopg.Connection[Any], record: sa.pool.ConnectionPoolEntry) -> None:
    # Random reads cost hardly more than others: it is memory, or no disk that turns.  The usual 4 lets SEARCH read a
    # whole table rather than its index.
    connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'; SET random_page_cost = 1.1").close()
    notices: list[str] = []
    record.info[_NOTICES] = notices

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        # Any warning at COMMIT: its text is in the server's language, and none of them is a success (rule 8).
        if diagnostic.severity_nonlocalized == "WARNING":
            notices.append(diagnostic.message_primary or "warning")

    connection.add_notice_handler(note)


def create_file(path: Path) -> None:
    """An empty SQLite file, 0600, its directory synced; nothing where there is one."""
    with contextlib.suppress(FileExistsError):
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        except FileExistsError:
            raise
        except FileNotFoundError as error:
            raise Unavailable(f"there is no folder {path.parent}") from error
        except OSError as error:  # no right to it, or no descriptor left for anything
            raise Unavailable(f"{path} cannot be made: {error.strerror}") from error
        os.fsync(descriptor)
        os.close(descriptor)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _say(connection: sa.Connection, word: str) -> None:
    """BEGIN, COMMIT or ROLLBACK, to the driver itself: SQLAlchemy's way costs as much as the row between the two."""
    _driver(connection).execute(word).close()


def _be_synchronous(connection: sa.Connection, full: bool) -> None:
    """SQLite: whether the next COMMIT waits for the disk.  Without, the next that does takes its octets along."""
    info = connection.connection.info
    if info[_SYNCHRONOUS] is not full:
        _say(connection, f"PRAGMA synchronous = {_FULL if full else _NORMAL}")
        info[_SYNCHRONOUS] = full


def _commit(connection: sa.Connection, exchange: Exchange) -> None:
    """COMMIT on PostgreSQL, with what waits to be run.  Raises NotReplicated."""
    notices = connection.connection.info[_NOTICES]
    notices.clear()
    said = exchange.end("COMMIT")
    if said != b"COMMIT":  # after an error that nobody has raised
        raise psycopg.errors.InFailedSqlTransaction(f"COMMIT was answered {said!r}")
    if notices:
        raise NotReplicated(notices[0])


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.dbapi_connection


def _roll_back(connection: sa.Connection) -> bool:
    """Whether the connection is out of its transaction and may be used again."""
    try:
        raw = connection.connection.dbapi_connection
        if isinstance(raw, sqlite3.Connection):
            if raw.in_transaction:  # some errors have rolled back already
                raw.rollback()
        elif isinstance(raw, psycopg.Connection):
            exchange = exchange_of(connection)
            assert exchange is not None
            exchange.forget()
            if raw.pgconn.pipeline_status != psycopg.pq.PipelineStatus.OFF:  # it broke halfway
                return False
            if raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                exchange.end("ROLLBACK")  # said by the driver it would deallocate what is prepared
        else:
            return False
    except (sa.exc.SQLAlchemyError, sqlite3.Error, psycopg.Error):
        return False
    return True


def chunks(items: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    """The items in pages: at most 500 rows in a statement (rule 9)."""
    for at in range(0, len(items), size):
        yield items[at : at + size]
