"""Tokens against an issuer on loopback: by its keys and by its word, in all the ways in which it can fail."""

import asyncio
import base64
import dataclasses
import gzip
import json
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest

from opostd.auth.claims import Expired, Insufficient
from opostd.auth.jwks import RETRY_S, STALE_S, read_keys
from opostd.auth.tokens import Tokens
from opostd.config import OauthSettings
from opostd.model.errors import BadSettings, LoginFailed, Unavailable
from tests.support import issuer as issuers
from tests.support.issuer import AUDIENCE, CLIENT, CLIENT_SECRET, SCOPE, Answer, Issuer, jwk

ANNA = "anna@opost.example"
PATIENCE_S = 30.0


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuers.running() as running:
        yield running


def keyed(issuer: Issuer, **more: object) -> OauthSettings:
    settings = OauthSettings(
        issuer=issuer.base, jwks_url=f"{issuer.base}/keys", audience=AUDIENCE, required_scope=SCOPE, timeout_s=10.0
    )
    return dataclasses.replace(settings, **more)  # type: ignore[arg-type]


def asking(issuer: Issuer, tmp_path: Path, **more: object) -> OauthSettings:
    secret = tmp_path / "secret"
    secret.write_text(CLIENT_SECRET + "\n")
    settings = OauthSettings(
        introspection_url=f"{issuer.base}/about",
        client_id=CLIENT,
        client_secret_file=str(secret),
        audience=AUDIENCE,
        timeout_s=10.0,
    )
    return dataclasses.replace(settings, **more)  # type: ignore[arg-type]


@dataclasses.dataclass
class World:
    tokens: Tokens
    clock: list[float]

    async def works(self, token: str) -> bool:
        try:
            return await self.tokens.login_of(token) == ANNA
        except LoginFailed:
            return False

    async def unavailable(self, token: str) -> bool:
        try:
            await self.tokens.login_of(token)
        except Unavailable:
            return True
        except LoginFailed:
            pass
        return False


@asynccontextmanager
async def world(settings: OauthSettings) -> AsyncIterator[World]:
    clock = [0.0]
    tokens = Tokens(settings, clock=lambda: clock[0])
    try:
        yield World(tokens, clock)
    finally:
        await tokens.close()


def run(main: Coroutine[Any, Any, None]) -> None:
    async def within() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await main

    asyncio.run(within())


def test_signed_by_each_algorithm(issuer: Issuer) -> None:
    issuer.jwks += [jwk(issuers.ec_key(), "two"), jwk(issuers.ed_key(), "three", alg="EdDSA")]

    async def main() -> None:
        async with world(keyed(issuer)) as each:
            for algorithm, key, kid in (
                ("RS256", issuers.rsa_key(), "one"),
                ("PS256", issuers.rsa_key(), "one"),
                ("ES256", issuers.ec_key(), "two"),
                ("EdDSA", issuers.ed_key(), "three"),
            ):
                assert await each.works(issuer.token(key=key, algorithm=algorithm, headers={"kid": kid}))
            assert await each.works(issuer.token(headers={"kid": None}))  # any key of the type, where none is named
            assert issuer.asked == ["/keys"]

    run(main())


