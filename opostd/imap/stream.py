"""The octets of one connection: framed on their way in, put together on their way out, deflated where asked (RFC 4978).

Knows no command.  What must stay true: what waits here is bounded in both directions; nothing is written to a client
that is gone; the octets that a literal has promised are followed by nothing else, or by the end of the connection.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from opostd.imap.limits import FrameLimits
from opostd.imap.wire.deflate import STEP_OCTETS, Deflater, Inflater
from opostd.imap.wire.framing import Frame, Framer, Line, NeedLiteral, Refused

FLUSH_OCTETS = 64 * 1024  # put together before a write: Twisted's own high-water mark
COPIED_OCTETS = 8 * 1024  # to copy so many costs less than to name the pieces to the kernel
READ_AHEAD_OCTETS = 64 * 1024  # of pipelined commands held while one runs; then the client waits


class Transport(Protocol):
    """What a connection needs of the thing that carries its octets."""

    def write(self, octets: bytes) -> None: ...

    def write_pieces(self, pieces: Sequence[bytes]) -> None:
        """As ``write``, without putting them together first."""

    async def drain(self) -> None:
        """Returns when the client reads and others had their turn.

        Raises ConnectionError when it does not read for too long.
        """

    def start_tls(self) -> None: ...

    def channel_bindings(self) -> Mapping[str, bytes]:
        """What a login can be bound to, by its name (RFC 9266, RFC 5929 4); empty where there is nothing."""

    def close(self) -> None:
        """After what was written is out."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Gone(Exception):
    """The client has gone, or must go: nothing more is written."""


class Stream:
    """gone: nobody is there any more; ended: nothing more comes; fed: octets have come since ``take``.

    padded: what is deflated (wire/deflate).  midway: a part of a response is out, and its rest is not.
    """

    def __init__(self, transport: Transport, limits: FrameLimits) -> None:
        self.framer = Framer(limits)
        self.gone = False
        self.ended = False
        self.fed = False
        self.padded = False
        self.midway = False
        self._transport = transport
        self._more: asyncio.Future[None] | None = None
        self._deflater: Deflater | None = None
        self._inflater: Inflater | None = None
        self._out: list[bytes] = []
        self._out_octets = 0

    # In

    def feed(self, octets: bytes) -> None:
        """Octets from the client.  While a command runs, only so many are read ahead."""
        self.fed = True
        if self._inflater is None:
            self.framer.feed(octets)
            ahead = self.framer.buffered
        else:
            self._inflater.feed(octets)
            ahead = self._inflater.waiting
        if self._more is not None:
            self.wake()
        elif ahead > READ_AHEAD_OCTETS:
            self._transport.pause_reading()

    def lost(self) -> None:
        """The client has gone."""
        self.gone = True
        self.wake()

    def no_more(self) -> None:
        """The client says nothing more, and may still read."""
        self.ended = True
        self.wake()

    def take(self) -> Frame | Line | NeedLiteral | Refused | None:
        """What is whole; None when more must come."""
        self.fed = False
        return self.framer.next()

    async def inflated(self) -> bool:
        """One step of inflating; whether there was one.  A client that makes us inflate a lot keeps nobody waiting.

        Raises BadDeflate.
        """
        if self._inflater is None or not self._inflater.ready:
            return False
        self.framer.feed(self._inflater.next())
        await asyncio.sleep(0)
        return True

    async def wait(self) -> None:
        """Until octets have come, the client has gone, or ``wake``."""
        self._more = asyncio.get_running_loop().create_future()
        self._transport.resume_reading()
        try:
            await self._more
        finally:
            self._more = None

    def wake(self) -> None:
        """End ``wait``."""
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    # Out

    def write(self, octets: bytes) -> None:
        """With what is written next."""
        self._out.append(octets)
        self._out_octets += len(octets)

    async def write_whole(self, pieces: Sequence[bytes]) -> None:
        """Whole responses in pieces, sent as they fill a write; where that fails, nothing can be said any more."""
        for piece in pieces:
            self.write(piece)
            if self.full:
                self.midway = True  # a border between two responses may be here: not worth to know
                await self.flush()
        self.midway = False

    @property
    def full(self) -> bool:
        """Whether it is time to ``flush``."""
        return self._out_octets >= FLUSH_OCTETS

    async def flush(self) -> None:
        """Send what was written; where that is much, wait for the client.  Raises Gone, ConnectionError."""
        if not self._out:
            return
        pieces, octets = self._out, self._out_octets
        self._out, self._out_octets = [], 0
        if self.gone:
            raise Gone
        if self._deflater is not None:
            await self._write_deflated(b"".join(pieces), self._deflater)
        elif octets < COPIED_OCTETS:
            self._transport.write(b"".join(pieces))
        else:
            self._transport.write_pieces(pieces)
        if octets >= FLUSH_OCTETS:
            await self._transport.drain()

    async def _write_deflated(self, octets: bytes, deflater: Deflater) -> None:
        before, self.midway = self.midway, len(octets) > STEP_OCTETS
        for at in range(0, len(octets), STEP_OCTETS):
            if at:  # others are served while a large message is deflated
                await self._transport.drain()
                await asyncio.sleep(0)
                if self.gone:
                    raise Gone
            self._transport.write(deflater.burst(octets[at : at + STEP_OCTETS], padded=self.padded))
        self.midway = before

    def end(self, last: bytes) -> None:
        """These octets are the last, after what was written; nobody is waited for.

        In the middle of a response they are not said: the client would take them for octets of a message.
        """
        if not self.gone:
            octets = self._take_out() + last
            if not self.midway:
                self._transport.write(octets if self._deflater is None else self._deflater.burst(octets))
            self.lost()
            self._transport.close()

    def _take_out(self) -> bytes:
        octets = b"".join(self._out)
        self._out, self._out_octets = [], 0
        return octets

    # Compression

    @property
    def compressed(self) -> bool:
        return self._deflater is not None

    def begin_compression(self) -> None:
        """What the client has sent behind the command should be deflated already (RFC 4978 3)."""
        self._deflater, self._inflater = Deflater(), Inflater()
        self._inflater.feed(self.framer.take_buffered())

    def end_compression(self) -> None:
        """What has come stays, as it is."""
        if self._inflater is not None:
            rest = self._inflater.rest
            self._deflater = self._inflater = None
            self.framer.feed(rest)
