"""Our one subclass of aiosmtpd's SMTP, and the door that makes sessions of it.

Only this file knows aiosmtpd's inside.  Of it stay the stream protocol, the dispatch to ``smtp_VERB`` and the hooks;
replaced are line reading, DATA, EHLO, AUTH, STARTTLS, replies, timers, and what happens when a peer goes away.

RFC 5321, 3207 (STARTTLS), 4954 (AUTH), 2033 (LMTP), 2920 (PIPELINING), 3030 (BDAT).  What must stay true: 250
after a message is said after COMMIT only; nothing that the peer does (EOF, reset, silence) stops a commit that has
begun; one line is one command; every wait ends.
"""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from typing import cast

import aiosmtpd.smtp
from aiosmtpd.smtp import SMTP

from opostd.auth import sasl
from opostd.auth.exchange import begin
from opostd.auth.login import Authenticator
from opostd.config import LimitSettings, Markdown
from opostd.intake.intake import Intake
from opostd.model.errors import BadAddress, LoginFailed, Unavailable
from opostd.model.records import Account
from opostd.smtp import chunking, extensions, path, policy, proxy, transaction
from opostd.smtp import reply as say
from opostd.smtp.chunking import Chunks
from opostd.smtp.data import DataReader, Verdict
from opostd.smtp.extensions import DoorKind, Offer
from opostd.smtp.faults import reply_to
from opostd.smtp.hooks import Hooks
from opostd.smtp.params import mail_params, rcpt_params
from opostd.smtp.reply import Reply
from opostd.smtp.spool import IN_MEMORY, Spool
from opostd.smtp.timing import LazyTimer, Pace, Timing

log = logging.getLogger("opostd.smtp")
aiosmtpd.smtp.log.setLevel(logging.WARNING)  # below that it writes peers' lines as they are

MAX_LINE = 512  # RFC 5321 4.5.3.1.4
MAX_EXTENDED_LINE = 2048  # room for what MAIL and RCPT grow by: SIZE, SMTPUTF8, AUTH, ENVID, ORCPT
MAX_AUTH_LINE = 12288  # RFC 4954 4
MAX_LINE_READ = 64 * 1024  # without a newline in it: cut; also how much the reader keeps before it stops reading
CHUNK = 64 * 1024
LAST_WORDS_S = 0.5  # of the time to stop, kept for the replies to leave
LARGE_AT_ONCE = 4  # messages over 1 MiB in memory at one time

# Cross-protocol attacks: a browser or a TLS client talks to us, with mail in what it says (ALPACA).
HTTP_VERBS = frozenset({"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE", "PRI"})
TLS_HANDSHAKE = 0x16  # first octet of a TLS record, and of no command

REFUSED_DATA = {
    Verdict.TOO_BIG: say.TOO_BIG,
    Verdict.BARE_LINE_END: say.BARE_LINE_END,
    Verdict.NUL: say.NUL_IN_MESSAGE,
    Verdict.NO_SPACE: say.DISK_FULL,
}


class Cut(Exception):
    """The connection is not worth more.  reply: the last words, or None to say nothing."""

    def __init__(self, reply: Reply | None) -> None:
        super().__init__()
        self.reply = reply


