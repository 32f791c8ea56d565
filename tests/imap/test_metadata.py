"""SETMETADATA of values that are too big: nothing of the command is kept (RFC 5464 4.3)."""

import asyncio

from opostd.store.annotations import MAX_OCTETS
from opostd.store.run import Store
from tests.imap.transcript import World


def test_a_value_that_is_too_big(store: Store) -> None:
    async def main() -> None:
        world = World(store)
        await world.start()
        client = await world.client("1")
        for octets, said in ((MAX_OCTETS + 1, "a1 NO [METADATA MAXSIZE 65536] "), (MAX_OCTETS, "a1 OK ")):
            client.send(f'a1 SETMETADATA INBOX (/private/a "kept" /private/b {{{octets}+}}\r\n{"x" * octets})')
            assert (await client.transport.line()).startswith(said)
            lines = await client.ok("GETMETADATA (DEPTH 1 MAXSIZE 10) INBOX /private")
            kept = said.startswith("a1 OK")
            assert any(line == '* METADATA INBOX (/private/a "kept")' for line in lines) is kept
            assert ("[METADATA LONGENTRIES 65536]" in lines[-1]) is kept
        await world.close()

    asyncio.run(main())
