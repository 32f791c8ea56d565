"""A connection to another server: opened, secured, logged in, and used for one message after the other.

RFC 5321 4.5.3.2 (timeouts), RFC 2920 (PIPELINING), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 1870 (SIZE), RFC 6152
(8BITMIME), RFC 6531 (SMTPUTF8), RFC 2852 (DELIVERBY), RFC 3461 5.2.1 (DSN), RFC 8689 (REQUIRETLS), RFC 6710
(MT-PRIORITY).  What must stay true: a password is told under TLS or on loopback only; what a server said before TLS
counts for nothing after it; every wait ends; what it answers is bounded.
"""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from opostd.model.records import NO_TERMS, Notify, Terms, Wish
from opostd.worker.answer import EXPIRED, Answer, BadAnswer, Fate, Outcome, answer, outcome, read_line
from opostd.worker.dane import vouched_for
from opostd.worker.host import Host, NoService, NoSuchDomain, chain_of, context_for
from opostd.worker.message import Parcel

MAX_LINE = 4096  # octets of a line that is read; RFC 5321 4.5.3.1.5 gives it 512
MAX_LINES = 200  # of one reply
CHUNK = 64 * 1024
NO_REQUIRETLS = "5.7.30"  # RFC 8689 4.2.1


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds, the least that RFC 5321 4.5.3.2 asks for; of a chunk of the message for each."""

    connect_s: float = 30.0
    command_s: float = 300.0
    chunk_s: float = 180.0
    end_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Envelope:
    """Of one transaction.  sender: empty for ``<>``; envid, ret, terms: as they came; by_s: left until deliver_by."""

    sender: str
    wishes: tuple[Wish, ...]
    envid: str = ""
    ret: str = ""
    terms: Terms = NO_TERMS
    by_s: int = 0


class Session:
    """One connection.  ``send`` may be called while ``alive``."""

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
    async def open(cls, host: Host, hostname: str, timeouts: Timeouts, *, plain: bool = False) -> "Session":
        """A session that is ready for MAIL.  plain: no TLS, though it may be offered.  Raises NoService."""
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
            raise NoService(f"cannot connect to {place}: {_why(error)}") from error
        session = cls(host, reader, writer, timeouts)
        try:
            await session._begin(hostname, plain=plain)
        except (OSError, TimeoutError, BadAnswer, asyncio.IncompleteReadError) as error:
            session.abort()
            status = "4.7.5" if isinstance(error, ssl.SSLError) else "4.4.1"
            raise NoService(f"{host.name}: {_why(error)}", status, reached=True) from error
        except BaseException:
            session.abort()
            raise
        return session

    async def send(self, envelope: Envelope, parcel: Parcel, still_ours: Callable[[], bool]) -> list[Outcome] | None:
        """What became of each recipient, in order; None where it turned out, before the end, to be no more ours.

        still_ours: asked before the octets that make the server answer for the message.
        """
        self.sent += 1
        self.heard = False
        refusal = self._unfit(envelope, parcel)
        if refusal is not None:
            return [refusal] * len(envelope.wishes)
        outcomes: list[Outcome | None] = [None] * len(envelope.wishes)
        try:
            if await self._name(envelope, parcel, outcomes):
                if not await self._data(parcel, outcomes, still_ours):
                    return None
            elif self.alive:
                await self._ask("RSET")
        except (OSError, TimeoutError, BadAnswer, asyncio.IncompleteReadError) as error:
            self.abort()
            lost = Outcome(Fate.LATER, "4.4.2", f"connection to {self.host.name} lost: {_why(error)}")
            return [each or lost for each in outcomes]
        left = Outcome(Fate.LATER, "4.4.2", f"{self.host.name} closed the connection")
        return [each or left for each in outcomes]

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

    # -- a message -----------------------------------------------------------------------------------------------

    def _unfit(self, envelope: Envelope, parcel: Parcel) -> Outcome | None:
        """Why this server cannot take this message."""
        names = [envelope.sender, *(wish.address for wish in envelope.wishes)]
        if "SMTPUTF8" not in self._offers and (parcel.wide or not all(each.isascii() for each in names)):
            return Outcome(Fate.FAILED, "5.6.7", f"{self.host.name} takes no addresses or headers in UTF-8")
        if parcel.eight_bit and "8BITMIME" not in self._offers:
            return Outcome(Fate.FAILED, "5.6.3", f"{self.host.name} takes no 8-bit message")
        if envelope.terms.require_tls and not self.keeps_tls:
            return Outcome(Fate.FAILED, NO_REQUIRETLS, f"{self.host.name} does not keep to REQUIRETLS")
        if envelope.terms.returned_after:
            least = self._offers.get("DELIVERBY")
            if least is None:
                return Outcome(Fate.FAILED, "5.3.3", f"{self.host.name} promises no time of delivery")
            if envelope.by_s < (int(least) if least.isascii() and least.isdigit() and len(least) < 10 else 1):
                return Outcome(Fate.FAILED, EXPIRED, f"{self.host.name} cannot deliver in {max(envelope.by_s, 0)} s")
        limit = self._offers.get("SIZE", "")
        if limit.isascii() and limit.isdigit() and 0 < int(limit[:20]) < parcel.size:
            return Outcome(Fate.FAILED, "5.3.4", f"{self.host.name} takes {limit[:20]} octets at most")
        return None

    async def _name(self, envelope: Envelope, parcel: Parcel, outcomes: list[Outcome | None]) -> bool:
        """MAIL and RCPT; the outcome of each that is refused.  Whether one was taken."""
        commands = [self._mail(envelope, parcel), *(self._rcpt(wish) for wish in envelope.wishes)]
        pipelining = "PIPELINING" in self._offers
        if pipelining:
            await self._write("".join(f"{command}\r\n" for command in commands).encode())
        for at, command in enumerate(commands):
            said = await (self._answer() if pipelining else self._ask(command))
            if said.code == 421:
                self._end(said, outcomes)
                return False
            if at == 0 and not said.good:
                for _ in commands[1:] if pipelining else ():
                    await self._answer()
                outcomes[:] = [outcome(said, self.host.name)] * len(outcomes)
                return False
            if at > 0 and not said.good:
                if said.code == 552:
                    said = Answer(452, "4.5.3", said.text)  # RFC 5321 4.5.3.1.10
                outcomes[at - 1] = outcome(said, self.host.name)
        return any(each is None for each in outcomes)

    async def _data(self, parcel: Parcel, outcomes: list[Outcome | None], still_ours: Callable[[], bool]) -> bool:
        """The message; whether it was ours to the end."""
        said = await self._ask("DATA")
        if said.code == 354:
            body, end = parcel.stuffed[:-3], parcel.stuffed[-3:]
            for at in range(0, len(body), CHUNK):
                await self._write(body[at : at + CHUNK], self._timeouts.chunk_s)
            if not still_ours():
                self.abort()
                return False
            await self._write(end)
            said = await self._answer(self._timeouts.end_s)
            if 300 <= said.code < 400:
                raise BadAnswer(f"an answer to no message: {said}")
        elif said.good:
            raise BadAnswer(f"an answer to no DATA: {said}")
        reports, timed = "DSN" in self._offers, "DELIVERBY" in self._offers
        outcomes[:] = [each or outcome(said, self.host.name, reports=reports, timed=timed) for each in outcomes]
        if said.code == 421:
            self.abort()
        return True

    def _end(self, said: Answer, outcomes: list[Outcome | None]) -> None:
        self.abort()
        outcomes[:] = [each or outcome(said, self.host.name) for each in outcomes]

    def _mail(self, envelope: Envelope, parcel: Parcel) -> str:
        words = [f"MAIL FROM:<{envelope.sender}>"]
        if "SIZE" in self._offers:
            words.append(f"SIZE={parcel.size}")
        if "8BITMIME" in self._offers and parcel.eight_bit:
            words.append("BODY=8BITMIME")
        if parcel.wide or not all(each.isascii() for each in (envelope.sender, *(w.address for w in envelope.wishes))):
            words.append("SMTPUTF8")
        if envelope.terms.require_tls:
            words.append("REQUIRETLS")
        if envelope.terms.priority and "MT-PRIORITY" in self._offers:
            words.append(f"MT-PRIORITY={envelope.terms.priority}")
        if envelope.terms.by_mode and "DELIVERBY" in self._offers:
            words.append(f"BY={envelope.by_s};{envelope.terms.by_mode.upper()}")
        if "DSN" in self._offers:
            words += [f"RET={envelope.ret}"] * bool(envelope.ret) + [f"ENVID={envelope.envid}"] * bool(envelope.envid)
        return " ".join(words)

    def _rcpt(self, wish: Wish) -> str:
        words = [f"RCPT TO:<{wish.address}>"]
        if "DSN" in self._offers:
            if wish.notify:
                words.append("NOTIFY=" + ",".join(each.name or "" for each in Notify if each in wish.notify))
            if wish.orcpt:
                words.append(f"ORCPT={wish.orcpt}")
        return " ".join(words)

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
    peer = writer.get_extra_info("peername")
    try:
        return ip_address(str(peer[0]).partition("%")[0]).is_loopback
    except (ValueError, TypeError, IndexError):
        return False


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _why(error: Exception) -> str:
    """In words on one line."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    if isinstance(error, asyncio.IncompleteReadError):
        return "it closed the connection"
    return " ".join((str(error) or type(error).__name__).split())[:300]
