"""One connection: octets in, one command at a time through frame, parse, check, handle, format, octets out.

Knows no Twisted and no socket: ``Transport`` is what it needs of one.  Commands are answered in the order they came
(a client may pipeline); the next is taken from the buffer when the one before is done.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

from opostd.imap import extensions, faults
from opostd.imap.commands.table import ROWS_CAPABILITIES, TABLE, Row
from opostd.imap.format.any import format_response, format_state
from opostd.imap.limits import AFTER_LOGIN, BEFORE_LOGIN, frame_limits
from opostd.imap.news import BOX_GONE, News
from opostd.imap.progress import Waiting
from opostd.imap.progress import code as progress_code
from opostd.imap.session import Services, Session
from opostd.imap.state.machine import State, refusal
from opostd.imap.stream import Gone, Stream, Transport
from opostd.imap.users import UserCounts
from opostd.imap.values.responses import Condition, Continue, Done, Response
from opostd.imap.values.responses import State as Status
from opostd.imap.wire.cursor import command as read_command
from opostd.imap.wire.deflate import BadDeflate
from opostd.imap.wire.framing import Frame, Line, NeedLiteral, Refused
from opostd.model.errors import BadSyntax, OpostError
from opostd.model.records import Account

log = logging.getLogger("opostd.imap")

UIDS_ONLY = Done(Condition.BAD, "no message numbers: UIDONLY is enabled", b"UIDREQUIRED")  # RFC 9586 3
LEAVING = frozenset((b"LOGOUT", b"UNAUTHENTICATE", b"UNSELECT"))  # nothing is read, changed or told
MAX_ERRORS_BEFORE_LOGIN = 20  # security.md 1.5


class Connection:
    """Feed it octets; ``run`` is its life.  ``deadline`` is when it is idle for too long, by the loop's clock."""

    def __init__(
        self,
        services: Services,
        transport: Transport,
        users: UserCounts,
        *,
        peer: str,
        tls: bool,
        tls_offered: bool,
        plaintext_allowed: bool,
    ) -> None:
        self.session = Session(services, self)
        self.peer = peer
        self.tls = tls
        self.tls_offered = tls_offered
        self.plaintext_allowed = plaintext_allowed
        self._services = services
        self._transport = transport
        self._users = users
        self._stream = Stream(transport, frame_limits(BEFORE_LOGIN, services.limits.max_message_octets))
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._busy = False
        self._after_reply: Callable[[], Awaitable[None]] | None = None
        self._errors = 0
        self._news = News(self.session, self._stream, transport, self._leave)
        self.deadline = self._loop.time() + services.settings.login_timeout_s

    # Octets

    def feed(self, octets: bytes) -> None:
        """Octets from the client."""
        self._stream.feed(octets)

    def lost(self) -> None:
        """The client has gone."""
        self._stream.lost()

    def no_more(self) -> None:
        """The client has closed its side: what it has said is done and answered, then the connection ends."""
        self._stream.no_more()

    async def _next(self, tell: Callable[[], Awaitable[None]] | None) -> Frame | Line | NeedLiteral | Refused:
        """What the client says next.  tell: tells meanwhile what is due, called again after ``wake``."""
        stream, news, asked = self._stream, self._news, True
        while not stream.gone:
            if (thing := stream.take()) is not None:
                return thing
            try:
                if stream.compressed and await stream.inflated():
                    continue
            except BadDeflate as error:
                self._bye(str(error))
                raise Gone from error
            if tell is not None:
                await tell()
            await stream.flush()
            if stream.gone or stream.fed or (tell is not None and news.due):
                continue  # more has come while that was told
            if stream.ended:
                break
            if asked:
                self._touch()  # not when it is we who have something to say
            await stream.wait()
            asked = stream.fed
        raise Gone

    def _touch(self) -> None:
        """A new wait begins.  Before login the one deadline stands, or a dripping client would never meet it."""
        if self.session.account is not None:
            self.deadline = self._loop.time() + self._services.settings.idle_timeout_s

    # The life of a connection

    async def run(self) -> None:
        """From the greeting to the end.  Never raises but when cancelled."""
        try:
            self._greet()
            while self.session.state is not State.LOGOUT and not self._stopping:
                self._busy = False
                thing = await self._next(self._news.tell if self.session.notices is not None else None)
                self._busy = True
                await self._take(thing)
            if self._stopping and self.session.state is not State.LOGOUT:
                self._stream.write(format_response(Status(Condition.BYE, "the server stops; come back in a moment")))
            await self._stream.flush()
        except (Gone, ConnectionError):
            pass
        except Exception:
            log.exception("imap connection failed: peer=%s", self.peer)
        finally:
            self.session.deselect()
            self.session.notify(None)
            if self.session.account is not None:
                self._users.leave(self, self.session.account)
            self._users.unknown.leave(self)
            self._transport.close()

    def _greet(self) -> None:  # by itself: what it makes is not kept for the life of the connection
        greeting = Status(Condition.OK, f"{self._services.hostname} ready", self._capability_code())
        self._stream.write(format_response(greeting))

    def stop(self) -> None:
        """The server stops: a running command ends first, an idle client is told at once."""
        self._stopping = True
        if not self._busy:
            self._bye("the server stops; come back in a moment")

    def expire(self) -> None:
        """The deadline has passed."""
        self._bye("idle for too long")

    def cut_off(self, why: str) -> None:
        """The account was disabled or deleted."""
        self._bye(why)

    def _bye(self, text: str) -> None:
        self._stream.end(format_response(Status(Condition.BYE, text)))

    def _leave(self, text: str) -> NoReturn:
        self._bye(text)
        raise Gone

    # One command

    async def _take(self, thing: Frame | Line | NeedLiteral | Refused) -> None:
        match thing:
            case NeedLiteral():
                self._stream.write(format_response(Continue(b"OK")))
            case Refused():
                await self._refuse(thing)
            case Frame():
                await self._command(thing)
            case Line():  # only asked for within a command
                raise RuntimeError("a raw line outside of a command")

    async def _refuse(self, refused: Refused) -> None:
        status = faults.refused(refused)
        if refused.fatal:
            self._stream.write(format_response(Status(Condition.BYE, status.text, status.code)))
            await self._stream.flush()
            raise Gone
        self._stream.write(format_response(status, refused.tag))
        self._note(status.condition, status.text)
        self._count_error()

    def _count_error(self) -> None:
        if self.session.account is None:
            self._errors += 1
            if self._errors >= MAX_ERRORS_BEFORE_LOGIN:
                self._leave("too many errors")

    async def _command(self, frame: Frame) -> None:
        tag = b"*"
        row: Row | None = None
        may_expunge = False
        before, begun = self.session.selected, self._loop.time()
        try:
            tag, name, arguments = read_command(frame, utf8=self.session.utf8)
            self.session.tag = tag
            row = TABLE.get(name)
            if row is None:
                done = Done(Condition.BAD, "no such command")
            elif (why := refusal(self.session.state, row.states)) is not None:
                done = Done(Condition.BAD, why)
            else:
                command = row.parse(arguments)
                may_expunge = row.expunges(command)
                if self.session.uid_only and row.counts(command):
                    done = UIDS_ONLY
                else:
                    if before is not None and before.foreign and row.name not in LEAVING:
                        await self._news.look_at_rights()
                    done = await self._handle(row, command)
            if done.condition is not Condition.OK:
                self._note(done.condition, f"{name[:40]!r}: {done.text}")
        except (Gone, ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            done = self._fault(error)
            if self._stream.midway:  # a tagged line would be taken for octets of the message
                log.warning("cut peer=%s reason=midway %s", self.peer, done.text)
                raise Gone from error
            tag = getattr(error, "tag", None) or tag
        if self.session.selected is not None and self.session.selected.live.deleted:
            self._leave(BOX_GONE)
        if row is not None and self.session.selected is before:  # in the answer to SELECT one picture is enough
            await self._news.show(may_expunge=may_expunge, everything=row.tells_all)
        code = done.code
        if done.highestmodseq and self.session.selected is not None:
            code = b"HIGHESTMODSEQ %d" % self.session.selected.view.whole
        self._stream.write(format_state(done.condition, done.text, code, tag))
        if row is not None and row.name != b"IDLE":  # which takes as long as its client likes
            self._services.counts.commands[row.name].add(self._loop.time() - begun)
        if done.condition is Condition.BAD:
            self._count_error()
        if self._after_reply is not None:
            change, self._after_reply = self._after_reply, None
            await self._stream.flush()
            await change()

    async def _handle(self, row: Row, command: object) -> Done:
        done = row.completed
        self.session.looked = 0
        waiting = Waiting(self._tell_progress) if row.slow else None
        try:
            async for response in row.handle(self.session, command):
                if waiting is not None:
                    waiting.end()
                if isinstance(response, bytes):
                    self._stream.write(response)
                elif isinstance(response, list):
                    await self._stream.write_whole(response)
                elif isinstance(response, Done):
                    done = response
                else:
                    self._stream.write(format_response(response, utf8=self.session.utf8))
                if self._stream.full:
                    await self._stream.flush()
        finally:
            if waiting is not None:
                waiting.end()
        return done

    async def _tell_progress(self) -> None:
        code = progress_code(self.session.tag, self.session.looked)
        self._stream.write(format_response(Status(Condition.OK, "still at it", code)))
        with contextlib.suppress(Gone):
            await self._stream.flush()

    def _fault(self, error: Exception) -> Done:
        """The answer to an error: refusals in words, our own bugs as a number that stands in the log."""
        incident = ""
        if not isinstance(error, OpostError):
            incident = secrets.token_hex(4)
            log.error("incident %s: peer=%s", incident, self.peer, exc_info=error)
        status = faults.reply(error, incident)
        if not incident:
            self._note(status.condition, f"{type(error).__name__}: {error}")
        return Done(status.condition, status.text, status.code)

    def _note(self, condition: Condition, what: str) -> None:
        """A refusal is told to the log, for who asks why a mail program complains; not the grammar of passers-by."""
        if condition is Condition.NO or (condition is Condition.BAD and self.session.account is not None):
            log.info("imap %s: peer=%s %s", condition.value.decode().lower(), self.peer, what)

    # What handlers ask of the connection (session.Wire)

    async def line(self) -> bytes:
        return await self._line(None)

    async def _line(self, tell: Callable[[], Awaitable[None]] | None) -> bytes:
        self._stream.framer.raw_line = True
        try:
            thing = await self._next(tell)
        finally:
            self._stream.framer.raw_line = False
        if isinstance(thing, Line):
            return thing.octets
        if isinstance(thing, Refused):
            raise BadSyntax(0, thing.text)
        raise RuntimeError("no raw line came in raw line mode")

    async def send(self, response: Response) -> None:
        self._stream.write(format_response(response))
        await self._stream.flush()

    @property
    def channel_bindings(self) -> Mapping[str, bytes]:
        return self._transport.channel_bindings() if self.tls else {}

    def start_tls_after_reply(self) -> None:
        self._after_reply = self._begin_tls

    async def _begin_tls(self) -> None:
        """All that is buffered is dropped: it came before TLS and may be another's (RFC 9051 6.2.1)."""
        self._stream.framer.clear()
        self._transport.start_tls()
        self.tls, self.tls_offered = True, False

    @property
    def compressed(self) -> bool:
        return self._stream.compressed

    def compress_after_reply(self) -> None:
        self._after_reply = self._begin_compression

    async def _begin_compression(self) -> None:
        self._stream.begin_compression()

    def log_out_after_reply(self) -> None:
        self._after_reply = self._begin_anew

    async def _begin_anew(self) -> None:
        """All state is as after the greeting but for TLS, and the count of failed logins (RFC 8437 3, 4.1).

        What the client has sent behind UNAUTHENTICATE stays: it may be its next login.
        """
        old = self.session
        old.notify(None)
        if old.account is not None:
            self._users.leave(self, old.account)
            self._users.unknown.enter(self, self.peer)  # counted where there is room; it was here before
        self.session = self._news.session = Session(self._services, self, failed_logins=old.failed_logins)
        self._stream.framer.limits = frame_limits(BEFORE_LOGIN, self._services.limits.max_message_octets)
        self.deadline = self._loop.time() + self._services.settings.login_timeout_s
        self._stream.end_compression()

    def logged_in(self, account: Account) -> None:
        self._users.enter(self, account)
        self.session.account = account
        self._stream.framer.limits = frame_limits(AFTER_LOGIN, self._services.limits.max_message_octets)

    async def idle(self) -> bytes:
        box, stream = self.session.selected, self._stream
        hears = box is not None and self.session.notices is None  # after NOTIFY its watch hears
        if box is not None and hears:
            box.live.watchers.add(self._news.wake)
        stream.padded = True
        self._busy = False  # an idle client is told of a stop at once
        try:
            return await self._line(self._news.idle)
        finally:
            self._busy = True
            stream.padded = False
            if box is not None and hears:
                box.live.watchers.discard(self._news.wake)

    def wake(self) -> None:
        self._news.wake()

    def capabilities(self) -> tuple[str, ...]:
        return extensions.announced(
            logged_in=self.session.account is not None,
            tls_available=self.tls_offered,
            tls_active=self.tls,
            plaintext_allowed=self.plaintext_allowed,
            append_limit=self._services.limits.max_message_octets,
            rows=ROWS_CAPABILITIES,
            scram=self._services.auth.offers_scram,
            channel_binding=self.session.account is None and bool(self.channel_bindings),
            bearer=self._services.auth.tokens is not None,
        )

    def _capability_code(self) -> bytes:
        return b"CAPABILITY " + " ".join(self.capabilities()).encode("ascii")
