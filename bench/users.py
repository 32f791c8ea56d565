"""Many users at once, for the benchmarks: the rows that ``opostd user add`` makes, written in bulk.

One password for all, hashed once with cheap parameters: logging in is not what is measured.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher

from opostd.config import StoreSettings
from opostd.model.new_ids import new_box_id, new_owner_id
from opostd.model.records import AddressKind
from opostd.store import migrate, provision, schema
from opostd.store.run import Group, Store, Tx, reads

DOMAIN = "bench.test"
PASSWORD = "secret"
PAGE = 50_000  # users in a transaction: a second or two
TABLES = {
    schema.address: ("addr", "owner_id", "kind", "box_id", "target"),
    schema.account: ("owner_id", "login", "name", "secret", "state", "admin", "created"),
    schema.box: ("owner_id", "box_id", "name", "role", "uidvalidity", "uidnext", "highestmodseq"),
    schema.lsub: ("owner_id", "name"),
    schema.subscription: ("owner_id", "target_box", "source_box", "joined", "watermark"),
}
"""The columns that are written; the others have their defaults."""

Rows = dict[sa.Table, list[tuple[object, ...]]]


@reads(Group.DIRECTORY)
def everyone(tx: Tx) -> sa.Row:
    address = schema.address
    return tx.execute(sa.select(address).where(address.c.addr == f"everyone@{DOMAIN}")).one()


def fill(settings: StoreSettings, first: int, last: int) -> None:
    """Adds users first to last (``u00001@bench.test`` ...), each with an INBOX that is subscribed to everyone."""
    secret = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    store = Store(settings)
    source = store.run_sync(everyone).box_id
    store.close_sync()
    now = int(time.time())
    engine = sa.create_engine(settings.url)
    for at in range(first, last + 1, PAGE):
        with engine.begin() as connection:
            for table, rows in _rows(range(at, min(at + PAGE, last + 1)), source, secret, now).items():
                _write(connection, table, TABLES[table], rows)
    if last - first >= PAGE:  # or the plans of the first minute are those for an empty table
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("ANALYZE"))
    engine.dispose()


def _rows(numbers: range, source: int, secret: str, now: int) -> Rows:
    found: Rows = {table: [] for table in TABLES}
    for number in numbers:
        owner, box, login = new_owner_id(), new_box_id(), f"u{number:05d}@{DOMAIN}"
        found[schema.address].append((login, owner, int(AddressKind.USER), 0, ""))
        found[schema.account].append((owner, login, "", secret, 0, False, now))
        found[schema.box].append((owner, box, "INBOX", "", now, 1, 1))
        found[schema.lsub].append((owner, "INBOX"))
        found[schema.subscription].append((owner, box, source, 0, 0))
    return found


def _write(
    connection: sa.Connection, table: sa.Table, columns: tuple[str, ...], rows: list[tuple[object, ...]]
) -> None:
    """Past SQLAlchemy: a million users are five million rows.  In the order of the key, which spares pages."""
    cursor: Any = connection.connection.cursor()
    names = ", ".join(columns)
    rows.sort()
    if connection.dialect.name == "sqlite":
        cursor.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(columns))})", rows)
        return
    with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def prepare(settings: StoreSettings) -> None:
    """A new store with its tables, `everyone`, and one administrator: ``root@bench.test``."""
    migrate.up(settings)
    secret = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)

    async def make() -> None:
        store = Store(settings)
        await store.start()
        await provision.ensure_system(store, (DOMAIN,), now=int(time.time()))
        await provision.add_user(store, f"root@{DOMAIN}", secret=secret, admin=True, now=int(time.time()))
        await store.close()

    asyncio.run(make())
