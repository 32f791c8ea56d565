"""Where a message waits while it comes in: in memory, and past 1 MiB in a nameless file.

So a hundred slow clients with 25 MiB each cost a hundred MiB, not 2.5 GiB (security.md 1.3: memory bounded).
"""

import contextlib
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

from opostd.mime.pieces import PIECE

IN_MEMORY = 1024 * 1024


class Spool:
    """The sink of a ``DataReader``.  append and take raise OSError when the disk is full or broken."""

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._memory = bytearray()  # not a list: a client that sends octet by octet would cost 40 octets for each
        self._file: BinaryIO | None = None

    def append(self, octets: bytes) -> None:
        if self._file is not None:
            self._file.write(octets)
            return
        self._memory += octets
        if len(self._memory) > self._in_memory:
            # Unlinked from the start: whatever dies, it is gone.
            self._file = cast(BinaryIO, tempfile.TemporaryFile(prefix="opostd-data-"))
            self._file.write(self._memory)
            self._memory = bytearray()

    def take(self) -> Iterator[bytes]:
        """All of it, once, in pieces."""
        if self._file is None:
            octets, self._memory = bytes(self._memory), bytearray()
            yield octets
            return
        try:
            self._file.seek(0)
            while piece := self._file.read(PIECE):
                yield piece
        finally:
            self.drop()

    def drop(self) -> None:
        self._memory = bytearray()
        if self._file is not None:
            with contextlib.suppress(OSError):  # what could not be written out is given up here
                self._file.close()
            self._file = None
