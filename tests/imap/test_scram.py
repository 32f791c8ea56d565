"""AUTHENTICATE SCRAM-SHA-256 on a connection: with and without an initial response, cancelled, in bad form."""

import asyncio
import base64

import pytest

from opostd.store.run import Store
from tests.auth.scram_client import ScramClient
from tests.imap.transcript import PASSWORD, Client, World


async def _answer(client: Client, scram: ScramClient) -> str:
    """Answers challenges until the tagged line."""
    while (line := await client.transport.line()).startswith("+ "):
        response = scram.answer(base64.b64decode(line[2:]))
        client.send(base64.b64encode(response).decode())
    return line


@pytest.mark.parametrize("initial", [True, False])
def test_login(store: Store, initial: bool) -> None:
    async def main() -> None:
        world = World(store)
        await world.start()
        try:
            client = await world.client("1", login=False)
            assert "AUTH=SCRAM-SHA-256 " in await client.transport.line()
            for password, expected in (("wrong", "a1 NO [AUTHENTICATIONFAILED]"), (PASSWORD, "a1 OK [CAPABILITY ")):
                scram = ScramClient("anna", password)
                more = " " + base64.b64encode(scram.first).decode() if initial else ""
                client.send(f"a1 AUTHENTICATE SCRAM-SHA-256{more}")
                assert (await _answer(client, scram)).startswith(expected)
            assert scram.verified
            await client.ok("SELECT INBOX")
        finally:
            await world.close()

    asyncio.run(main())


def test_what_does_not_log_in(store: Store) -> None:
    async def main() -> None:
        world = World(store)
        await world.start()
        try:
            client = await world.client("1", login=False)
            await client.transport.line()
            client.send("a1 AUTHENTICATE SCRAM-SHA-256-PLUS")  # there is no TLS to bind to
            assert (await client.transport.line()).startswith("a1 NO")
            client.send("a2 AUTHENTICATE SCRAM-SHA-256 " + base64.b64encode(b"n,,n=anna").decode())
            assert (await client.transport.line()).startswith("a2 BAD")
            client.send("a3 AUTHENTICATE SCRAM-SHA-256 " + base64.b64encode(ScramClient("anna", "x").first).decode())
            assert (await client.transport.line()).startswith("+ ")
            client.send("*")
            assert (await client.transport.line()).startswith("a3 BAD")
            scram = ScramClient("anna", PASSWORD)
            client.send("a4 AUTHENTICATE SCRAM-SHA-256 " + base64.b64encode(scram.first).decode())
            line = await client.transport.line()
            client.send(base64.b64encode(scram.answer(base64.b64decode(line[2:]))).decode())
            assert (await client.transport.line()).startswith("+ ")
            client.send("eHg=")  # the proof is right, and yet there is nothing more to say
            assert (await client.transport.line()).startswith("a4 BAD")
            client.send("a5 SELECT INBOX")
            assert (await client.transport.line()).startswith("a5 BAD")
        finally:
            await world.close()

    asyncio.run(main())
