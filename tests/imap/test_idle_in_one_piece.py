"""What is to be told when IDLE begins goes out with its continuation, and deflated it is not smaller than it is.

Thunderbird, under COMPRESS, does not see what has come behind the continuation until more comes (wire/deflate).
"""

import asyncio

from opostd.store.run import Store
from tests.imap.transcript import World


def test_idle_is_padded(store: Store) -> None:
    async def main() -> None:
        world = World(store)
        await world.start()
        try:
            client = await world.client("1")
            await client.ok("SELECT INBOX")
            await client.ok("COMPRESS DEFLATE")
            client.start_deflate()
            for _ in range(40):
                await world.post("INBOX", "plain.eml")
            written: list[bytes] = []
            write = client.transport.write

            def kept(octets: bytes) -> None:
                written.append(octets)
                write(octets)

            client.transport.write = kept  # type: ignore[method-assign]
            await client.ok("NOOP")
            await client.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            other = await world.client("2")
            await other.ok("SELECT INBOX")
            await other.ok("EXPUNGE")
            written.clear()
            client.send("i1 IDLE")
            told = [await client.transport.line() for _ in range(41)]
            assert told[0] == "+ idling"
            assert all(line.endswith(" EXPUNGE") for line in told[1:])
            assert sum(map(len, written)) >= sum(len(line) + 2 for line in told)
            client.send("DONE")
            assert await client.transport.line() == "i1 OK IDLE completed"
            written.clear()
            await client.ok('LIST "" *')
            assert sum(map(len, written)) < 200  # elsewhere it is as small as can be
        finally:
            await world.close()

    asyncio.run(main())


def test_idle_tells_in_one_write(store: Store) -> None:
    async def main() -> None:
        world = World(store)
        await world.start()
        try:
            await world.post("INBOX", "plain.eml")
            client = await world.client("1")
            await client.ok("SELECT INBOX")
            await world.post("INBOX", "plain.eml")
            written: list[bytes] = []
            write = client.transport.write

            def kept(octets: bytes) -> None:
                written.append(octets)
                write(octets)

            client.transport.write = kept  # type: ignore[method-assign]
            client.send("i1 IDLE")
            while not (await client.transport.line()).endswith("EXISTS"):
                pass
            assert written == [b"+ idling\r\n* 2 EXISTS\r\n"]
            await world.post("INBOX", "plain.eml")
            assert await client.transport.line() == "* 3 EXISTS"
            client.send("DONE")
            assert await client.transport.line() == "i1 OK IDLE completed"
            await client.ok("CLOSE")
            client.send("i2 IDLE")  # without a mailbox
            assert await client.transport.line() == "+ idling"
            client.send("DONE")
            assert await client.transport.line() == "i2 OK IDLE completed"
        finally:
            await world.close()

    asyncio.run(main())
