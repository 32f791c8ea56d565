"""Twisted's TCP transport, which here sends at once what the socket takes.

Twisted's own asks the reactor for a turn in which the socket is writable, also where nothing waits: for each answer
two system calls to watch the socket, one more round of the loop, and two of its logging contexts.
"""

from twisted.internet import tcp


class DirectServer(tcp.Server):
    """For a port's ``transport``.  What the socket does not take goes Twisted's way, back-pressure and all."""

    def write(self, data: bytes) -> None:
        """Octets in clear; under STARTTLS Twisted's TLS comes first, and writes its own way."""
        if self.connected and not (
            self.TLS or self.dataBuffer or self._tempDataBuffer or self.disconnecting or self._writeDisconnected
        ):
            sent = self.writeSomeData(data)
            if isinstance(sent, Exception):  # the client is gone; uvloop may look at this socket no more, nor tell
                self.abortConnection()  # type: ignore[no-untyped-call]
                return
            if sent == len(data):
                return
            data = data[sent:]
        super().write(data)  # type: ignore[no-untyped-call]
