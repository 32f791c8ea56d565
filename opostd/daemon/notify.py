"""What systemd is told (sd_notify): READY, STATUS, STOPPING, and the watchdog's beat from the loop itself.

The beat is a timer of the one loop that serves everybody: a loop that is stuck stops beating and is restarted.
Without systemd nothing happens.  Protocol: sd_notify(3), a datagram to ``$NOTIFY_SOCKET``.
"""

import asyncio
import os
import socket
from collections.abc import Mapping


class Notifier:
    """A line to the service manager, or to nobody."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address  # @: the abstract namespace
        self._socket: socket.socket | None = None
        self._beat: asyncio.TimerHandle | None = None
        watched = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        micros = environ.get("WATCHDOG_USEC", "0")
        self._beat_s = int(micros) / 1e6 / 3 if watched and micros.isdecimal() else 0.0  # three tries before the end

    @property
    def present(self) -> bool:
        """Whether a service manager listens."""
        return bool(self._address)

    def tell(self, *lines: str) -> None:
        """Send assignments such as ``READY=1``.  A manager that does not take them is no reason to fail."""
        if not self._address:
            return
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return

    def start_watchdog(self, loop: asyncio.AbstractEventLoop) -> None:
        """Beat now and then at a third of the watchdog's time, if there is one."""
        if not self.present or not self._beat_s:
            return
        self.tell("WATCHDOG=1")
        self._beat = loop.call_later(self._beat_s, self.start_watchdog, loop)

    def close(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
