"""Twisted's TCP transport, which here sends at once what the socket takes.

Twisted's own asks the reactor for a turn in which the socket is writable, also where nothing waits: for each answer
two system calls to watch the socket, one more round of the loop, and two of its logging contexts.  Long answers come in
pieces, which it would put together before it sends them: here the kernel gathers them.
"""

from collections.abc import Iterable

from twisted.internet import tcp

MAX_PIECES = 1024  # IOV_MAX of Linux: what one system call takes


class DirectServer(tcp.Server):
    """For a port's ``transport``.  What the socket does not take goes Twisted's way, back-pressure and all."""

    SEND_LIMIT = 1024 * 1024  # a system call for what is left of a long answer: the socket takes what it has room for

    def write(self, data: bytes) -> None:
        """Octets in clear; under STARTTLS Twisted's TLS comes first, and writes its own way."""
        if self._is_direct():
            sent = self.writeSomeData(data)
            if isinstance(sent, Exception):  # the client is gone; uvloop may look at this socket no more, nor tell
                self.abortConnection()  # type: ignore[no-untyped-call]
                return
            if sent == len(data):
                return
            data = data[sent:]
        super().write(data)  # type: ignore[no-untyped-call]

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """As ``write``, of many pieces."""
        left: list[bytes] = list(iovec)
        while left and self._is_direct():
            try:
                sent = self.socket.sendmsg(left[:MAX_PIECES])
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # as above
                self.abortConnection()  # type: ignore[no-untyped-call]
                return
            if _take(left, sent):
                break
        super().writeSequence(left)  # type: ignore[no-untyped-call]

    def _is_direct(self) -> bool:
        return bool(self.connected) and not (
            self.TLS or self.dataBuffer or self._tempDataBuffer or self.disconnecting or self._writeDisconnected
        )


def _take(pieces: list[bytes], octets: int) -> bool:
    """Takes so many octets from the front; whether that ended within a piece."""
    for at, piece in enumerate(pieces):
        if len(piece) > octets:
            pieces[:at] = []
            if octets:
                pieces[0] = piece[octets:]  # Twisted takes no view of it
            return bool(octets)
        octets -= len(piece)
    pieces.clear()
    return False