class SmtpSession(SMTP):
    """One connection."""

    line_length_limit = MAX_LINE_READ  # aiosmtpd hands it to the stream reader

    def __init__(self, door: "SmtpDoor", source: proxy.Source | None = None) -> None:
        super().__init__(door.hooks, enable_SMTPUTF8=True, hostname=door.hostname, loop=asyncio.get_running_loop())
        self.door = door
        self._source = source  # the client's address, where a balancer has told it
        self.state = transaction.Envelope()
        self.account: Account | None = None
        self.peer = self.peer_host = ""
        self.secure = False
        self._policy = policy.POLICIES[door.kind]
        self._timing = door.timing
        self._timer = LazyTimer(self.loop, self._expired)
        self._loopback = False
        self._closing = False  # nothing more is read; what was written still leaves
        self._busy = False  # in a commit: not to be disturbed
        self._heard = False
        self._errors = self._unknown = self._failed_logins = self._in_a_row = 0
        self._out = bytearray()
        self._data: DataReader | Chunks | None = None  # what is being read now
        self._window_start = 0  # octets of it when the present window began
        self._chunks: Chunks | None = None  # BDATs so far

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
        self._learn()
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
        """The server goes down: 421, at once or as soon as the commit under way is answered."""
        if not self._busy:
            self._close(say.shutting_down(self.door.hostname))

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
        self._say(say.greeting(self.door.hostname, self._policy.lhlo))
        try:
            if self.door.stopping:
                raise Cut(say.shutting_down(self.door.hostname))
            while not self._closing:
                self._timer.after(self._timing.idle_s)
                await self._command(await self._read_line())
                if self.door.stopping:
                    raise Cut(say.shutting_down(self.door.hostname))
        except Cut as cut:
            self._close(cut.reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # gone, or cut meanwhile
        except Exception as error:
            self._close(reply_to(error))
        finally:
            self._close(None)
            self._drop_chunks()
            self.door.sessions.discard(self)

    async def _command(self, line: bytes) -> None:
        verb_octets, _, rest = line[:-2].partition(b" ")
        verb = verb_octets.upper().decode("latin-1")
        if verb in HTTP_VERBS:
            log.warning("cut peer=%s reason=http", self.peer)
            raise Cut(None)
        if verb.startswith("BDAT"):
            return await self._bdat(line[:-2])
        limit = MAX_AUTH_LINE if verb == "AUTH" else MAX_EXTENDED_LINE if self.state.extended else MAX_LINE
        method = self._smtp_methods.get(verb)
        if len(line) > limit:
            await self._answer(say.LINE_TOO_LONG)
            return
        if method is None:
            await self._answer(say.UNKNOWN_COMMAND)
            return
        if rest.isascii():
            argument = rest.decode("ascii").strip(" ")
        else:
            if verb not in {"MAIL", "RCPT"}:
                await self._answer(say.BAD_OCTETS)
                return
            try:
                argument = rest.decode("utf-8").strip(" ")
            except UnicodeDecodeError:
                await self._answer(say.NEEDS_SMTPUTF8)
                return
        try:
            await method(argument)
        except (Cut, asyncio.IncompleteReadError, ConnectionError):
            raise
        except Exception as error:
            await self._answer(reply_to(error))

    # -- the session's standing ----------------------------------------------------------------------------------

    def _learn(self) -> None:
        """Work out what may be offered now: after connecting, TLS and login."""
        plain_login = self.door.plaintext_on_loopback and self._loopback
        login = self._policy.login and self.door.auth is not None and (self.secure or plain_login)
        octets, recipients = self.door.limits.max_message_octets, self.door.limits.max_recipients
        scram = self.door.auth is not None and self.door.auth.offers_scram
        offer = Offer(self.door.kind, self.secure, self.door.tls is not None, login, octets, recipients, scram)
        self._keywords = extensions.keywords(offer)
        self._mail_names, self._rcpt_names = extensions.parameters(offer)
        self._may_login = login
        self._rules = transaction.Rules(
            lhlo=self._policy.lhlo,
            needs_tls=not login and not self.secure,
            needs_login=self._policy.login and self.account is None,
            max_message_octets=octets,
            max_recipients=recipients,
        )

    def _apply(self, event: transaction.Event) -> Reply:
        self.state, reply = transaction.apply(self.state, event)
        if self._chunks is not None and not self.state.chunked:
            self._drop_chunks()
        return reply

    def _drop_chunks(self) -> None:
        if self._chunks is not None:
            self._chunks.drop()
            self._chunks = None

    async def _hello(self, name: str, *, extended: bool) -> None:
        if not name:
            await self._answer(say.NO_ARGUMENT)
        elif not path.is_hello_name(name):
            await self._answer(say.BAD_HELLO)
        else:
            keywords = self._keywords if extended else ()
            self._say(self._apply(transaction.Hello(name, self.door.hostname, extended, keywords)))

    async def smtp_EHLO(self, hostname: str) -> None:
        await (self._answer(say.UNKNOWN_COMMAND) if self._policy.lhlo else self._hello(hostname, extended=True))

    async def smtp_HELO(self, hostname: str) -> None:
        await (self._answer(say.UNKNOWN_COMMAND) if self._policy.lhlo else self._hello(hostname, extended=False))

    async def smtp_LHLO(self, hostname: str) -> None:
        await (self._hello(hostname, extended=True) if self._policy.lhlo else self._answer(say.UNKNOWN_COMMAND))

    # -- the transaction -----------------------------------------------------------------------------------------

    async def smtp_MAIL(self, arg: str | None) -> None:
        if (refusal := transaction.check_order(self.state, transaction.Mail, self._rules)) is not None:
            return await self._answer(refusal)
        text = self._after_keyword("FROM:", arg or "")
        if text is None:
            return await self._answer(say.BAD_MAIL_SYNTAX)
        try:
            sender, words = path.reverse_path(text)
        except BadAddress:
            return await self._answer(say.BAD_SENDER)
        if words and not self.state.extended:
            return await self._answer(say.UNKNOWN_PARAMETER)
        mail = transaction.Mail(sender, mail_params(words, self._mail_names))
        refusal = transaction.check_mail(mail, self._rules)
        if refusal is None:
            refusal = await self._call_handler_hook("MAIL", sender)
        if refusal is not None:
            return await self._answer(refusal)
        self._say(self._apply(mail))

    async def smtp_RCPT(self, arg: str | None) -> None:
        if (refusal := transaction.check_order(self.state, transaction.Rcpt, self._rules)) is not None:
            return await self._answer(refusal)
        text = self._after_keyword("TO:", arg or "")
        if text is None:
            return await self._answer(say.BAD_RCPT_SYNTAX)
        try:
            recipient, words = path.forward_path(text)
        except BadAddress:
            return await self._refuse_rcpt(say.BAD_RECIPIENT)
        if words and not self.state.extended:
            return await self._answer(say.UNKNOWN_PARAMETER)
        rcpt = transaction.Rcpt(recipient, rcpt_params(words, self._rcpt_names))
        if (refusal := transaction.check_rcpt(self.state, rcpt, self._rules)) is not None:
            return await self._refuse_rcpt(refusal)
        try:
            places = await self._call_handler_hook("RCPT", recipient)
        except Cut:
            raise
        except Exception as error:
            return await self._refuse_rcpt(reply_to(error))
        if isinstance(places, Reply):
            return await self._refuse_rcpt(places)
        self._say(self._apply(transaction.Rcpt(rcpt.path, rcpt.params, places)))

    async def _refuse_rcpt(self, refusal: Reply) -> None:
        """Harvesting costs time: [10] refusals a second and peer, [20] in a connection (security.md 1.2)."""
        self._apply(transaction.Refusal(refusal))
        if refusal.code >= 500 and not self._policy.patient:
            self._unknown += 1
            if self._unknown >= self._timing.max_unknown_recipients:
                raise Cut(say.TOO_MANY_UNKNOWN)
            await self._punish()
            wait_s = self.door.pace.wait_s(self.peer_host, self.loop.time())
            if wait_s > 0:
                await asyncio.sleep(wait_s)
        self._say(refusal)

    @staticmethod
    def _after_keyword(keyword: str, arg: str) -> str | None:
        """What follows ``FROM:`` or ``TO:``, from the ``<`` on; a space before it is a common mistake."""
        if arg[: len(keyword)].upper() != keyword:
            return None
        text = arg[len(keyword) :].lstrip(" ")
        return text if text.startswith("<") else None

    async def smtp_DATA(self, arg: str | None) -> None:
        if arg:
            return await self._answer(say.NO_ARGUMENTS_ALLOWED)
        if (refusal := transaction.check_order(self.state, transaction.Data, self._rules)) is not None:
            return await self._answer(refusal)
        self._say(say.GO_ON)
        await self._drain()
        await self._finish(await self._read_data())

    async def _bdat(self, line: bytes) -> None:
        """One chunk (RFC 3030 2): its octets are taken off the wire first, whatever becomes of it."""
        command = chunking.parse(line)
        if command is None:
            log.warning("cut peer=%s reason=bad-bdat", self.peer)
            raise Cut(say.BAD_CHUNK)
        refusal = transaction.check_order(self.state, transaction.Chunk, self._rules)
        limit = self.door.limits.max_message_octets
        if refusal is not None:
            await self._read_chunk(Chunks(limit, None), command.size)
            return await self._answer(refusal)
        if self._chunks is None:
            self._chunks = Chunks(limit, Spool())
        message = self._chunks
        await self._read_chunk(message, command.size)
        if command.last:
            self._chunks = None
            return await self._finish(message)
        taken = self._apply(transaction.Chunk(command.size))
        if message.refused is not None:
            return await self._answer(REFUSED_DATA[message.refused])
        self._say(taken)

    async def _read_chunk(self, message: Chunks, size: int) -> None:
        message.begin(size)
        if message.overrun:
            log.warning("cut peer=%s reason=endless-data octets=%d", self.peer, size)
            raise Cut(say.TOO_BIG)
        self._data, self._window_start = message, message.octets
        self._timer.after(self._timing.data_window_s)
        try:
            while size:
                if len(self._reader._buffer) < size:  # type: ignore[attr-defined]
                    await self._drain()
                octets = await self._reader.read(min(size, CHUNK))
                if not octets:
                    raise ConnectionResetError("end of connection in a chunk")
                message.feed(octets)
                size -= len(octets)
        finally:
            self._data = None

    async def _finish(self, data: DataReader | Chunks) -> None:
        """The message is here: commit it, and answer."""
        self._timer.pause()
        self._busy = True
        try:
            if data.octets > IN_MEMORY:
                async with self.door.large:  # as many of these stand in memory at once, not as many as come in
                    reply = await self._take(data)
            else:
                reply = await self._take(data)
        finally:
            self._busy = False
        copies = len(self.state.recipients) if self._policy.lhlo else 1  # RFC 2033 4.2: one for each RCPT taken
        self._apply(transaction.Done(reply))
        for _ in range(copies):
            self._say(reply)
        if reply.code >= 500:
            self._errors += 1  # the message has its reply whatever comes of this
            if self._errors >= self._timing.max_errors:
                raise Cut(say.TOO_MANY_ERRORS)

    async def _read_data(self) -> DataReader:
        """All of the message, in memory or on disk.  What stood behind its end waits to be read as commands."""
        data = DataReader(self.door.limits.max_message_octets, Spool())
        self._data, self._window_start = data, 0
        self._timer.after(self._timing.data_window_s)
        try:
            while True:
                chunk = await self._reader.read(CHUNK)
                if not chunk:
                    raise ConnectionResetError("end of connection in a message")  # nothing is kept (RFC 5321 4.1.1.4)
                rest = data.feed(chunk)
                if rest is not None:
                    if rest:
                        self._reader._buffer[:0] = rest  # type: ignore[attr-defined]
                    return data
                if data.overrun:
                    log.warning("cut peer=%s reason=endless-data octets=%d", self.peer, data.octets)
                    raise Cut(say.TOO_BIG)
        except BaseException:
            data.drop()
            raise
        finally:
            self._data = None

    async def _take(self, data: DataReader | Chunks) -> Reply:
        """Commit one message; the reply to its end."""
        try:
            # Megabytes are read back and searched in a thread: others are served meanwhile.
            verdict, raw = await asyncio.to_thread(data.result) if data.octets > IN_MEMORY else data.result()
            if verdict is not Verdict.GOOD:
                return REFUSED_DATA[verdict]
            return say.accepted((await self._call_handler_hook("DATA", raw)).hex())
        except Exception as error:
            return reply_to(error)

    async def smtp_RSET(self, arg: str | None) -> None:
        if arg:
            return await self._answer(say.NO_ARGUMENTS_ALLOWED)
        self._say(self._apply(transaction.Reset()))

    # -- commands that change nothing ----------------------------------------------------------------------------

    async def smtp_NOOP(self, arg: str | None) -> None:
        self._say(say.OK)

    async def smtp_HELP(self, arg: str | None) -> None:
        self._say(say.HELP)

    async def smtp_VRFY(self, arg: str | None) -> None:
        """The same for known and unknown (security.md 1.1)."""
        await self._answer(say.CANNOT_VERIFY if arg else say.NO_ARGUMENT)

    async def smtp_EXPN(self, arg: str | None) -> None:
        await self._answer(say.NOT_IMPLEMENTED)

    async def smtp_QUIT(self, arg: str | None) -> None:
        if arg:
            return await self._answer(say.NO_ARGUMENTS_ALLOWED)
        raise Cut(say.BYE)

    # -- TLS and login -------------------------------------------------------------------------------------------

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        if arg:
            return await self._answer(say.NO_ARGUMENTS_ALLOWED)
        if self.secure:
            return await self._answer(say.TLS_ALREADY)
        if self.door.tls is None:
            return await self._answer(say.NOT_IMPLEMENTED)
        if self._reader._buffer:  # type: ignore[attr-defined]
            # Said in the clear by whoever sits between, to be heard as if under TLS (CVE-2011-0411).
            log.warning("cut peer=%s reason=octets-behind-starttls", self.peer)
            raise Cut(say.OCTETS_BEHIND_STARTTLS)
        self._say(self._apply(transaction.Secured()))
        self._flush()
        self._timer.pause()
        self.secure = True
        # What else comes in the clear from here on is read as TLS, and fails the handshake.
        plain = cast(asyncio.Transport, self.transport)
        try:
            transport = await self.loop.start_tls(
                plain, self, self.door.tls, server_side=True, ssl_handshake_timeout=self._timing.handshake_s
            )
        except OSError as error:  # ssl.SSLError and the handshake's timeout are such
            log.info("no-tls peer=%s error=%r", self.peer, error)
            raise ConnectionResetError("no TLS") from None
        if transport is None:
            raise ConnectionResetError("connection lost in the TLS handshake")
        self.transport = self._transport = transport
        self._writer._transport = transport  # type: ignore[attr-defined]
        self._reader._transport = transport  # type: ignore[attr-defined]
        self._over_ssl = True
        self._learn()

    async def smtp_AUTH(self, arg: str | None) -> None:
        if not self._policy.login or self.door.auth is None:
            return await self._answer(say.AUTH_NOT_HERE)
        if (refusal := transaction.check_order(self.state, transaction.Auth, self._rules)) is not None:
            return await self._answer(refusal)
        if not self._may_login:
            return await self._answer(say.ENCRYPTION_NEEDED)
        if self.account is not None:
            return await self._answer(say.AUTH_ALREADY)
        if not arg:
            return await self._answer(say.NO_ARGUMENT)
        mechanism, _, initial = arg.partition(" ")
        conversation = begin(mechanism, self.door.auth, {}, self.peer_host)
        if conversation is None:
            return await self._answer(say.UNKNOWN_MECHANISM)
        try:
            account = await conversation.run(sasl.decode(initial) if initial else None, self._ask)
        except sasl.BadExchange:
            return await self._answer(say.BAD_AUTH)
        except LoginFailed:
            self._failed_logins += 1
            log.warning("login-failed peer=%s name=%r", self.peer, conversation.name)
            self._say(say.LOGIN_FAILED)
            if self._failed_logins >= self._timing.max_failed_logins:
                raise Cut(say.TOO_MANY_LOGINS) from None
            return
        except Unavailable as error:
            reply_to(error)  # its line in the log
            self._say(say.LOGIN_UNAVAILABLE)
            return
        if account is None:
            return await self._answer(say.AUTH_CANCELLED)
        self.account = account
        self._learn()
        self._say(say.LOGGED_IN)

    async def _ask(self, challenge: bytes) -> bytes | None:
        """A challenge, and the response to it; None if the client cancels with ``*``."""
        self._say(say.challenge(sasl.encode(challenge)))
        line = (await self._read_line())[:-2]
        if line == b"*":
            return None
        if len(line) > MAX_AUTH_LINE:
            raise sasl.BadExchange
        return sasl.decode(line)


class SmtpDoor:
    """One kind of door: what all its sessions share.  ``factory`` makes a protocol for each connection."""

    def __init__(
        self,
        *,
        kind: DoorKind,
        hostname: str,
        intake: Intake,
        auth: Authenticator | None,
        limits: LimitSettings,
        markdown: Markdown,
        plaintext_on_loopback: bool,
        tls: ssl.SSLContext | None,
        timing: Timing | None = None,
        proxies: Sequence[proxy.Network] = (),
        demo: bool = False,
    ) -> None:
        self.kind = kind
        self.hostname = hostname
        self.auth = auth
        self.limits = limits
        self.plaintext_on_loopback = plaintext_on_loopback
        self.tls = tls
        self.timing = timing or Timing()
        self.proxies = proxies
        self.hooks = Hooks(kind, intake, markdown, demo=demo)
        # Strong references: a session that waits for its commit is forgotten by its transport when the peer goes.
        self.sessions: set[SmtpSession] = set()
        self.stopping = False
        self.pace = Pace(self.timing.unknown_per_s)
        self.large = asyncio.Semaphore(LARGE_AT_ONCE)

    def factory(self, *, implicit_tls: bool) -> asyncio.Protocol:
        """The protocol of one new connection, for ``loop.create_server``.

        implicit_tls: the listener was made with the TLS context; the session sees it for itself at the connection.
        """
        if self.proxies and not implicit_tls:  # under TLS from the start there is no place for the header
            return proxy.Front(self.proxies, lambda source: SmtpSession(self, source))
        return SmtpSession(self)

    async def shutdown(self) -> None:
        """421 to every session, commits under way finished and answered first; returns within 5 s."""
        self.stopping = True
        loop = asyncio.get_running_loop()
        end = loop.time() + self.timing.shutdown_s
        sessions = list(self.sessions)
        for session in sessions:
            session.stop()
        tasks = [session.task() for session in sessions]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self.timing.shutdown_s - LAST_WORDS_S)
        for task in late:
            task.cancel()
        if late:
            log.warning("cancelled sessions=%d", len(late))
            await asyncio.wait(late)
        # What has been said is still to leave; who does not read it does not hold the others up.
        await asyncio.wait([session.gone() for session in sessions], timeout=max(0.0, end - loop.time()))
        for session in sessions:
            session.abort()
