"""Brings the tables of each group to what this program needs: numbered steps in ``migrations/versions``.

Each group has a version table of its own, and its steps run in one transaction that holds that table's lock: two
processes may start at once, and a step that fails leaves nothing.  Steps are Alembic's; the order of things is ours.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory

from opostd.config import StoreSettings
from opostd.model.errors import SchemaMismatch
from opostd.store import by_post, search_index
from opostd.store.database import Database
from opostd.store.groups import Group
from opostd.store.ready import exchange_of
from opostd.store.retry import Attempts
from opostd.store.threads import InThread

T = TypeVar("T")

FOLDER = Path(__file__).parent / "migrations"
MAKE_TRIES = 5

logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells what dialect it speaks, at each step


@dataclass(frozen=True, slots=True)
class Status:
    """found: None where there are no tables yet."""

    group: str
    found: str | None
    wanted: str


def up(settings: StoreSettings) -> list[str]:
    """Makes or changes what is needed; one line for each step done.  Raises Unavailable."""
    done: list[str] = []
    for group in Group:
        database = Database(group.url(settings), 2)
        try:
            done += _retried(settings, partial(_up, database, group))
        finally:
            database.close()
    return done


def status(settings: StoreSettings) -> list[Status]:
    """Which revision each group has.  Raises Unavailable."""
    wanted = _head()
    found = []
    for group in Group:
        database = Database(group.url(settings), 2)
        try:
            if database.is_sqlite and database.url.database and not Path(database.url.database).exists():
                found.append(Status(group.value, None, wanted))  # looking must not make the file
                continue
            revision = _retried(settings, partial(_look, database, group))
            found.append(Status(group.value, revision, wanted))
        finally:
            database.close()
    return found


def compare(connection: sa.Connection, group: Group, metadata: sa.MetaData) -> list[object]:
    """What differs between a group's tables and the models; for the tests."""
    from alembic.autogenerate import compare_metadata

    def ours(name: str | None, kind: str, _: object) -> bool:
        if kind == "index":
            return name not in (*search_index.INDEXES, by_post.INDEX)
        return kind != "table" or name in metadata.tables

    options = {"compare_type": True, "compare_server_default": False, "include_name": ours}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def _head() -> str:
    head = ScriptDirectory(str(FOLDER)).get_current_head()
    assert head is not None
    return head


def _steps(found: str | None) -> list[Script]:
    """What is missing, the first first.  Raises SchemaMismatch for a revision of a newer program."""
    scripts = list(ScriptDirectory(str(FOLDER)).walk_revisions())[::-1]
    names = [script.revision for script in scripts]
    if found is None:
        return scripts
    if found not in names:
        raise SchemaMismatch("the database", found, names[-1])
    return scripts[names.index(found) + 1 :]


def _up(database: Database, group: Group) -> list[str]:
    version = sa.Table(
        group.version_table, sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True, nullable=False)
    )

    def make(connection: sa.Connection) -> None:
        version.create(connection, checkfirst=True)

    def work(connection: sa.Connection) -> list[str]:
        if not database.is_sqlite:  # SQLite's BEGIN IMMEDIATE is the lock
            connection.execute(sa.text(f"LOCK TABLE {version.name} IN ACCESS EXCLUSIVE MODE"))
        found = connection.execute(sa.select(version.c.version_num)).scalar()
        missing = _steps(found)
        for script in missing:
            with Operations.context(MigrationContext.configure(connection)):
                script.module.upgrade(group)
        if missing:
            connection.execute(sa.delete(version))
            connection.execute(sa.insert(version).values(version_num=missing[-1].revision))
        return [f"{group.value}: {script.revision} {script.doc}" for script in missing]

    _made(database, make)
    return _written(database, work)


def _made(database: Database, make: Callable[[sa.Connection], None]) -> None:
    """Two processes may look at once, and both find no table: the second then finds the first one's."""
    for tries_left in reversed(range(MAKE_TRIES)):
        try:
            _written(database, make)
            return
        except (sa.exc.IntegrityError, sa.exc.ProgrammingError):
            if not tries_left:
                raise


def _written(database: Database, work: Callable[[sa.Connection], T]) -> T:
    outcome: InThread[T] = InThread()

    def transaction(connection: sa.Connection) -> tuple[T, bool]:
        if exchange := exchange_of(connection):
            exchange.flush()  # BEGIN
        return work(connection), True

    database.write(transaction, lambda _: None, outcome)
    return outcome.future.result()


def _look(database: Database, group: Group) -> str | None:
    outcome: InThread[str | None] = InThread()
    database.read(lambda connection: _found(connection, group), outcome)
    return outcome.future.result()


def _found(connection: sa.Connection, group: Group) -> str | None:
    if not sa.inspect(connection).has_table(group.version_table):
        return None
    version = sa.table(group.version_table, sa.column("version_num"))
    found: str | None = connection.execute(sa.select(version.c.version_num)).scalar()
    return found


def _retried(settings: StoreSettings, work: Callable[[], T]) -> T:
    attempts = Attempts(settings.retry_deadline_s)
    while True:
        try:
            return work()
        except Exception as error:
            pause = attempts.pause_after(error)
        time.sleep(pause)
