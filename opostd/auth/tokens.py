"""From a token to the login that it is for: by the issuer's keys, or by asking the issuer (RFC 7662).

Imported only where ``[oauth]`` is set up.  What must stay true: a token is nowhere kept, only a keyed hash of it; an
answer is remembered for ``cache_s`` at most and never past the token's end; only what was right is remembered.
"""

import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote_plus

from opostd.auth import claims
from opostd.auth.fetch import Fetcher
from opostd.auth.jwks import Keys
from opostd.config import OauthSettings
from opostd.model.errors import BadSettings, LoginFailed, Unavailable

log = logging.getLogger("opostd.auth")

MAX_REMEMBERED = 10_000  # tokens: about 2 MB


class Tokens:
    """One for all doors of a process.  Used on one event loop."""

    def __init__(
        self,
        settings: OauthSettings,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """now: seconds since 1970, which tokens are about; clock: for what is remembered.

        Raises BadSettings where the client's secret cannot be read.
        """
        self.scope = settings.required_scope
        self.configuration = settings.openid_configuration
        self._settings = settings
        self._now = now
        self._clock = clock
        self._fetcher = Fetcher(timeout_s=settings.timeout_s, ca_file=settings.ca_file)
        self._keys: Keys | None = None
        if settings.jwks_url:
            self._keys = Keys(
                self._fetcher,
                settings.jwks_url,
                algorithms=settings.algorithms,
                cache_s=settings.cache_s,
                clock=clock,
            )
        self._secret = _secret(settings.client_secret_file)
        self._pepper = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, tuple[float, dict[str, object]]] = OrderedDict()

    async def login_of(self, token: str) -> str:
        """The name that a token is for, as the issuer has it.  Raises LoginFailed, Unavailable."""
        if self._keys is not None:
            found, signed = await self._keys.claims(token), True
        else:
            found, signed = await self._introspected(token), False
        return claims.login_of(found, self._settings, now=self._now(), signed=signed)

    async def close(self) -> None:
        if self._keys is not None:
            self._keys.close()
        await self._fetcher.close()

    async def _introspected(self, token: str) -> dict[str, object]:
        digest = blake2b(token.encode(), key=self._pepper, digest_size=32).digest()
        until, known = self._right.get(digest, (0.0, {}))
        if self._clock() < until:
            return known
        found = await self._asked(token)
        if found.get("active") is not True:
            raise LoginFailed("a token that is not active")
        ends = claims.ends_at(found)
        lasts = self._settings.cache_s if ends is None else min(self._settings.cache_s, ends - self._now())
        self._right[digest] = (self._clock() + lasts, found)
        self._right.move_to_end(digest)
        if len(self._right) > MAX_REMEMBERED:
            self._right.popitem(last=False)
        return found

    async def _asked(self, token: str) -> dict[str, object]:
        settings = self._settings
        # RFC 6749 2.3.1: name and secret are form-encoded before they are joined by a colon.
        login = (quote_plus(settings.client_id), quote_plus(self._secret)) if settings.client_id else None
        form = {"token": token, "token_type_hint": "access_token"}
        try:
            return await self._fetcher.post(settings.introspection_url, form, login)
        except Unavailable as error:
            log.warning("the issuer was asked about a token in vain: %s", error)
            raise


def _secret(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, ValueError) as error:
        raise BadSettings((f"oauth.client_secret_file: cannot read {path}: {error}",)) from error
