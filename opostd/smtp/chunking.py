"""BDAT: the message in chunks of a length told before.

Pure.  RFC 3030 2, 3.  What must stay true: a chunk's octets are never read as commands, whatever becomes of the chunk,
so a line whose length cannot be read for certain ends the connection; what may not stand in DATA (bare CR or LF, NUL)
may not stand here, but in the parts of a message that was called BINARYMIME, which are kept in base64; memory is
bounded by ``max_octets``.
"""

import re
from dataclasses import dataclass

from opostd.mime.binary import without_binary
from opostd.smtp.data import Sink, Verdict, check

_BDAT = re.compile(rb"BDAT ([0-9]{1,20})( LAST)? ?\Z", re.IGNORECASE)  # 20 digits: as many as SIZE may have


@dataclass(frozen=True, slots=True)
class Command:
    """One BDAT.  size: the octets that follow its line."""

    size: int
    last: bool


def parse(line: bytes) -> Command | None:
    """The command on a line, its CRLF removed; None where its length cannot be read."""
    match = _BDAT.match(line)
    return None if match is None else Command(int(match[1]), match[2] is not None)


class Chunks:
    """The chunks of one message so far.

    max_octets: of the message; twice as much may be announced, and is read and forgotten, then ``overrun`` is true and
    the connection is not worth more.  sink: None forgets what comes.  binary: MAIL has said BODY=BINARYMIME.
    """

    def __init__(self, max_octets: int, sink: Sink | None, *, binary: bool = False) -> None:
        self.octets = 0
        self.refused: Verdict | None = None
        self._announced = 0
        self._max = max_octets
        self._sink = sink
        self._binary = binary

    @property
    def overrun(self) -> bool:
        return self._announced > 2 * self._max

    def begin(self, size: int) -> None:
        """A chunk of so many octets comes; it may be known already that it is too much."""
        self._announced += size
        if self._announced > self._max and self.refused is None:
            self._refuse(Verdict.TOO_BIG)

    def feed(self, octets: bytes) -> None:
        """Some of the octets of a chunk."""
        self.octets += len(octets)
        if self.refused is not None or self._sink is None:
            return
        try:
            self._sink.append(octets)
        except OSError:
            self._refuse(Verdict.NO_SPACE)

    def _refuse(self, verdict: Verdict) -> None:
        self.refused = verdict
        self.drop()

    def drop(self) -> None:
        """Give up: RSET, or the end of the connection."""
        if self._sink is not None:
            self._sink.drop()

    def result(self) -> tuple[Verdict, bytes]:
        """After the last chunk: the verdict and, if GOOD, the message.  Nothing is stuffed (RFC 3030 2)."""
        if self.refused is not None or self._sink is None:
            return self.refused or Verdict.TOO_BIG, b""
        try:
            raw = b"".join(self._sink.take())
        except OSError:
            return Verdict.NO_SPACE, b""
        if self._binary:
            raw = without_binary(raw)
        verdict = check(raw)
        return verdict, raw if verdict is Verdict.GOOD else b""
