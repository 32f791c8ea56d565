"""The octets after DATA: where the message ends, and what of it is the message.

Pure, fed in chunks.  RFC 5321 4.1.1.4 (end of data), 4.5.2 (transparency), 2.3.8 (line ends).  What must stay true:
only CRLF.CRLF ends the message, wherever the borders of the chunks fall; a bare CR or LF is refused after that end,
never repaired and never taken for a line end, so that no other server reads two messages where we read one; memory
is bounded by ``max_octets`` whatever the client sends.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Protocol

from opostd.mime.pieces import lines, only_crlf

END = b"\r\n.\r\n"
_OVERLAP = len(END) - 1


class Verdict(Enum):
    """What a message is, or why it is none."""

    GOOD = "good"
    TOO_BIG = "too big"
    BARE_LINE_END = "bare CR or LF"
    NUL = "NUL"
    NO_SPACE = "no space to keep it"


class Sink(Protocol):
    """Where the octets are kept until the end is seen.  append may raise OSError."""

    def append(self, octets: bytes) -> None: ...
    def take(self) -> Iterator[bytes]: ...
    def drop(self) -> None: ...


class DataReader:
    """Reads one message.  Feed it chunks until ``feed`` returns what comes after the end.

    max_octets: of the stuffed message; up to twice as much is read and forgotten, then ``overrun`` is true and the
    connection is not worth more.
    """

    def __init__(self, max_octets: int, sink: Sink) -> None:
        self.octets = 0
        self.overrun = False
        self._max = max_octets
        self._sink = sink
        self._refused: Verdict | None = None
        # The CRLF of the DATA line counts: ".CRLF" at the very start is an empty message.
        self._tail = b"\r\n"

    def feed(self, chunk: bytes) -> bytes | None:
        """The octets behind the end of the message, or None while it has not come."""
        joined = self._tail + chunk if len(chunk) < _OVERLAP else self._tail + chunk[:_OVERLAP]
        seam = joined.find(END)
        if seam >= 0:
            end = seam + len(END) - len(self._tail)
        else:
            end = chunk.find(END)
            end += len(END) if end >= 0 else 0
        if end >= 0:
            self._keep(chunk[:end])
            return chunk[end:]
        self._keep(chunk)
        self._tail = joined[-_OVERLAP:] if len(chunk) < _OVERLAP else chunk[-_OVERLAP:]
        return None

    def _keep(self, chunk: bytes) -> None:
        self.octets += len(chunk)
        # 3 octets of end mark are not message
        if self._refused is None and self.octets > self._max + 3:
            self._refused = Verdict.TOO_BIG
            self._sink.drop()
        if self.octets > 2 * self._max + 3:
            self.overrun = True
        if self._refused is not None:
            return
        try:
            self._sink.append(chunk)
        except OSError:
            self._refused = Verdict.NO_SPACE
            self._sink.drop()

    def drop(self) -> None:
        """Give up: the connection ended in the message."""
        self._sink.drop()

    def result(self) -> tuple[Verdict, bytes]:
        """After the end: the verdict and, if GOOD, the message with its transparency dots removed."""
        if self._refused is not None:
            return self._refused, b""
        try:
            return unstuff(self._sink.take())
        except OSError:
            return Verdict.NO_SPACE, b""


def check(octets: bytes) -> Verdict:
    """Whether these may stand in a message."""
    if not only_crlf(octets):
        return Verdict.BARE_LINE_END
    return Verdict.NUL if b"\0" in octets else Verdict.GOOD


def unstuff(stuffed: Iterator[bytes]) -> tuple[Verdict, bytes]:
    """The message out of what stood between DATA and its end.  stuffed: pieces, with the final ``.CRLF``."""
    kept: list[bytes] = []
    last: bytes | None = None
    for piece in lines(stuffed):
        verdict = check(piece)
        if verdict is not Verdict.GOOD:
            return verdict, b""
        if last is not None:
            kept.append(_without_dots(last))
        last = piece
    kept.append(_without_dots((last or b"")[:-3]))
    return Verdict.GOOD, b"".join(kept)  # which others need not wait for


def _without_dots(piece: bytes) -> bytes:
    """Whole lines without their first dots; those of a line ``..`` too, once."""
    if piece.startswith(b"."):
        piece = piece[1:]
    # Left to right, each found once: "CRLF.." keeps one dot, and "CRLF.text", which no client should send, loses its.
    return piece.replace(b"\r\n.", b"\r\n") if b"\r\n." in piece else piece
