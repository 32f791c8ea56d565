"""Many users at once, for the benchmarks: the rows that ``opostd user add`` makes, written in bulk.

One password for all, hashed once with cheap parameters: logging in is not what is measured.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator

import sqlalchemy as sa
from argon2 import PasswordHasher

from opostd.config import StoreSettings
from opostd.model.ids import SYSTEM_OWNER
from opostd.model.new_ids import new_box_id, new_owner_id
from opostd.model.records import AddressKind
from opostd.store import migrate, provision, schema
from opostd.store.run import Group, Store, Tx, reads, writes

DOMAIN = "bench.test"
PASSWORD = "secret"
PAGE = 2000


@reads(Group.DIRECTORY)
def everyone(tx: Tx) -> sa.Row:
    address = schema.address
    return tx.execute(sa.select(address).where(address.c.addr == f"everyone@{DOMAIN}")).one()


@writes(Group.DIRECTORY)
def add_addresses(tx: Tx, rows: list[dict]) -> None:
    tx.execute(sa.insert(schema.address), rows)


@writes(Group.OWNER)
def add_owners(tx: Tx, accounts: list[dict], boxes: list[dict], names: list[dict], subscriptions: list[dict]) -> None:
    tx.execute(sa.insert(schema.account), accounts)
    tx.execute(sa.insert(schema.box), boxes)
    tx.execute(sa.insert(schema.lsub), names)
    tx.execute(sa.insert(schema.subscription), subscriptions)


def pages(first: int, last: int) -> Iterator[list[int]]:
    numbers = iter(range(first, last + 1))
    while page := list(itertools.islice(numbers, PAGE)):
        yield page


def fill(settings: StoreSettings, first: int, last: int) -> None:
    """Adds users first to last (``u00001@bench.test`` ...), each with an INBOX that is subscribed to everyone."""
    secret = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    store = Store(settings)
    source = store.run_sync(everyone)
    now = int(time.time())
    for page in pages(first, last):
        rows: dict[str, list[dict]] = {name: [] for name in ("address", "account", "box", "lsub", "subscription")}
        for number in page:
            owner, box, login = new_owner_id(), new_box_id(), f"u{number:05d}@{DOMAIN}"
            rows["address"].append(
                {"addr": login, "owner_id": owner, "kind": int(AddressKind.USER), "box_id": 0, "target": ""}
            )
            rows["account"].append(
                {
                    "owner_id": owner,
                    "login": login,
                    "name": "",
                    "secret": secret,
                    "state": 0,
                    "admin": False,
                    "created": now,
                }
            )
            rows["box"].append(
                {
                    "owner_id": owner,
                    "box_id": box,
                    "name": "INBOX",
                    "role": "",
                    "uidvalidity": now,
                    "uidnext": 1,
                    "highestmodseq": 1,
                }
            )
            rows["lsub"].append({"owner_id": owner, "name": "INBOX"})
            rows["subscription"].append(
                {
                    "owner_id": owner,
                    "target_box": box,
                    "source_owner": SYSTEM_OWNER,
                    "source_box": source.box_id,
                    "joined": 0,
                    "watermark": 0,
                }
            )
        store.run_sync(add_owners, rows["account"], rows["box"], rows["lsub"], rows["subscription"])
        store.run_sync(add_addresses, rows["address"])
    store.close_sync()


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
