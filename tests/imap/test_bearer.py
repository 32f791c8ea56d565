"""AUTHENTICATE OAUTHBEARER and XOAUTH2 on a connection: RFC 7628 4.1, 4.3, and what must let nobody in."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from opostd.auth.tokens import Tokens
from opostd.config import AuthSettings, OauthSettings
from opostd.model.records import AccountState
from opostd.store import accounts
from opostd.store.run import Store
from tests.imap.transcript import Client, World
from tests.support import issuer as issuers
from tests.support.issuer import AUDIENCE, SCOPE, Answer, Issuer


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuers.running() as running:
        yield running


@asynccontextmanager
async def world_of(store: Store, issuer: Issuer) -> AsyncIterator[tuple[World, Client]]:
    """A world, and a client of it that has said STARTTLS."""
    world = World(store, tls_wanted=True, auth=AuthSettings(max_delay_s=0.01))
    await world.start()
    tokens = Tokens(
        OauthSettings(
            issuer=issuer.base,
            jwks_url=f"{issuer.base}/keys",
            audience=AUDIENCE,
            required_scope=SCOPE,
            openid_configuration="https://id.example/c",
        )
    )
    world.auth.tokens = tokens
    try:
        client = await world.client("1", login=False)
        assert "BEARER" not in await client.transport.line()
        yield world, client
    finally:
        await world.close()
        await tokens.close()


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def oauthbearer(token: str, name: str = "anna@opost.example") -> str:
    who = f"a={name}" if name else ""
    return b64(f"n,{who},\1host=server.example.com\1port=143\1auth=Bearer {token}\1\1".encode())


def xoauth2(token: str, name: str = "anna@opost.example") -> str:
    return b64(f"user={name}\1auth=Bearer {token}\1\1".encode())


async def refused(client: Client, line: str, status: str, answer: str = "AQ==") -> str:
    """The tagged line, after the reason and the client's answer to it."""
    client.send(line)
    told = await client.transport.line()
    assert told.startswith("+ "), told
    assert json.loads(base64.b64decode(told[2:]))["status"] == status
    client.send(answer)
    return await client.transport.line()


# RFC 7628 4.1 (1): with tokens of an issuer of ours
def test_login(store: Store, issuer: Issuer) -> None:
    async def main() -> None:
        async with world_of(store, issuer) as (_, client):
            client.send("a0 AUTHENTICATE OAUTHBEARER " + oauthbearer(issuer.token()))
            assert (await client.transport.line()).startswith("a0 NO [PRIVACYREQUIRED]")
            await client.ok("STARTTLS")
            lines = await client.ok("CAPABILITY")
            assert " AUTH=OAUTHBEARER AUTH=XOAUTH2 AUTH=PLAIN " in lines[0]
            ways = [
                ("OAUTHBEARER", oauthbearer(issuer.token())),
                ("oauthbearer", oauthbearer(issuer.token(), name="")),
                ("OAUTHBEARER", oauthbearer(issuer.token(email="Anna"), name="ANNA@opost.example")),
                ("XOAUTH2", xoauth2(issuer.token(padding="x" * 3000))),
            ]
            for mechanism, response in ways:
                for initial in (True, False):
                    client.send(f"a1 AUTHENTICATE {mechanism}" + (f" {response}" if initial else ""))
                    if not initial:
                        assert await client.transport.line() == "+ "
                        client.send(response)
                    line = await client.transport.line()
                    assert line.startswith("a1 OK [CAPABILITY "), line
                    assert "BEARER" not in line
                    await client.ok("UNAUTHENTICATE")

    asyncio.run(main())


