"""Servers on loopback that take mail, or do not: a real one (aiosmtpd), and one that answers as it is told."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult


@dataclass(frozen=True)
class Taken:
    sender: str
    recipients: tuple[str, ...]
    raw: bytes


@dataclass
class Peer:
    """What it has taken; port: where it listens.  replies: beginnings of commands -> what is said instead of yes."""

    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    connections: int = 0
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    required: list[str] = field(default_factory=list)  # recipients of what asked for REQUIRETLS

    def copies(self, address: str) -> int:
        return sum(each.recipients.count(address) for each in self.taken)


class _Server(SMTP):
    """aiosmtpd refuses parameters that it does not know."""

    def _getparams(self, params: Any) -> Any:
        return super()._getparams([each for each in params if each != "REQUIRETLS"])


class _Handler:
    def __init__(self, peer: Peer, requiretls: bool) -> None:
        self.peer = peer
        self.requiretls = requiretls

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], *(["250-REQUIRETLS"] if self.requiretls else []), responses[-1]]

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if "REQUIRETLS" in envelope.mail_options:
            self.peer.required += envelope.rcpt_tos
        self.peer.taken.append(Taken(envelope.mail_from, tuple(envelope.rcpt_tos), envelope.original_content))
        return "250 2.0.0 taken"


@contextlib.asynccontextmanager
async def aiosmtpd_peer(
    context: ssl.SSLContext | None = None,
    login: tuple[str, str] | None = None,
    port: int = 0,
    address: str = "127.0.0.1",
    name: str = "peer.example",
    requiretls: bool = False,
) -> AsyncIterator[Peer]:
    """aiosmtpd as it comes: STARTTLS with a context, AUTH with a login; REQUIRETLS, which it does not know, if wanted."""
    peer = Peer()
    sessions: list[SMTP] = []

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        peer.logins.append((data.login, data.password))
        return AuthResult(success=login is not None and (data.login.decode(), data.password.decode()) == login)

    def make() -> SMTP:
        peer.connections += 1
        session = (_Server if requiretls else SMTP)(
            _Handler(peer, requiretls),
            hostname=name,
            tls_context=context,
            require_starttls=context is not None,
            authenticator=check if login else None,
            auth_required=login is not None,
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
        )
        sessions.append(session)
        return session

    server = await asyncio.get_running_loop().create_server(make, address, port)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        tasks = [each._handler_coroutine for each in sessions if each._handler_coroutine is not None]
        for session in sessions:
            # asyncio before 3.11.4 fails on aborting a TLS transport that has been closed
            if session.transport is not None and not session.transport.is_closing():
                session.transport.abort()
        _, late = await asyncio.wait([*tasks, asyncio.ensure_future(asyncio.sleep(0))], timeout=0.2)
        for task in late:  # it does not notice a handshake that its client has broken off
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


OFFERS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
CLOSE = "close"
Reply = Callable[[str], str | None]


@contextlib.asynccontextmanager
async def told_peer(reply: Reply = lambda line: None, offers: tuple[str, ...] = OFFERS) -> AsyncIterator[Peer]:
    """Answers yes to all but what ``reply`` answers: a whole reply, CLOSE, or None for the usual.

    It is asked with each command line, with ``connect`` for the greeting, and with ``.`` at the end of a message.
    """
    peer = Peer()
    writers: list[asyncio.StreamWriter] = []
    ended: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        end = asyncio.Event()
        ended.append(end)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await _conversation(peer, reply, offers, reader, writer)
            writer.close()
        finally:
            end.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        for end in ended:
            await end.wait()
        await asyncio.sleep(0)


async def _conversation(
    peer: Peer, reply: Reply, offers: tuple[str, ...], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    peer.connections += 1
    sender, recipients = "", []

    def say(line: str, usual: str) -> str:
        said = reply(line) or usual
        if said == CLOSE:
            raise ConnectionResetError
        writer.write(said.encode() + b"\r\n")
        return said

    say("connect", "220 peer.example")
    while True:
        line = (await reader.readuntil(b"\r\n"))[:-2].decode()
        peer.said.append(line)
        verb = line.upper().split(" ")[0]
        if verb == "EHLO":
            lines = ["peer.example", *offers]
            say(line, "\r\n".join(f"250{' ' if each is lines[-1] else '-'}{each}" for each in lines))
        elif verb == "MAIL":
            if say(line, "250 2.1.0 ok").startswith("250"):
                sender, recipients = line.partition("<")[2].partition(">")[0], []
        elif verb == "RCPT":
            if say(line, "250 2.1.5 ok").startswith("250"):
                recipients.append(line.partition("<")[2].partition(">")[0])
        elif verb == "DATA":
            if not say(line, "354 go").startswith("354"):
                continue
            raw = (await reader.readuntil(b"\r\n.\r\n"))[:-3]
            taken = Taken(sender, tuple(recipients), raw)
            if reply("before the answer") is not None:  # it has the message, and says nothing
                peer.taken.append(taken)
                raise ConnectionResetError
            if say(".", "250 2.0.0 taken").startswith("250"):
                peer.taken.append(taken)
        elif verb == "QUIT":
            say(line, "221 bye")
            return
        else:
            say(line, "250 ok")
