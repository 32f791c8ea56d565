"""DATA and BDAT: the message is read, committed, and answered.

RFC 5321 4.1.1.4, RFC 3030 (BDAT), RFC 2033 4.2 (LMTP).  What must stay true: 250 after a message is said after COMMIT
only.
"""

import asyncio

from opostd.intake.spool import IN_MEMORY, Spool
from opostd.smtp import chunking, transaction
from opostd.smtp import reply as say
from opostd.smtp.chunking import Chunks
from opostd.smtp.connection import CHUNK, Cut, log
from opostd.smtp.data import DataReader, Verdict
from opostd.smtp.faults import reply_to
from opostd.smtp.params import Body
from opostd.smtp.reply import Reply
from opostd.smtp.session import Session

REFUSED_DATA = {
    Verdict.TOO_BIG: say.TOO_BIG,
    Verdict.BARE_LINE_END: say.BARE_LINE_END,
    Verdict.NUL: say.NUL_IN_MESSAGE,
    Verdict.NO_SPACE: say.DISK_FULL,
}


class MessageCommands(Session):
    """The end of a transaction."""

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
            self._chunks = Chunks(limit, Spool(), binary=self.state.params.body is Body.BINARY)
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
        begun = self.loop.time()
        try:
            if data.octets > IN_MEMORY:
                async with self.door.large:  # as many of these stand in memory at once, not as many as come in
                    replies = await self._take(data)
            else:
                replies = await self._take(data)
        finally:
            self._busy = False
        self._count(replies, self.loop.time() - begun)
        each = replies if self._policy.lhlo else replies[:1]  # RFC 2033 4.2: one for each RCPT taken
        self._apply(transaction.Done(each[0]))
        for reply in each:
            self._say(reply)
        if all(reply.code >= 500 for reply in each):
            self._errors += 1  # the message has its reply whatever comes of this
            if self._errors >= self._timing.max_errors:
                raise Cut(say.TOO_MANY_ERRORS)

    def _count(self, replies: tuple[Reply, ...], took_s: float) -> None:
        door, best = self.door.kind.value, min(reply.code for reply in replies)
        result = "accepted" if best < 400 else "deferred" if best < 500 else "refused"
        self.door.counts.messages[door, result] += 1
        self.door.counts.accepting[door].add(took_s)

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

    async def _take(self, data: DataReader | Chunks) -> tuple[Reply, ...]:
        """Commit one message; the reply to its end, for each recipient."""
        count = len(self.state.recipients)
        try:
            # Megabytes are read back and searched in a thread: others are served meanwhile.
            verdict, raw = await asyncio.to_thread(data.result) if data.octets > IN_MEMORY else data.result()
            if verdict is not Verdict.GOOD:
                return (REFUSED_DATA[verdict],) * count
            replies: tuple[Reply, ...] = await self._call_handler_hook("DATA", raw)
            return replies
        except Exception as error:
            return (reply_to(error),) * count
