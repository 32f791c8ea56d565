"""CATENATE makes no message over the limit, and no command of more than two such (RFC 4469 4.2; security.md 1.5)."""

import asyncio

from opostd.intake.intake import NewMessage
from opostd.store import boxes
from opostd.store.run import Store
from tests.imap.transcript import World

SIXTY = b"Subject: x\r\n\r\n" + b"y" * 600_000  # of the 1,000,000 that a message may have here
URL = "/INBOX/;UID=1"


def test_what_is_put_together_has_its_limits(store: Store) -> None:
    async def main() -> None:
        world = World(store)
        await world.start()
        try:
            owner = world.accounts["anna"].owner
            box = await store.run(boxes.box_named, owner, "INBOX")
            await world.intake.append([NewMessage(SIXTY)], owner, box.box)
            client = await world.client("1")
            one = f'CATENATE (URL "{URL}")'
            await client.ok(f"APPEND Archive {one} {one} {one}")
            for tag, command in (
                ("a1", f'APPEND Archive CATENATE (URL "{URL}" URL "{URL}")'),
                ("a2", f"APPEND Archive {one} {one} {one} {one}"),
            ):
                client.send(f"{tag} {command}")
                assert (await client.transport.line()).startswith(f"{tag} NO [TOOBIG]")
            assert (await client.ok("STATUS Archive (MESSAGES)"))[0] == "* STATUS Archive (MESSAGES 3)"
        finally:
            await world.close()

    asyncio.run(main())
