"""SEARCH over posts that have no row to look into: they get it, from their octets, and are found."""

import asyncio

import sqlalchemy as sa

from opostd.store import schema
from opostd.store.run import Group, Store, Tx, reads, writes
from tests.imap.transcript import World

BOTH = (schema.post_search, schema.search_new)


@writes(Group.POST)
def lose_rows(tx: Tx) -> None:
    ids = tx.execute(sa.select(schema.post.c.id)).scalars().all()
    for table in BOTH:
        tx.execute(sa.delete(table).where(table.c.id.in_(ids)))


@reads(Group.POST)
def rows(tx: Tx) -> int:
    ids = tx.execute(sa.select(schema.post.c.id)).scalars().all()
    return sum(
        tx.execute(sa.select(sa.func.count()).select_from(table).where(table.c.id.in_(ids))).scalar_one()
        for table in BOTH
    )


def test_they_are_found(store: Store) -> None:
    world = World(store)

    async def run() -> None:
        await world.start()
        for name in ("plain.eml", "multi.eml", "one.eml"):
            await world.post("INBOX", name)
        await store.run(lose_rows)
        client = await world.client("1")
        await client.ok("SELECT INBOX")
        assert (await client.ok("SEARCH BODY zeppelin"))[0] == "* SEARCH 2"
        assert await store.run(rows) == 3
        await store.run(lose_rows)
        assert (await client.ok("SEARCH OR SUBJECT one FROM gray"))[0] == "* SEARCH 1 3"

    async def all_of_it() -> None:
        try:
            await run()
        finally:
            await world.close()

    asyncio.run(all_of_it())