# RFC 7628 4.3 (1): answered with a dummy
# RFC 7628 4.3 (2): and cancelled, which IMAP calls BAD (RFC 9051 6.2.2)
def test_who_is_refused_is_told_why_first(store: Store, issuer: Issuer) -> None:
    async def main() -> None:
        async with world_of(store, issuer) as (_, client):
            await client.ok("STARTTLS")
            expired = issuer.token(exp=1_700_000_000)
            line = await refused(client, f"a1 AUTHENTICATE OAUTHBEARER {oauthbearer(expired)}", "invalid_token")
            assert line.startswith("a1 NO [AUTHENTICATIONFAILED]")
            client.send("a2 AUTHENTICATE OAUTHBEARER " + oauthbearer(""))  # RFC 7628 4.3: a discovery
            told = json.loads(base64.b64decode((await client.transport.line())[2:]))
            assert told == {"status": "invalid_token", "scope": SCOPE, "openid-configuration": "https://id.example/c"}
            client.send("*")
            assert (await client.transport.line()).startswith("a2 BAD")
            narrow = issuer.token(scope="openid")
            line = await refused(client, f"a3 AUTHENTICATE OAUTHBEARER {oauthbearer(narrow)}", "insufficient_scope")
            assert line.startswith("a3 NO [AUTHENTICATIONFAILED]")
            client.send(f"a4 AUTHENTICATE XOAUTH2 {xoauth2(expired)}")
            assert json.loads(base64.b64decode((await client.transport.line())[2:]))["status"] == "401"
            client.send("")
            assert await client.transport.line() == "* BYE too many failed logins"
            assert (await client.transport.line()).startswith("a4 NO [AUTHENTICATIONFAILED]")
            await client.transport.end()

    asyncio.run(main())


def test_what_lets_nobody_in(store: Store, issuer: Issuer) -> None:
    async def main() -> None:
        async with world_of(store, issuer) as (world, first):
            await first.ok("STARTTLS")
            await store.run(accounts.set_state, world.accounts["bob"].owner, AccountState.DISABLED)
            wrong = [
                oauthbearer(issuer.token(), name="bob@opost.example"),  # another's token
                oauthbearer(issuer.token(email="nobody@opost.example"), name="nobody@opost.example"),
                oauthbearer(issuer.token(email="bob@opost.example"), name=""),  # disabled
                oauthbearer(issuer.token(email="anna@other.example"), name=""),
                oauthbearer(issuer.token(email="everyone@opost.example"), name=""),
                oauthbearer(issuer.token(email="anna\0bob"), name=""),
                oauthbearer(issuer.token(), name="no address at all"),
                oauthbearer(issuer.token(aud="https://other.example")),
                oauthbearer("x.y.z"),
            ]
            for number, response in enumerate(wrong):
                client = await world.client(f"c{number}", login=False)
                await client.transport.line()
                await client.ok("STARTTLS")
                line = await refused(client, f"a AUTHENTICATE OAUTHBEARER {response}", "invalid_token")
                assert line == "a NO [AUTHENTICATIONFAILED] wrong name or password"
            for response in ("AA==", "", b64(b"n,,"), b64(b"p=tls-exporter,,\1auth=Bearer x\1\1")):
                first.send("b AUTHENTICATE OAUTHBEARER")
                assert await first.transport.line() == "+ "
                first.send(response)
                assert (await first.transport.line()).startswith("b BAD")
            first.send("c SELECT INBOX")
            assert (await first.transport.line()).startswith("c BAD")

    asyncio.run(main())


def test_an_issuer_that_is_away_is_no_wrong_login(store: Store, issuer: Issuer) -> None:
    async def main() -> None:
        async with world_of(store, issuer) as (_, client):
            await client.ok("STARTTLS")
            issuer.instead = lambda: Answer(status=503)
            for _ in range(5):  # more than wrong logins may be
                client.send(f"a1 AUTHENTICATE OAUTHBEARER {oauthbearer(issuer.token())}")
                assert (await client.transport.line()).startswith("a1 NO [UNAVAILABLE]")
            client.send("a2 LOGIN anna secret")
            assert (await client.transport.line()).startswith("a2 OK")

    asyncio.run(main())


def test_not_offered_without_an_issuer(store: Store) -> None:
    async def main() -> None:
        world = World(store)
        await world.start()
        try:
            client = await world.client("1", login=False)
            assert "OAUTH" not in await client.transport.line()
            await client.ok("STARTTLS")
            client.send("a1 AUTHENTICATE OAUTHBEARER " + oauthbearer("x"))
            assert (await client.transport.line()).startswith("a1 NO this mechanism")
        finally:
            await world.close()

    asyncio.run(main())
