"""AUTH OAUTHBEARER and XOAUTH2 on the submission door: RFC 7628 4.4, RFC 4954."""

import base64
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from opostd.auth.tokens import Tokens
from opostd.config import OauthSettings
from opostd.store.run import Store
from tests.smtp.world import Client, Setup, World, run
from tests.support import issuer as issuers
from tests.support.issuer import CLIENT, CLIENT_SECRET, Answer, Issuer

TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="  # of RFC 7628's examples


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuers.running() as running:
        running.known[TOKEN] = {"active": True, "username": "anna", "scope": "mail"}
        yield running


def _tokens(issuer: Issuer, tmp_path: Path) -> Tokens:
    secret = tmp_path / "secret"
    secret.write_text(CLIENT_SECRET)
    return Tokens(
        OauthSettings(
            introspection_url=f"{issuer.base}/about",
            client_id=CLIENT,
            client_secret_file=str(secret),
            required_scope="mail",
            login_claim="username",
        )
    )


def _response(token: str, name: str = "anna@opost.example") -> str:
    return base64.b64encode(
        f"n,a={name},\1host=server.example.com\1port=587\1auth=Bearer {token}\1\1".encode()
    ).decode()


async def _refused(client: Client, command: str, answer: str) -> tuple[object, str]:
    """The status that is told, and the last reply."""
    told = await client.ask(command)
    assert told.startswith("334 "), told
    return json.loads(base64.b64decode(told[4:]))["status"], await client.ask(answer)


# RFC 7628 4.1 (2): the same in SMTP
# RFC 7628 4.4 (1): refused
def test_submission(sqlite: Store, server_context: ssl.SSLContext, issuer: Issuer, tmp_path: Path) -> None:
    async def main() -> None:
        async with World(sqlite, Setup(tls=server_context)) as world:
            world.auth.tokens = tokens = _tokens(issuer, tmp_path)
            client = await Client.connect(world)
            client.send(b"EHLO client\r\n")
            assert not [line for line in await client.reply() if "OAUTH" in line]
            await client.talk((f"AUTH OAUTHBEARER {_response(TOKEN)}", "504 "), ("STARTTLS", "220 "))
            await client.start_tls()
            client.send(b"EHLO client\r\n")
            assert "250-AUTH SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN" in [
                line.replace("250 ", "250-") for line in await client.reply()
            ]
            assert await _refused(client, f"AUTH OAUTHBEARER {_response('wrong')}", "AQ==") == (
                "invalid_token", "535 5.7.8 wrong name or password",
            )  # fmt: skip
            xoauth2 = base64.b64encode(b"user=anna\1auth=Bearer wrong\1\1").decode()
            status, last = await _refused(client, f"AUTH XOAUTH2 {xoauth2}", "")
            assert (status, last[:4]) == ("401", "535 ")
            issuer.instead = lambda: Answer(status=500)
            await client.talk((f"AUTH OAUTHBEARER {_response('other')}", "454 4.7.0 "))
            issuer.instead = None
            await client.talk(
                ("AUTH OAUTHBEARER !", "501 "),
                ("AUTH OAUTHBEARER AA==", "501 "),
                ("AUTH OAUTHBEARER", "334 "),
                (_response(TOKEN), "235 2.7.0"),
                ("MAIL FROM:<anna@opost.example>", "250 "),
            )
            await client.close()
            await tokens.close()

    run(main())


def test_cancelled(sqlite: Store, server_context: ssl.SSLContext, issuer: Issuer, tmp_path: Path) -> None:
    async def main() -> None:
        async with World(sqlite, Setup(tls=server_context, implicit_tls=True)) as world:
            world.auth.tokens = tokens = _tokens(issuer, tmp_path)
            client = await Client.connect(world)
            await client.talk(("EHLO client", "250 "), ("AUTH XOAUTH2", "334 "), ("*", "501 5.7.0"))
            assert (await _refused(client, f"AUTH OAUTHBEARER {_response('wrong')}", "*"))[1].startswith("501 5.7.0")
            await client.talk((f"AUTH OAUTHBEARER {_response(TOKEN)}", "235 "))
            await client.close()
            await tokens.close()

    run(main())
