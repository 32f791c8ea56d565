"""A connection to another server: opened, secured, logged in; lines out, replies in.

RFC 5321 4.2 (replies), 4.5.3.2 (timeouts), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 7672 (DANE).  What must stay true:
a password is told under TLS or on loopback only; what a server said before TLS counts for nothing after it; every wait
ends; what it answers is bounded.
"""

import asyncio
import base64
import contextlib
import ssl
from dataclasses import dataclass
from typing import Self

from opostd.model.networks import host_of, is_own_machine
from opostd.worker.answer import Answer, BadAnswer, answer, read_line
from opostd.worker.dane import vouched_for
from opostd.worker.host import Host, NoService, NoSuchDomain, chain_of, context_for

MAX_LINE = 4096  # octets of a line that is read; RFC 5321 4.5.3.1.5 gives it 512
MAX_LINES = 200  # of one reply


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds, the least that RFC 5321 4.5.3.2 asks for; of a chunk of the message for each."""

    connect_s: float = 30.0
    command_s: float = 300.0
    chunk_s: float = 180.0
    end_s: float = 600.0


class Connection:
    """To one server.  It may be used while ``alive``."""

    def __init__(
        self, host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeouts: Timeouts
    ) -> None:
        self.host = host
        self.alive = True
        self.sent = 0
        self.heard = False  # anything since ``send`` began: where not, the connection had been closed before it
        self._reader = reader
        self._writer = writer
        self._timeouts = timeouts
        self._offers: dict[str, str] = {}
        self._secure = False

    @property
    def keeps_tls(self) -> bool:
        """Whether what asks for REQUIRETLS may go here: its own domain says who it is, and it does the same."""
        return self._secure and self.host.vouched and "REQUIRETLS" in self._offers

    @classmethod
    async def open(cls, host: Host, hostname: str, timeouts: Timeouts, *, plain: bool = False) -> Self:
        """One that is ready for MAIL.  plain: no TLS, though it may be offered.  Raises NoService."""
        context = context_for(host) if host.implicit_tls else None
        try:
            async with asyncio.timeout(timeouts.connect_s):
                reader, writer = await asyncio.open_connection(
                    host.address or host.name,
                    host.port,
                    limit=MAX_LINE,
                    ssl=context,
                    server_hostname=host.name if context else None,
                )
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            place = f"{host.name} [{host.address}]" if host.address else host.name
            raise NoService(f"cannot connect to {place}: {why(error)}") from error
        connection = cls(host, reader, writer, timeouts)
        try:
            await connection._begin(hostname, plain=plain)
        except (OSError, TimeoutError, BadAnswer, asyncio.IncompleteReadError) as error:
            connection.abort()
            status = "4.7.5" if isinstance(error, ssl.SSLError) else "4.4.1"
            raise NoService(f"{host.name}: {why(error)}", status, reached=True) from error
        except BaseException:
            connection.abort()
            raise
        return connection

    async def quit(self) -> None:
        """Say goodbye; who does not answer is left."""
        if self.alive:
            with contextlib.suppress(OSError, TimeoutError, BadAnswer, asyncio.IncompleteReadError):
                async with asyncio.timeout(5):  # a courtesy
                    await self._ask("QUIT")
        self.abort()

    def abort(self) -> None:
        """End the connection at once."""
        self.alive = False
        if self._writer.transport is not None:
            self._writer.transport.abort()

    # -- the beginning -------------------------------------------------------------------------------------------

    async def _begin(self, hostname: str, *, plain: bool) -> None:
        greeting = await self._answer()
        if greeting.code != 220:
            raise NoService(f"{self.host.name} said: {greeting}")
        await self._hello(hostname)
        secure = self.host.implicit_tls
        if not secure and self.host.tls != "off" and not plain:
            if "STARTTLS" in self._offers:
                await self._start_tls()
                secure = True
                await self._hello(hostname)
            elif self.host.tls != "may":
                raise NoService(f"{self.host.name} offers no TLS", "4.7.4" if self.host.vouched else "4.4.1")
        self._secure = secure
        if self.host.user:
            if not secure and not _on_loopback(self._writer):
                raise NoService(f"no password is told to {self.host.name} without TLS")
            await self._log_in()

    async def _hello(self, hostname: str) -> None:
        await self._write(f"EHLO {hostname}\r\n".encode())
        lines = await self._lines()
        if lines[0] != 250:
            if lines[0] < 500:
                raise NoService(f"{self.host.name} said: {answer(*lines)}")
            said = await self._ask(f"HELO {hostname}")
            if said.code != 250:
                raise NoService(f"{self.host.name} said: {said}")
            self._offers = {}
            return
        if self.host.hostname and lines[1][0].split(" ")[0].lower().rstrip(".") == self.host.hostname:
            raise NoSuchDomain(f"{self.host.name} is this server, which does not take this mail", "5.4.6")
        words = [line.partition(" ") for line in lines[1][1:]]
        self._offers = {keyword.upper(): rest for keyword, _, rest in words}

    async def _start_tls(self) -> None:
        said = await self._ask("STARTTLS")
        if said.code != 220:
            raise NoService(f"{self.host.name} said: {said}")
        if self._reader._buffer:  # type: ignore[attr-defined]
            raise BadAnswer("octets behind the answer to STARTTLS")  # said in the clear, to be heard as if under TLS
        async with asyncio.timeout(self._timeouts.connect_s):
            await self._writer.start_tls(context_for(self.host), server_hostname=self.host.name)
        self._check_certificate()

    def _check_certificate(self) -> None:
        """What TLS itself does not look at.  Raises NoService."""
        if not self.host.tlsa:
            return
        shown = chain_of(self._writer.get_extra_info("ssl_object"))
        if not vouched_for(self.host.tlsa, shown, self.host.tlsa_names):
            raise NoService(f"{self.host.name} has another certificate than the DNS says (DANE)", "4.7.5")

    async def _log_in(self) -> None:
        mechanisms = self._offers.get("AUTH", "").upper().split()
        user, password = self.host.user, self.host.password
        if "PLAIN" in mechanisms:
            said = await self._ask("AUTH PLAIN " + _base64(f"\0{user}\0{password}"))
        elif "LOGIN" in mechanisms:
            said = await self._ask("AUTH LOGIN")
            for each in (user, password):
                if said.code == 334:
                    said = await self._ask(_base64(each))
        else:
            raise NoService(f"{self.host.name} offers no login that we know")
        if said.code != 235:
            raise NoService(f"{self.host.name} refused our login: {said}")

    # -- octets --------------------------------------------------------------------------------------------------

    async def _write(self, octets: bytes, timeout_s: float | None = None) -> None:
        async with asyncio.timeout(timeout_s or self._timeouts.command_s):
            self._writer.write(octets)
            await self._writer.drain()

    async def _ask(self, command: str) -> Answer:
        await self._write(command.encode() + b"\r\n")
        return await self._answer()

    async def _answer(self, timeout_s: float | None = None) -> Answer:
        return answer(*await self._lines(timeout_s))

    async def _lines(self, timeout_s: float | None = None) -> tuple[int, list[str]]:
        """Code and texts of one reply.  Raises BadAnswer, IncompleteReadError, TimeoutError, OSError."""
        texts: list[str] = []
        first = 0
        async with asyncio.timeout(timeout_s or self._timeouts.command_s):
            while True:
                try:
                    line = await self._reader.readuntil(b"\n")
                except asyncio.LimitOverrunError:
                    raise BadAnswer("a line without an end") from None
                code, last, text = read_line(line.rstrip(b"\r\n"))
                texts.append(text)
                if (first and code != first) or len(texts) > MAX_LINES:
                    raise BadAnswer("a reply without an end")
                first = code
                if last:
                    self.heard = True
                    return first, texts


def _on_loopback(writer: asyncio.StreamWriter) -> bool:
    return is_own_machine(host_of(writer.get_extra_info("peername")))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def why(error: Exception) -> str:
    """In words on one line."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    if isinstance(error, asyncio.IncompleteReadError):
        return "it closed the connection"
    return " ".join((str(error) or type(error).__name__).split())[:300]