def test_signed_in_ways_that_do_not_count(issuer: Issuer) -> None:
    issuer.jwks += [
        jwk(issuers.rsa_key(1), "for-ps", alg="PS256"),
        jwk(issuers.rsa_key(2), "to-encrypt") | {"use": "enc"},
        jwk(issuers.rsa_key(3, 1024), "short"),
        {"kty": "oct", "kid": "shared", "k": base64.urlsafe_b64encode(b"x" * 64).decode()},
    ]
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        short = issuer.token(key=issuers.rsa_key(3, 1024), headers={"kid": "short"})
    right = issuer.token()
    head, body, signature = right.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"one"}').rstrip(b"=").decode()
    deep = base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=")
    forged = jwt.encode(issuer.claims(), b"x" * 64, "HS256", headers={"kid": "shared"})
    flipped = signature[:9] + ("A" if signature[9] != "A" else "B") + signature[10:]
    embedded = issuer.token(key=issuers.rsa_key(1), headers={"jwk": jwk(issuers.rsa_key(1), "one")})
    wrong = [
        "", "x", ".", "..", "a.b.c", f"{head}.{body}", f"{head}.{body}.", f"{none}.{body}.", f"{none}.{body}.{signature}",
        f"{head}.{body}.{flipped}", f"{head}.{body[:-4]}.{signature}", f"{deep}.{body}.{signature}", forged, embedded,
        issuer.token(algorithm="RS384"),
        issuer.token(key=issuers.rsa_key(1)),
        issuer.token(key=issuers.rsa_key(1), headers={"kid": "for-ps"}),
        issuer.token(key=issuers.rsa_key(2), headers={"kid": "to-encrypt"}),
        short,
        issuer.token(headers={"crit": ["exp"], "exp": 1}),
        issuer.token(aud="elsewhere"), issuer.token(iss="https://other.example"), issuer.token(exp=None),
    ]  # fmt: skip

    async def main() -> None:
        async with world(keyed(issuer)) as each:
            assert await each.works(right)
            for token in wrong:
                assert not await each.works(token), token
            with pytest.raises(Expired):
                await each.tokens.login_of(issuer.token(exp=1_700_000_000))
            with pytest.raises(Insufficient):
                await each.tokens.login_of(issuer.token(scope="openid"))
            assert await each.works(right)

    run(main())


def test_a_new_key_is_looked_up_but_not_at_a_strangers_pace(issuer: Issuer) -> None:
    new = issuer.token(key=issuers.rsa_key(1), headers={"kid": "new"})

    async def main() -> None:
        async with world(keyed(issuer)) as each:
            assert await each.works(issuer.token())
            issuer.jwks.append(jwk(issuers.rsa_key(1), "new"))
            assert not await each.works(new)  # the last look was a moment ago
            each.clock[0] += 31.0
            assert await each.works(new)
            assert len(issuer.asked) == 2
            for number in range(50):
                assert not await each.works(issuer.token(headers={"kid": f"made up {number}"}))
            assert len(issuer.asked) == 2
            issuer.jwks.pop()
            each.clock[0] += 301.0
            assert not await each.works(new)  # withdrawn

    run(main())


def test_who_comes_together_looks_once(issuer: Issuer) -> None:
    async def main() -> None:
        async with world(keyed(issuer)) as each:
            assert all(await asyncio.gather(*(each.works(issuer.token()) for _ in range(20))))
            assert issuer.asked == ["/keys"]

    run(main())


FAULTS = [
    Answer(status=500), Answer(status=404), Answer(status=301, headers={"Location": "/keys"}), Answer(status=204),
    Answer(body=b""), Answer(body=b"<html>"), Answer(body=b"[]"), Answer(body=b"[" * 10_000), Answer(body=b"\xff"),
    Answer(body=b"{" + b" " * 300_000 + b"}"),
    Answer(body=gzip.compress(b'{"keys": []}'), headers={"Content-Encoding": "gzip"}),
]  # fmt: skip


@pytest.mark.parametrize("fault", [*FAULTS, Answer(body=b"{}"), Answer(body=b'{"keys": 7}')])
def test_an_issuer_without_keys_is_a_passing_fault(issuer: Issuer, fault: Answer) -> None:
    async def main() -> None:
        async with world(keyed(issuer)) as each:
            issuer.instead = lambda: fault
            assert await each.unavailable(issuer.token())
            assert await each.unavailable(issuer.token())
            assert len(issuer.asked) == 1  # who comes a moment later is told at once
            issuer.instead = None
            each.clock[0] += RETRY_S
            assert await each.works(issuer.token())
            issuer.instead = lambda: fault
            each.clock[0] += 400.0
            assert await each.works(issuer.token())  # by the keys of before
            each.clock[0] += STALE_S
            assert await each.unavailable(issuer.token())

    run(main())


