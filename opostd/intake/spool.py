"""Where a message waits while it comes in: in memory, and past 1 MiB in a nameless file.

So a hundred slow clients with 25 MiB each cost a hundred MiB, not 2.5 GiB; and where there are thousands of them, what
is in memory of all together is bounded, and they write to the disk sooner (security.md 1.3: memory bounded).
"""

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from typing import BinaryIO, cast

from opostd.mime.pieces import PIECE

IN_MEMORY = 1024 * 1024
OF_ALL = 64 * 1024 * 1024  # in memory of all messages that come in; past it only so much of each:
OF_EACH = 64 * 1024


class Spool:
    """Octets come in, and are taken whole.  append and take raise OSError when the disk is full or broken."""

    in_all = 0  # octets in memory
    _lock = threading.Lock()  # of that: large messages are taken out in threads

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._memory = bytearray()  # not a list: a client that sends octet by octet would cost 40 octets for each
        self._file: BinaryIO | None = None

    def append(self, octets: bytes) -> None:
        if self._file is not None:
            self._file.write(octets)
            return
        self._memory += octets
        with Spool._lock:
            Spool.in_all += len(octets)
        if len(self._memory) > (self._in_memory if Spool.in_all <= OF_ALL else min(self._in_memory, OF_EACH)):
            # Unlinked from the start: whatever dies, it is gone.
            self._file = cast(BinaryIO, tempfile.TemporaryFile(prefix="opostd-data-"))
            self._file.write(self._memory)
            self._forget()

    def take(self) -> Iterator[bytes]:
        """All of it, once, in pieces."""
        if self._file is None:
            octets = bytes(self._memory)
            self._forget()
            yield octets
            return
        try:
            self._file.seek(0)
            while piece := self._file.read(PIECE):
                yield piece
        finally:
            self.drop()

    def _forget(self) -> None:
        if self._memory:
            with Spool._lock:
                Spool.in_all -= len(self._memory)
            self._memory = bytearray()

    def __del__(self) -> None:
        self._forget()  # one that was neither taken nor dropped must not count for ever

    def drop(self) -> None:
        self._forget()
        if self._file is not None:
            with contextlib.suppress(OSError):  # what could not be written out is given up here
                self._file.close()
            self._file = None
