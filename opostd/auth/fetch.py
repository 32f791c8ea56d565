"""Asking the issuer of tokens, by HTTPS: few octets, soon, from where the settings say and from nowhere else.

What must stay true: whatever keeps an answer from coming, or makes it another than was asked for, is Unavailable and
never a wrong login; nothing of the answer's own choice (a redirect, a proxy of the environment) leads elsewhere.
"""

import asyncio
import json
import ssl

import httpx

from opostd.model.errors import Unavailable

MAX_OCTETS = 256 * 1024  # of an answer: a key is a few hundred octets
CONNECTIONS = 10  # at once: so many logins wait for the issuer, the others for them


class Fetcher:
    """One for a process.  Used on one event loop."""

    def __init__(self, *, timeout_s: float, ca_file: str) -> None:
        """timeout_s: of one question, from the connection to the last octet; ca_file: empty for the machine's own."""
        self._timeout_s = timeout_s
        self._ca_file = ca_file
        self._client: httpx.AsyncClient | None = None

    async def get(self, url: str) -> dict[str, object]:
        """The JSON object there.  Raises Unavailable."""
        return await self._ask("GET", url, None, None)

    async def post(self, url: str, form: dict[str, str], login: tuple[str, str] | None) -> dict[str, object]:
        """The JSON object that answers a form.  login: name and secret, already in the form encoding.

        Raises Unavailable.
        """
        return await self._ask("POST", url, form, login)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _ask(
        self, method: str, url: str, form: dict[str, str] | None, login: tuple[str, str] | None
    ) -> dict[str, object]:
        octets = bytearray()
        try:
            if self._client is None:
                self._client = self._opened()
            auth = httpx.BasicAuth(*login) if login is not None else None
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream(method, url, data=form, auth=auth) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    raise Unavailable(f"{url} answered {answer.status_code}")
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise Unavailable(f"{url} answered in an encoding that was not asked for")
                async for chunk in answer.aiter_raw():
                    octets += chunk
                    if len(octets) > MAX_OCTETS:
                        raise Unavailable(f"{url} answered more than {MAX_OCTETS} octets")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            raise Unavailable(f"{url}: {type(error).__name__} {error}") from error
        try:
            found = json.loads(bytes(octets))
        except (ValueError, RecursionError) as error:
            raise Unavailable(f"{url} answered no JSON") from error
        if not isinstance(found, dict):
            raise Unavailable(f"{url} answered no JSON object")
        return found

    def _opened(self) -> httpx.AsyncClient:
        context = ssl.create_default_context(cafile=self._ca_file or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return httpx.AsyncClient(
            verify=context,
            timeout=httpx.Timeout(self._timeout_s),
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=2),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "opostd"},
            follow_redirects=False,
            trust_env=False,
        )
