"""A content filter beside us: rspamd, OpenDKIM, ClamAV's milter, or any that speaks the milter protocol.

Asked about each message when it is here, on a connection of its own.  Deviation: a filter hears of the connection, the
sender and the recipients only then, so that its answer to one recipient is the answer to the message.  What must stay
true: the whole of it ends within the time that the settings give; a filter that fails, or asks for what is not done,
lets nothing through but where the settings say so.
"""

import asyncio
import logging
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from opostd.checks import milter_wire as wire
from opostd.checks.milter_wire import BadMilter, Edits, Refusal
from opostd.config import FilterSettings, LimitSettings
from opostd.config.listen import split_listen, unix_path
from opostd.intake.message import CRLF, Message, read
from opostd.model.errors import Refused

log = logging.getLogger("opostd.checks")

FAULT = Refusal(451, "4.3.2", "the filter of this server does not work now, try again later")


class FilterRefused(Exception):
    """The message is refused."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Letter:
    """What a filter is told beside the message.  login: empty for nobody; post: the id that the logs will have."""

    peer: str
    helo: str
    mail_from: str
    recipients: Sequence[str]
    login: str
    post: str
    tls: bool


class Filters:
    """Those of one server, asked one after the other."""

    def __init__(self, settings: FilterSettings, *, hostname: str, limits: LimitSettings) -> None:
        self._settings = settings
        self._limits = limits
        self._hostname = hostname

    @property
    def active(self) -> bool:
        return bool(self._settings.milters)

    async def ask(self, message: Message, letter: Letter) -> tuple[Message, bool]:
        """The message as the filters leave it, and whether it belongs into Junk.  Raises FilterRefused."""
        junk = False
        for place in self._settings.milters:
            try:
                async with asyncio.timeout(self._settings.timeout_s):
                    edits = await self._one(place, message, letter)
                if edits.changes or edits.body is not None:
                    message = await asyncio.to_thread(self._applied, message, edits)
                junk = junk or edits.junk is not None
            except FilterRefused as refused:
                log.info("filter refused filter=%s id=%s reply=%r", place, letter.post, str(refused))
                raise
            except (BadMilter, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                log.warning("filter failed filter=%s id=%s error=%r", place, letter.post, error)
                if self._settings.on_fault == "tempfail":
                    raise FilterRefused(FAULT) from error
        return message, junk

    def _applied(self, message: Message, edits: Edits) -> Message:
        """What comes of the changes, which must be a message like any other.  Raises BadMilter."""
        changed = wire.apply(message, edits)
        try:
            read(changed.octets, self._limits)
        except Refused as error:
            raise BadMilter(f"makes a message that cannot be kept: {error}") from error
        return changed

    async def _one(self, place: str, message: Message, letter: Letter) -> Edits:
        reader, writer = await _connected(place)
        try:
            edits = await _Conversation(reader, writer).run(message, letter, self._hostname)
            writer.write(wire.packet(b"Q"))
            return edits
        except BaseException:
            writer.transport.abort()  # what it has not read yet keeps nobody
            raise
        finally:
            writer.close()


async def _connected(place: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    path: Path | None = unix_path(place)
    if path is not None:
        return await asyncio.open_unix_connection(path)
    found = split_listen(place)
    if found is None:
        raise BadMilter("no such place")
    return await asyncio.open_connection(*found)


class _Done(Exception):
    """The filter has heard enough, and the message may pass as it is."""


class _Conversation:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._steps = 0
        self._edits = Edits()

    async def run(self, message: Message, letter: Letter, hostname: str) -> Edits:
        self._writer.write(wire.offer())
        command, data = await self._answer()
        if command != b"O":
            raise BadMilter("no answer to the offer")
        self._steps = wire.agreed(data)
        leading = bool(self._steps & wire.LEADING_SPACE)
        self._edits = replace(self._edits, leading_space=leading)
        try:
            await self._envelope(letter, hostname)
            if not self._steps & wire.NO_HEADERS:
                for each in wire.headers(message, leading_space=leading):
                    await self._say(each, 0, wire.MUTE_HEADER)
            await self._say(wire.packet(b"N"), wire.NO_EOH, wire.MUTE_EOH)
            if not self._steps & wire.NO_BODY:
                await self._body(message.rest.removeprefix(CRLF))
            self._writer.write(wire.macros(b"E", [("i", letter.post)]))
            await self._end()
        except _Done:
            return Edits()
        return self._edits

    async def _envelope(self, letter: Letter, hostname: str) -> None:
        write = self._writer.write
        write(wire.macros(b"C", [("j", hostname), ("{daemon_name}", "opostd"), ("_", f"[{letter.peer}]")]))
        await self._say(wire.connect(letter.peer), wire.NO_CONNECT, wire.MUTE_CONNECT)
        write(wire.macros(b"H", [("{tls_version}", "TLS" if letter.tls else "")]))
        await self._say(wire.packet(b"H", wire.strings(letter.helo)), wire.NO_HELO, wire.MUTE_HELO)
        login = [("{auth_authen}", letter.login), ("{auth_type}", "PLAIN" if letter.login else "")]
        write(wire.macros(b"M", [("i", letter.post), ("{mail_addr}", letter.mail_from), *login]))
        sender = wire.packet(b"M", wire.strings(f"<{letter.mail_from}>"))
        await self._say(sender, wire.NO_MAIL, wire.MUTE_MAIL)
        for address in letter.recipients:
            write(wire.macros(b"R", [("{rcpt_addr}", address)]))
            await self._say(wire.packet(b"R", wire.strings(f"<{address}>")), wire.NO_RCPT, wire.MUTE_RCPT)
        await self._say(wire.packet(b"T"), wire.NO_DATA, wire.MUTE_DATA)

    async def _body(self, body: bytes) -> None:
        for at in range(0, len(body), wire.CHUNK):
            if await self._say(wire.packet(b"B", body[at : at + wire.CHUNK]), 0, wire.MUTE_BODY):
                return

    async def _say(self, packet: bytes, unwanted: int, mute: int) -> bool:
        """Say it where it is wanted; whether the filter wants no more of the same.  Raises what ends it all."""
        if unwanted and self._steps & unwanted:
            return False
        self._writer.write(packet)
        await self._writer.drain()
        if self._steps & mute:
            return False
        while True:
            command, data = await self._answer()
            if command == b"p":
                continue
            self._judge(command, data)
            if command in (b"c", b"s"):
                return command == b"s"
            raise BadMilter(f"answers {command!r}")

    async def _end(self) -> None:
        """The end of the message, after which the filter may ask for changes before it answers."""
        self._writer.write(wire.packet(b"E"))
        await self._writer.drain()
        octets = 0
        while True:
            command, data = await self._answer()
            octets += len(data)
            if octets > 64 * wire.MAX_PACKET:
                raise BadMilter("changes without an end")
            if command == b"p":
                continue
            if command in (b"c", b"a"):
                return
            self._judge(command, data)
            self._edits = wire.edit(self._edits, command, data)

    @staticmethod
    def _judge(command: bytes, data: bytes) -> None:
        refusal = wire.refusal(command, data)
        if refusal is not None:
            raise FilterRefused(refusal)
        if command == b"a":
            raise _Done

    async def _answer(self) -> tuple[bytes, bytes]:
        (length,) = struct.unpack(">I", await self._reader.readexactly(4))
        if not 1 <= length <= wire.MAX_PACKET:
            raise BadMilter(f"a packet of {length} octets")
        octets = await self._reader.readexactly(length)
        return octets[:1], octets[1:]
