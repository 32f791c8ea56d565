"""The octets of a connection under COMPRESS=DEFLATE (RFC 4978, RFC 1951).  Pure.

What must stay true: each burst ends with a sync flush, so that the client can read all of it; a kilobyte that
inflates to a megabyte is inflated in steps, and only as fast as commands are read.
"""

import zlib

STEP_OCTETS = 64 * 1024  # inflated at once: as much as comes from a socket that does not compress
# A client inflates whatever window we use.  8 KiB of it hold some screens of a listing, and a listing does not become
# larger by it; with a memLevel of 6 a connection takes 70 KiB for what it sends, where zlib's defaults take 261, beside
# 41 for what it receives.
WINDOW_BITS = 13
MEMORY_LEVEL = 6
LEVEL = (
    3  # of 9: half a millisecond for 64 KiB of a listing, which become 18 %; level 6 needs 15 times as long for 16 %
)


_EMPTY = (
    b"\0\0\0\xff\xff"  # a stored block of no octets (RFC 1951 3.2.4); a sync flush ends at a whole octet, as it must
)


class BadDeflate(ValueError):
    """The octets are no deflated stream, or it has ended."""


class Deflater:
    """What the server sends."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -WINDOW_BITS, MEMORY_LEVEL)

    def burst(self, octets: bytes, *, padded: bool = False) -> bytes:
        """These octets deflated, and flushed: the other end can read them to the last.

        padded: not smaller than they are, by blocks without content: for IDLE.  Thunderbird (153) takes from its
        inflated octets so many as there were deflated, and does not wake for the rest before more comes.
        """
        burst = self._deflate.compress(octets) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        lacking = len(octets) - len(burst) if padded else 0
        return burst + _EMPTY * -(-lacking // len(_EMPTY)) if lacking > 0 else burst


class Inflater:
    """What the client sends: take it in as it comes, give it out in steps.

    rest: what stands behind the end of a stream that the client has ended (RFC 8437 4.1).
    """

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._waiting = bytearray()
        self._more = False

    @property
    def waiting(self) -> int:
        """Octets that are not inflated yet."""
        return len(self._waiting)

    @property
    def ready(self) -> bool:
        """Whether ``next`` may have something."""
        return not self._inflate.eof and (self._more or bool(self._waiting))

    @property
    def rest(self) -> bytes:
        return self._inflate.unused_data + bytes(self._waiting) if self._inflate.eof else b""

    def feed(self, octets: bytes) -> None:
        """Octets from the client.  Raises BadDeflate behind the end of the stream."""
        self._waiting += octets

    def next(self) -> bytes:
        """The next STEP_OCTETS at most, inflated; perhaps none.  Raises BadDeflate."""
        try:
            octets = self._inflate.decompress(self._waiting, STEP_OCTETS)
        except zlib.error:
            raise BadDeflate("no deflated octets") from None
        self._waiting = bytearray(self._inflate.unconsumed_tail)
        self._more = len(octets) == STEP_OCTETS  # zlib may hold back the end of a copy
        return octets
