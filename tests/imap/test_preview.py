"""Previews of posts that were accepted before there were any (RFC 8970 3.2, 4.1)."""

import asyncio

import sqlalchemy as sa

from opostd.store import schema
from opostd.store.run import Group, Store, Tx, writes
from tests.imap.transcript import World


@writes(Group.POST)
def forget_previews(tx: Tx) -> None:
    tx.execute(sa.update(schema.post).values(preview=None))


def test_an_old_post_has_one_for_who_waits(store: Store) -> None:
    async def main() -> None:
        world = World(store)
        await world.start()
        try:
            await world.post("INBOX", "multi.eml")
            await store.run(forget_previews)
            client = await world.client("1")
            await client.ok("SELECT INBOX")
            assert (await client.ok("FETCH 1 PREVIEW (LAZY)"))[0] == "* 1 FETCH (PREVIEW NIL)"
            assert (await client.ok("FETCH 1 PREVIEW"))[1] == "Die Grüße aus Köln)"
        finally:
            await world.close()

    asyncio.run(main())
