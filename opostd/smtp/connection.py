"""One connection: octets and lines in, replies out, timers, and how it ends.

Only this file, ``starttls`` and ``message`` know aiosmtpd's inside.  Of it stay the stream protocol, the finding of
``smtp_VERB`` and the hooks; replaced are line reading, DATA, EHLO, AUTH, STARTTLS, replies, timers, and what happens
when a peer goes away.

RFC 5321, 2920 (PIPELINING).  What must stay true: nothing that the peer does (EOF, reset, silence) stops a commit
that has begun; one line is one command; every wait ends.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import aiosmtpd.smtp
from aiosmtpd.smtp import SMTP

from opostd.smtp import policy, proxy
from opostd.smtp import reply as say
from opostd.smtp.chunking import Chunks
from opostd.smtp.data import DataReader
from opostd.smtp.faults import reply_to
from opostd.smtp.reply import Reply
from opostd.smtp.timing import LazyTimer

if TYPE_CHECKING:
    from opostd.smtp.door import SmtpDoor

log = logging.getLogger("opostd.smtp")
aiosmtpd.smtp.log.setLevel(logging.WARNING)  # below that it writes peers' lines as they are

MAX_LINE_READ = 64 * 1024  # without a newline in it: cut; also how much the reader keeps before it stops reading
CHUNK = 64 * 1024

# Cross-protocol attacks: a browser or a TLS client talks to us, with mail in what it says (ALPACA).
HTTP_VERBS = frozenset({"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE", "PRI"})
TLS_HANDSHAKE = 0x16  # first octet of a TLS record, and of no command


class Cut(Exception):
    """The connection is not worth more.  reply: the last words, or None to say nothing."""

    def __init__(self, reply: Reply | None) -> None:
        super().__init__()
        self.reply = reply


class Connection(SMTP, ABC):
    """What every session has of its connection.  ``_command`` and ``_connected`` are the session's own."""

    line_length_limit = MAX_LINE_READ  # aiosmtpd hands it to the stream reader

    def __init__(self, door: "SmtpDoor", source: proxy.Source | None = None) -> None:
        super().__init__(door.hooks, enable_SMTPUTF8=True, hostname=door.hostname, loop=asyncio.get_running_loop())
        self.door = door
        self._source = source  # the client's address, where a balancer has told it
        self.peer = self.peer_host = ""
        self.secure = False
        self._policy = policy.POLICIES[door.kind]
        self._timing = door.timing
        self._timer = LazyTimer(self.loop, self._expired)
        self._loopback = False
        self._welcome = True
        self._closing = False  # nothing more is read; what was written still leaves
        self._busy = False  # in a commit: not to be disturbed
        self._last: Reply | None = None  # said as soon as it may be, and then nothing more
        self._heard = False
        self._errors = self._unknown = self._in_a_row = 0
        self._out = bytearray()
        self._data: DataReader | Chunks | None = None  # what is being read now
        self._window_start = 0  # octets of it when the present window began

    @abstractmethod
    def _connected(self) -> None:
        """The peer is known now."""

    @abstractmethod
    def _ended(self) -> None:
        """Nothing more is read or said."""

    @abstractmethod
    async def _command(self, line: bytes) -> None:
        """One line with its CRLF.  Raises Cut, and what a connection that ends raises."""

    # -- the connection: what asyncio calls ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # no isinstance here: uvloop's is no asyncio.Transport
        asyncio.StreamReaderProtocol.connection_made(self, transport)
        peer = self._source or transport.get_extra_info("peername")
        self.peer_host = str(peer[0]) if isinstance(peer, tuple) else "local"
        self.peer = f"[{self.peer_host}]:{peer[1]}" if isinstance(peer, tuple) else "local"
        self._loopback = policy.is_loopback(peer) and policy.is_loopback(transport.get_extra_info("sockname"))
        self.secure = transport.get_extra_info("sslcontext") is not None
        self.session = self._create_session()
        self._welcome = self.door.unknown.enter(self, self.peer_host)
        self._connected()
        self.door.sessions.add(self)
        self._handler_coroutine = self.loop.create_task(self._handle_client())

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if not self._heard:
            self._heard = True
            if data[0] == TLS_HANDSHAKE:
                log.warning("cut peer=%s reason=tls-on-plain-port", self.peer)
                self._close(None)
                return
        super().data_received(data)

    def eof_received(self) -> bool:
        """What came before the EOF is still served, and answered where the transport can (not under TLS)."""
        asyncio.StreamReaderProtocol.eof_received(self)
        return not self.secure

    def connection_lost(self, error: Exception | None) -> None:
        """The task is not cancelled: it ends at its next read or write, and a commit ends first."""
        self._closing = True
        self._timer.cancel()
        asyncio.StreamReaderProtocol.connection_lost(self, None)

    def _expired(self) -> None:
        if self._closing:
            if self.transport is not None:
                self.transport.abort()  # type: ignore[attr-defined]  # it does not read its last reply
            return
        if self._data is not None:
            if self._data.octets - self._window_start >= self._timing.data_window_octets:
                self._window_start = self._data.octets
                self._timer.after(self._timing.data_window_s)
                return
            log.warning("cut peer=%s reason=slow-data octets=%d", self.peer, self._data.octets)
            self._close(say.DATA_TOO_SLOW)
            return
        log.info("timeout peer=%s", self.peer)
        self._close(say.timed_out(self.door.hostname))

    # -- writing -------------------------------------------------------------------------------------------------

    def _say(self, reply: Reply) -> None:
        self._out += reply.octets

    def _flush(self) -> None:
        if self._out:
            if self.transport is not None and not self.transport.is_closing():
                self._writer.write(bytes(self._out))
            self._out.clear()

    async def _drain(self) -> None:
        """Write, and wait while the peer does not read; most often there is nothing to wait for."""
        self._flush()
        if self._paused:  # type: ignore[attr-defined]
            await self._drain_helper()  # type: ignore[attr-defined]

    async def _answer(self, reply: Reply) -> None:
        """Say it; the third error and the following come late, and the tenth is the last."""
        if reply.code >= 500:
            self._errors += 1
            if self._errors >= self._timing.max_errors:
                raise Cut(say.TOO_MANY_ERRORS)
            await self._punish()
        self._say(reply)

    async def _punish(self) -> None:
        if self._policy.patient or self._errors + self._unknown < self._timing.delayed_from_error:
            return
        await self._drain()
        await asyncio.sleep(self._timing.error_delay_s)

    def _close(self, last: Reply | None) -> None:
        """Last words, then the end.  Whoever waits for octets wakes up."""
        if self._closing:
            return
        self._closing = True
        if last is not None:
            self._say(last)
        self._flush()
        if self.transport is not None:
            self.transport.close()
        self._reader.feed_eof()
        self._timer.after(self._timing.linger_s)

    def stop(self) -> None:
        """The server goes down."""
        self.cut_off(say.shutting_down(self.door.hostname))

    def cut_off(self, last: Reply) -> None:
        """Last words, at once or as soon as the commit under way is answered."""
        self._last = last
        if not self._busy:
            self._close(last)

    # Methods and no properties: aiosmtpd looks at every attribute of a session before there is a connection.

    def task(self) -> "asyncio.Task[None]":
        """What serves this connection."""
        assert self._handler_coroutine is not None
        return self._handler_coroutine

    def gone(self) -> "asyncio.Future[None]":
        """Done when the connection is closed on both sides."""
        return self._closed  # type: ignore[no-any-return,attr-defined]

    async def hang(self) -> None:
        """No more answers until the client gives up, or the server ends it.  Raises Cut."""
        while await self._reader.read(CHUNK):
            pass
        raise Cut(None)

    def abort(self) -> None:
        """End the connection whether its last reply has left or not."""
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]

    # -- reading -------------------------------------------------------------------------------------------------

    async def _read_line(self) -> bytes:
        """One line with its line end.  Raises IncompleteReadError at the end of the connection, Cut."""
        # A pipelining client gets its answers together (RFC 2920 3.2), and before we wait for it.
        if self._out and b"\n" not in self._reader._buffer:  # type: ignore[attr-defined]
            await self._drain()
        self._in_a_row += 1
        if self._in_a_row > self._timing.max_commands_in_a_row:
            self._in_a_row = 0
            await self._drain()
            await asyncio.sleep(0)
        try:
            line: bytes = await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise Cut(say.LINE_WITHOUT_END) from None
        if line[-2:] != b"\r\n" or line.find(b"\r") != len(line) - 2 or b"\0" in line:
            if line.split(b" ", 1)[0].upper().decode("latin-1") in HTTP_VERBS:
                raise Cut(None)
            log.warning("cut peer=%s reason=bare-line-end", self.peer)
            raise Cut(say.BAD_LINE)
        return line

    async def _handle_client(self) -> None:
        if self._welcome:
            self._say(say.greeting(self.door.hostname, self._policy.lhlo))
        try:
            if not self._welcome:
                log.warning("cut peer=%s reason=too-many-connections", self.peer)
                raise Cut(say.TOO_MANY_CONNECTIONS)
            if self.door.stopping:
                raise Cut(say.shutting_down(self.door.hostname))
            while not self._closing:
                self._timer.after(self._timing.idle_s)
                await self._command(await self._read_line())
                if self._last is not None:
                    raise Cut(self._last)
        except Cut as cut:
            self._close(cut.reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # gone, or cut meanwhile
        except Exception as error:
            self._close(reply_to(error))
        finally:
            self._close(None)
            self._ended()
            self.door.unknown.leave(self)
            self.door.sessions.discard(self)
