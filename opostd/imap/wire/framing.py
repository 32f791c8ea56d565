"""Octets to whole commands: lines and literals, under limits (RFC 9051 4.3, RFC 7888; security.md 1.5).

What must stay true: packet borders do not matter; no octet is looked at twice, whatever the borders; nothing is
kept that a limit does not cover; where the end of a literal cannot be known, the connection ends rather than that
the octets of a message are read as commands.

Deviation: a line may end in a bare LF, as it does when a person types it; within a line CR, LF and NUL are errors,
which ``cursor.command`` finds.
"""

from dataclasses import dataclass
from io import BytesIO

from opostd.imap.faults import Refused
from opostd.imap.limits import MAX_RAW_LINE_OCTETS, FrameLimits
from opostd.imap.wire.grammar import APPEND, APPEND_NAMED_BY_LITERAL, LITERAL_END, TAG_ALONE

__all__ = ["Frame", "Framer", "Line", "NeedLiteral", "Refused"]

MAX_SIZE_DIGITS = 19  # 2**63 has 19: a longer number is over every limit, and is never handed to int()


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole command.

    text: its lines without the last line end; behind each ``{n}`` stands CRLF, and the n octets are the next of
    ``literals``.  Offsets of errors are into ``text``.
    """

    text: bytes
    literals: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A line of its own, in raw line mode: a SASL response, or DONE.  octets: without the line end."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class NeedLiteral:
    """The client waits for ``+`` before it sends a synchronising literal."""


_NEED_LITERAL = NeedLiteral()


class Framer:
    """Takes octets as they come, gives what is whole.  ``limits`` and ``raw_line`` may be set between two commands."""

    def __init__(self, limits: FrameLimits) -> None:
        self.limits = limits
        self.raw_line = False
        self._dead: Refused | None = None
        self.clear()

    def clear(self) -> None:
        """Drops all that came and was not yet given out (STARTTLS, RFC 9051 6.2.1)."""
        self._buffer = bytearray()
        self._searched = 0  # so far there is no LF in the buffer
        self._begin()

    def _begin(self) -> None:
        """A new command begins."""
        self._lines: list[bytes] = []
        self._line_octets = 0
        self._literals: list[bytes] = []
        self._literal_octets = 0
        self._literal: BytesIO | None = None
        self._missing = 0  # octets of the literal that have not come yet
        self._message_octets = 0

    @property
    def buffered(self) -> int:
        """Octets that came ahead of the command that is being read."""
        return len(self._buffer)

    def take_buffered(self) -> bytes:
        """What came behind the command that was given out last, which is in another form from here on."""
        octets = bytes(self._buffer)
        self.clear()
        return octets

    def feed(self, octets: bytes) -> None:
        """Octets from the client, in pieces of any size."""
        if self._dead is not None:
            return
        if self._literal is not None and self._missing:  # the buffer is empty then
            taken = octets if len(octets) <= self._missing else octets[: self._missing]
            self._literal.write(taken)
            self._missing -= len(taken)
            octets = octets[len(taken) :]
        self._buffer += octets

    def next(self) -> Frame | Line | NeedLiteral | Refused | None:
        """What is whole, or None until more octets come.  A fatal Refused is the answer for ever."""
        if self._dead is not None:
            return self._dead
        while True:
            if self._literal is not None:
                if self._missing:
                    return None
                self._literals.append(self._literal.getvalue())
                self._literal = None
            buffer = self._buffer
            end = buffer.find(b"\n", self._searched)
            room = self.limits.line - self._line_octets
            if self.raw_line and room > MAX_RAW_LINE_OCTETS:
                room = MAX_RAW_LINE_OCTETS
            if end < 0:
                self._searched = len(buffer)
                return self._die("the line is too long") if self._searched > room + 1 else None  # + 1: the CR
            line = bytes(buffer[:end])
            del buffer[: end + 1]  # moves the buffer's beginning, not its octets
            self._searched = 0
            if line[-1:] == b"\r":
                line = line[:-1]
            if len(line) > room:
                return self._die("the line is too long")
            if self.raw_line:
                return Line(line)
            if line[-1:] == b"}" and (size := LITERAL_END.fullmatch(line, self._marker(line))) is not None:
                self._lines.append(line)
                self._line_octets += len(line) + 2
                synchronising = not size[2]
                if (refused := self._start_literal(size[1], synchronising)) is not None:
                    return refused
                if synchronising:
                    return _NEED_LITERAL
            elif self._lines:
                frame = Frame(b"\r\n".join([*self._lines, line]), tuple(self._literals))
                self._begin()
                return frame
            elif line:  # an empty line between commands is a slip of some clients, and means nothing
                return Frame(line)

    @staticmethod
    def _marker(line: bytes) -> int:
        """Where the size of a literal at the end of the line would begin."""
        at = line.rfind(b"{")
        return at - 1 if at > 0 and line[at - 1] == 0x7E else max(at, 0)

    def _start_literal(self, digits: bytes, synchronising: bool) -> Refused | None:
        """Makes ready for a literal, and moves into it what is already there; or says why not."""
        digits = digits.lstrip(b"0") or b"0"
        size = int(digits) if len(digits) <= MAX_SIZE_DIGITS else None
        message = self._message_follows()
        if message:
            left = self.limits.messages - self._message_octets
            fits = size is not None and size <= min(self.limits.message, left)
        else:
            left = self.limits.literals - self._literal_octets
            fits = size is not None and size <= min(self.limits.literal, left)
        if size is None or not fits:
            text = "the literal is too long"
            if message:
                alone = size is None or size > self.limits.message
                text = "the message is too big" if alone else "the messages are too big together"
            if not synchronising:  # its octets are on their way, and would be read as commands
                return self._die(text, too_big=message)
            refused = Refused(self._tag(), text, too_big=message)
            self._begin()
            return refused
        if message:
            self._message_octets += size
        else:
            self._literal_octets += size
        self._literal = BytesIO()  # gives its own buffer at the end: a message is never held twice
        self._literal.write(self._buffer[:size])
        self._missing = size - min(size, len(self._buffer))
        del self._buffer[:size]
        return None

    def _message_follows(self) -> bool:
        """Whether the literal is a message of APPEND or REPLACE, where there is one: all but the mailbox name is."""
        if not self.limits.message:
            return False
        first = self._lines[0]
        if APPEND_NAMED_BY_LITERAL.match(first) is not None:
            return len(self._lines) > 1
        return APPEND.match(first) is not None

    def _tag(self) -> bytes:
        found = TAG_ALONE.match(self._lines[0]) if self._lines else None
        return found[1] if found is not None else b"*"

    def _die(self, text: str, *, too_big: bool = False) -> Refused:
        self._dead = Refused(self._tag(), text, fatal=True, too_big=too_big)
        self.clear()
        return self._dead
