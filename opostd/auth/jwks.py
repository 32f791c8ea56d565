"""Tokens that are signed (JWT, RFC 7519): by which of the issuer's keys (JWKS, RFC 7517), looked up and remembered.

RFC 8725 (best practice).  What must stay true: only algorithms of the settings, and of a key only those that it is
made for; no key that stands in a token is ever looked at; strangers cannot make us ask the issuer again and again; an
issuer that does not answer is Unavailable, or, as long as its keys are not too old, not noticed.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import AllowedPublicKeys

from opostd.auth.fetch import Fetcher
from opostd.model.errors import LoginFailed, Unavailable

log = logging.getLogger("opostd.auth")

MAX_KEYS = 100  # of one issuer: real ones have two or three
MIN_RSA_BITS = 2048  # RFC 7518 3.3
REFETCH_S = 30.0  # between two looks for a key that is not known: whoever makes up key ids has no others
RETRY_S = 5.0  # after a look that failed: those who log in meanwhile are told at once
STALE_S = 3600.0  # for which keys still count when the issuer does not answer; a withdrawn key is one no longer

# What a key of a type, and of a curve, can sign by.
_FITS = {
    ("RSA", None): {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
    ("EC", "P-256"): {"ES256"},
    ("EC", "P-384"): {"ES384"},
    ("EC", "P-521"): {"ES512"},
    ("OKP", "Ed25519"): {"EdDSA"},
}
ALGORITHMS = frozenset().union(*_FITS.values())
"""All that can be allowed: signatures by a key that only the issuer has."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key.  kid: empty where it has none."""

    kid: str
    algorithms: frozenset[str]
    public: AllowedPublicKeys


class Keys:
    """The keys of one issuer.  Used on one event loop."""

    def __init__(
        self, fetcher: Fetcher, url: str, *, algorithms: Sequence[str], cache_s: float, clock: Callable[[], float]
    ) -> None:
        """cache_s: after which they are looked up again; clock: seconds, from any beginning."""
        self._fetcher = fetcher
        self._url = url
        self._algorithms = frozenset(algorithms) & ALGORITHMS
        self._cache_s = cache_s
        self._clock = clock
        self._keys: tuple[Key, ...] = ()
        self._fetched: float | None = None
        self._failed: float | None = None
        self._looking: asyncio.Task[None] | None = None
        self._signatures = jwt.PyJWS(algorithms=sorted(self._algorithms))

    async def claims(self, token: str) -> dict[str, object]:
        """What a token claims, its signature found right.  Raises LoginFailed, Unavailable."""
        algorithm, kid = self._header(token)
        if self._fetched is None or self._age() > self._cache_s:
            await self._look(must=self._fetched is None or self._age() > self._cache_s + STALE_S)
        keys = self._fitting(algorithm, kid)
        if not keys and self._age() >= REFETCH_S:
            await self._look(must=True)
            keys = self._fitting(algorithm, kid)
        for key in keys:
            try:
                payload = self._signatures.decode(token, key.public, algorithms=[algorithm])
                claims = json.loads(payload)
            except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
                continue
            if isinstance(claims, dict):
                return claims
        raise LoginFailed("a token that none of the issuer's keys has signed")

    def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()

    def _header(self, token: str) -> tuple[str, str]:
        """Algorithm and key id; all else that a header may say is not believed.  Raises LoginFailed."""
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise LoginFailed("no JWT") from error
        algorithm, kid = header.get("alg"), header.get("kid", "")
        if algorithm not in self._algorithms or not isinstance(kid, str) or "crit" in header:
            raise LoginFailed("a token signed in another way")
        return algorithm, kid

    def _fitting(self, algorithm: str, kid: str) -> list[Key]:
        return [key for key in self._keys if algorithm in key.algorithms and kid in ("", key.kid)]

    def _age(self) -> float:
        return self._clock() - self._fetched if self._fetched is not None else float("inf")

    async def _look(self, *, must: bool) -> None:
        """New keys.  must: raises Unavailable where there are none; else the old ones do."""
        if self._failed is not None and self._clock() - self._failed < RETRY_S:
            if must:
                raise Unavailable(f"{self._url} did not answer a moment ago")
            return
        if self._looking is None:
            # A task of its own: one look for all who wait, whoever of them goes away.
            self._looking = asyncio.get_running_loop().create_task(self._fetch())
        try:
            await asyncio.shield(self._looking)
        except Unavailable as error:
            log.warning("keys of the issuer not looked up: %s", error)
            if must:
                raise

    async def _fetch(self) -> None:
        try:
            self._keys = tuple(read_keys(await self._fetcher.get(self._url)))
            self._fetched, self._failed = self._clock(), None
        except Unavailable:
            self._failed = self._clock()
            raise
        finally:
            self._looking = None


def read_keys(document: dict[str, object]) -> list[Key]:
    """The keys of a JWK set that sign; others are left out (RFC 7517 5).  Raises Unavailable where it is no set."""
    members = document.get("keys")
    if not isinstance(members, list):
        raise Unavailable("no JWK set")
    return [key for member in members[:MAX_KEYS] if isinstance(member, dict) and (key := _read_key(member))]


def _read_key(member: dict[str, object]) -> Key | None:
    kind, curve, kid = member.get("kty"), member.get("crv"), member.get("kid", "")
    if not isinstance(kind, str) or not isinstance(kid, str) or member.get("use", "sig") != "sig" or "d" in member:
        return None
    algorithms = _FITS.get((kind, curve if isinstance(curve, str) and kind != "RSA" else None))
    if algorithms is None:
        return None
    if "alg" in member:
        algorithms = {each for each in algorithms if each == member["alg"]}
    if not algorithms:
        return None
    try:
        public = jwt.PyJWK(member, min(algorithms)).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if isinstance(public, RSAPublicKey) and public.key_size < MIN_RSA_BITS:
        return None
    return Key(kid, frozenset(algorithms), public)
