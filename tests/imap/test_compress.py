"""A compressed connection under load: bombs, large messages, what is sent ahead (RFC 4978; security.md 1.5)."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator

import pytest

from opostd.config import StoreSettings
from opostd.store.run import Store
from tests.imap.transcript import Client, World


@pytest.fixture
def sqlite_store(sqlite_settings: StoreSettings) -> Iterator[Store]:
    """What is shown here does not depend on the database."""
    store = Store(sqlite_settings)
    yield store
    store.close_sync()


def _compressed(store: Store, work: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        world = World(store)
        await world.start()
        try:
            client = await world.client("1")
            await client.ok("COMPRESS DEFLATE")
            client.start_deflate()
            await work(client)
        finally:
            await world.close()

    asyncio.run(main())


def test_a_line_that_inflates_for_ever_ends_the_connection(sqlite_store: Store) -> None:
    async def work(client: Client) -> None:
        assert client.deflate is not None
        bomb = client.deflate.compress(b"a " + b"x" * 50_000_000) + client.deflate.flush(zlib.Z_SYNC_FLUSH)
        assert len(bomb) < 64 * 1024
        client.connection.feed(bomb)
        assert (await client.transport.line()).startswith("* BYE the line is too long")
        await client.transport.end()
        assert client.connection._stream.framer.buffered == 0

    _compressed(sqlite_store, work)


def test_empty_lines_that_inflate_for_ever_leave_others_their_turn(sqlite_store: Store) -> None:
    async def work(client: Client) -> None:
        assert client.deflate is not None
        bomb = client.deflate.compress(b"\r\n" * 1_000_000) + client.deflate.flush(zlib.Z_SYNC_FLUSH)
        client.connection.feed(bomb)
        client.send("a1 NOOP")
        turns = 0
        while not client.transport.buffer:
            await asyncio.sleep(0)
            turns += 1
        assert turns >= 2_000_000 // (64 * 1024)
        assert (await client.transport.line()).startswith("a1 OK")

    _compressed(sqlite_store, work)


def test_a_large_message_goes_up_and_comes_down(sqlite_store: Store) -> None:
    async def work(client: Client) -> None:
        message = b"Subject: large\r\n\r\n" + b"".join(b"line %d\r\n" % at for at in range(50_000))
        client.send(f"a1 APPEND INBOX {{{len(message)}+}}\r\n{message.decode()}")
        assert (await client.transport.line()).startswith("a1 OK")
        await client.ok("SELECT INBOX")
        lines = await client.ok("FETCH 1 BODY.PEEK[]")
        assert "\r\n".join(lines[1:-1]).encode().startswith(message)

    _compressed(sqlite_store, work)


def test_a_login_behind_the_end_of_the_stream(sqlite_store: Store) -> None:
    """RFC 8437 3, 4.1: UNAUTHENTICATE ends the client's stream, and the next login may be pipelined."""

    async def work(client: Client) -> None:
        assert client.deflate is not None
        octets = client.deflate.compress(b"a1 UNAUTHENTICATE\r\n") + client.deflate.flush(zlib.Z_FINISH)
        client.connection.feed(octets + b"a2 LOGIN bob secret\r\n")
        assert (await client.transport.line()).startswith("a1 OK")
        client.deflate = client.transport.inflate = None
        assert (await client.transport.line()).startswith("a2 OK")
        await client.ok("NOOP")

    _compressed(sqlite_store, work)


def test_what_is_no_stream_is_bye(sqlite_store: Store) -> None:
    async def work(client: Client) -> None:
        client.connection.feed(b"a1 NOOP\r\n")
        assert (await client.transport.line()).startswith("* BYE no deflated octets")
        await client.transport.end()

    _compressed(sqlite_store, work)


def test_what_is_sent_ahead_is_no_command(sqlite_store: Store) -> None:
    """RFC 4978 3: the client waits for the result; what comes before it is not read as plain commands."""

    async def main() -> None:
        world = World(sqlite_store)
        await world.start()
        try:
            client = await world.client("1")
            client.connection.feed(b"a1 COMPRESS DEFLATE\r\na2 DELETE Archive\r\n")
            assert (await client.transport.line()).startswith("a1 OK")
            client.start_deflate()
            await client.transport.end()
            rest = bytes(client.transport.buffer)
            assert b"a2" not in rest
        finally:
            await world.close()

    asyncio.run(main())
