"""Between the connection and those who answer: whose request it is, HEAD, headers that all answers have, our own bugs.

What must stay true (security.md 1.6): only a proxy that is listed is believed about its client; every answer says that
it is not to be guessed at, framed or kept; a fault of ours is a number, and never a traceback.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from opostd.http.timing import MAX_HEADER_OCTETS
from opostd.model.networks import Network, is_among, is_own_machine

log = logging.getLogger("opostd.http")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_HOPS = 20  # addresses in X-Forwarded-For that are looked at

ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""What an answer has where it says nothing else."""
STRICT = (b"strict-transport-security", b"max-age=31536000")


@dataclass(frozen=True, slots=True)
class Client:
    """Whose request it is.  peer: the address; secure: under TLS; local: from this machine, by no proxy.

    host: what the client calls this server, with its port if it has one.
    """

    peer: str
    secure: bool
    local: bool
    host: str = ""


def header(scope: Scope, name: bytes) -> str:
    """The last field of that name (lower case), or nothing."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[-1].decode("latin-1").strip() if found else ""


def client_of(scope: Scope, proxies: Sequence[Network]) -> Client:
    """As the socket says, or, of a proxy that is listed, as it says."""
    where = scope.get("client")
    peer = str(where[0]) if where else "local"
    secure = scope.get("scheme") == "https"
    host = header(scope, b"host").lower()
    if not is_among(peer, proxies):
        return Client(peer, secure, where is None or is_own_machine(peer), host)
    host = header(scope, b"x-forwarded-host").lower() or host
    if said_scheme := header(scope, b"x-forwarded-proto").lower():
        secure = said_scheme == "https"
    hops = ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == b"x-forwarded-for").split(",")
    for hop in reversed(hops[-MAX_HOPS:]):
        said = hop.strip()
        if not said or not is_among(said, proxies):
            return Client(said[:45] or peer, secure, local=False, host=host)
    return Client(peer, secure, local=False, host=host)


class Front:
    """An ASGI application before others: ``choose`` says which answers a path."""

    def __init__(self, choose: Callable[[str], App], proxies: Sequence[Network], fault: App, refuse: App) -> None:
        """fault: answers in the place of one who failed; ``scope["incident"]`` is its number.

        refuse: answers a request that cannot be: ``scope["refused"]`` is a status and why.
        """
        self._choose = choose
        self._proxies = proxies
        self._fault = fault
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        client = client_of(scope, self._proxies)
        scope = {**scope, "opostd.client": client}
        if scope["method"] == "HEAD":  # as GET; the connection leaves the body out (RFC 9110 9.3.2)
            scope["method"], scope["opostd.head"] = "GET", True
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": _completed(message.get("headers", ()), client)}
            await send(message)

        try:
            if (refused := _impossible(scope)) is not None:
                await self._refuse({**scope, "refused": refused}, receive, answer)
            else:
                await self._choose(scope["path"])(scope, receive, answer)
        except Exception as error:
            number = secrets.token_hex(4)
            log.error("incident number=%s path=%r", number, scope["path"], exc_info=error)
            if not begun:
                await self._fault({**scope, "incident": number}, receive, answer)


def _impossible(scope: Scope) -> tuple[int, str] | None:
    """RFC 6585 5; RFC 9112 6.1: two lengths may mean two requests to whoever stands between."""
    names = [name for name, _ in scope["headers"]]
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_OCTETS:
        return 431, f"the header has more than {MAX_HEADER_OCTETS} octets"
    if b"transfer-encoding" in names and b"content-length" in names:
        return 400, "both Content-Length and Transfer-Encoding"
    return None


def _completed(given: Sequence[tuple[bytes, bytes]], client: Client) -> list[tuple[bytes, bytes]]:
    """The header with what is not said in it; RFC 9110 6.6.1 (Date)."""
    names = {name.lower() for name, _ in given}
    found = [*given, *(each for each in ALWAYS if each[0] not in names)]
    if client.secure:
        found.append(STRICT)
    return [*found, (b"date", formatdate(usegmt=True).encode())]