def test_an_issuer_that_is_away_or_silent(issuer: Issuer, tmp_path: Path) -> None:
    go_on = threading.Event()

    def silent() -> Answer:
        go_on.wait(PATIENCE_S)
        return Answer()

    async def main() -> None:
        issuer.instead = silent
        for settings in (keyed(issuer, timeout_s=0.2), asking(issuer, tmp_path, timeout_s=0.2)):
            async with world(settings) as each:
                assert await each.unavailable(issuer.token())
        go_on.set()
        nobody = Issuer("http://127.0.0.1:1")
        for settings in (keyed(nobody), asking(nobody, tmp_path)):
            async with world(settings) as each:
                assert await each.unavailable(issuer.token())

    run(main())


def test_tls_of_an_authority_that_is_known(tmp_path: Path) -> None:
    pem = tmp_path / "issuer.pem"
    issuers.write_certificate(pem)

    async def main() -> None:
        with issuers.running(pem) as issuer:
            async with world(keyed(issuer)) as each:
                assert await each.unavailable(issuer.token())
            async with world(keyed(issuer, ca_file=str(pem))) as each:
                assert await each.works(issuer.token())

    run(main())


def test_asked_about_and_remembered(issuer: Issuer, tmp_path: Path) -> None:
    issuer.known = {
        "good": {"active": True, "email": ANNA, "aud": AUDIENCE},
        "short": {"active": True, "email": ANNA, "aud": AUDIENCE, "exp": issuer.claims()["exp"]},
        "elsewhere": {"active": True, "email": ANNA, "aud": "other"},
        "odd": {"active": "true", "email": ANNA, "aud": AUDIENCE},
        "when": {"active": True, "email": ANNA, "aud": AUDIENCE, "exp": "never"},
        "refresh": {"active": True, "email": ANNA, "aud": AUDIENCE, "token_type": "refresh_token"},
    }

    async def main() -> None:
        async with world(asking(issuer, tmp_path, cache_s=5000.0)) as each:
            for _ in range(3):
                assert await each.works("good")
            assert len(issuer.asked) == 1
            for token in ("bad", "elsewhere", "odd", "when", "refresh", "bad"):
                assert not await each.works(token)
            assert len(issuer.asked) == 7  # what was wrong is not remembered
            assert await each.works("short")
            each.clock[0] += 601.0  # past the token's end, which comes before that of the memory
            assert await each.works("good")
            assert len(issuer.asked) == 8
            await each.works("short")
            assert len(issuer.asked) == 9
            each.clock[0] += 4400.0
            del issuer.known["good"]
            assert not await each.works("good")

    run(main())


@pytest.mark.parametrize("fault", FAULTS)
def test_an_issuer_that_does_not_answer_well_is_a_passing_fault(issuer: Issuer, tmp_path: Path, fault: Answer) -> None:
    async def main() -> None:
        async with world(asking(issuer, tmp_path)) as each:
            issuer.instead = lambda: fault
            assert await each.unavailable("good")
            issuer.instead = None
            assert not await each.unavailable("good")

    run(main())


def test_a_wrong_client_secret_is_our_fault_and_not_the_users(issuer: Issuer, tmp_path: Path) -> None:
    async def main() -> None:
        async with world(asking(issuer, tmp_path, client_id="other")) as each:
            assert await each.unavailable("good")

    run(main())
    with pytest.raises(BadSettings):
        Tokens(asking(issuer, tmp_path, client_secret_file=str(tmp_path / "not-there")))


@pytest.mark.parametrize(
    "member",
    [
        7, {}, {"kty": "RSA"}, {"kty": "RSA", "n": 1, "e": 2}, {"kty": "RSA", "n": "!", "e": "AQAB"}, {"kty": ["RSA"]},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {"kty": "EC", "crv": {}}, {"kty": "OKP", "crv": "Ed25519"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"}, {"kty": "oct", "k": "AA"},
    ],
)  # fmt: skip
def test_keys_that_cannot_be_used_are_left_out(member: object) -> None:
    keys = read_keys({"keys": [member, jwk(issuers.ec_key(), "good"), {**jwk(issuers.ec_key(), "odd"), "kid": 7}]})
    assert [key.kid for key in keys] == ["good"]
    assert json.dumps(sorted(keys[0].algorithms)) == '["ES256"]'
