"""Long octets looked through in pieces: one call into C holds Python's lock to its end, and all others wait for it.

Pure.  What must stay true: no piece takes longer than about a millisecond, and the result is that of the whole.
"""

import re
from collections.abc import Iterator

PIECE = 1024 * 1024  # octets; to count CRLF in them takes a millisecond


def count(octets: bytes, what: bytes, start: int, stop: int) -> int:
    """Occurrences of one octet between the two."""
    return sum([octets.count(what, at, min(at + PIECE, stop)) for at in range(start, stop, PIECE)])


def find(octets: bytes, what: bytes, start: int, stop: int) -> int:
    """The first occurrence between the two, or -1."""
    while stop - start > PIECE:
        found = octets.find(what, start, start + PIECE)
        if found >= 0:
            return found
        start += PIECE - len(what) + 1
    return octets.find(what, start, stop)


def search(pattern: re.Pattern[bytes], longest: int, octets: bytes, start: int) -> re.Match[bytes] | None:
    """The first match from there on.  longest: octets that a match may have."""
    while len(octets) - start > PIECE:
        found = pattern.search(octets, start, start + PIECE)
        if found is not None:
            return found
        start += PIECE - longest + 1
    return pattern.search(octets, start)


def only_crlf(octets: bytes) -> bool:
    """Whether each CR and each LF is of a CRLF."""
    at, end = 0, len(octets)
    while at < end:
        stop = min(at + PIECE, end)
        if octets[stop - 1] == 0x0D:
            stop = min(stop + 1, end)
        pairs = octets.count(b"\r\n", at, stop)
        if octets.count(b"\n", at, stop) != pairs or octets.count(b"\r", at, stop) != pairs:
            return False
        at = stop
    return True


def part(octets: bytes, start: int, stop: int | None = None) -> bytes:
    """The octets between the two.  What is long is copied in pieces, and joined, for which others need not wait."""
    stop = len(octets) if stop is None else stop
    if stop - start <= 4 * PIECE:
        return octets[start:stop]
    return b"".join([octets[at : min(at + PIECE, stop)] for at in range(start, stop, PIECE)])


def lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same octets in pieces that end with LF, but for the last."""
    left = b""
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        if not end:
            left += piece
            continue
        yield left + piece[:end]
        left = piece[end:]
    if left:
        yield left
