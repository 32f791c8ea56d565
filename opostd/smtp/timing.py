"""Times and paces of a session: how long it may wait, how slow it may be.

The clock is the loop's, which is monotonic: a jump of the wall clock neither cuts nor keeps a session.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds and counts, each with its reason.  Tests hand in shorter ones."""

    idle_s: float = 300.0  # RFC 5321 4.5.3.2.7: at least 5 minutes between commands
    handshake_s: float = 30.0  # half a TLS handshake holds a descriptor for no longer
    data_window_s: float = 60.0  # in each such window of DATA ...
    data_window_octets: int = 6000  # ... so many octets must come: 100 a second (security.md 2)
    error_delay_s: float = 1.0  # guessing costs time
    delayed_from_error: int = 3  # two mistakes are human
    max_errors: int = 10
    max_unknown_recipients: int = 20  # more is harvesting
    unknown_per_s: float = 10.0  # of one peer, over all its connections
    max_failed_logins: int = 3
    max_commands_in_a_row: int = 100  # of a pipelining client, before another session has its turn
    shutdown_s: float = 5.0  # SIGTERM to end within 10 s, the store's own closing included
    linger_s: float = 5.0  # for the last reply to leave, then the connection is aborted


class LazyTimer:
    """One timer of a connection.  To move the deadline is to set a number; the loop's timer follows when it fires."""

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._deadline: float | None = None
        self._armed_for = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def after(self, seconds: float) -> None:
        """Expire so long from now, unless moved."""
        self._deadline = deadline = self._loop.time() + seconds
        if self._handle is None or deadline < self._armed_for:
            self._arm(deadline)

    def pause(self) -> None:
        """Do not expire until moved."""
        self._deadline = None

    def cancel(self) -> None:
        """For good."""
        self._deadline = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, when: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed_for = when
        self._handle = self._loop.call_at(when, self._fire)

    def _fire(self) -> None:
        self._handle = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._arm(self._deadline)
        else:
            self._deadline = None
            self._expired()


class Pace:
    """How long a peer must wait so that it does something no more than ``per_s`` times a second.

    A peer is remembered only while it must wait, and ``max_peers`` of them at most: the oldest is let go.
    """

    def __init__(self, per_s: float, max_peers: int = 10_000) -> None:
        self._step = 1.0 / per_s
        self._max_peers = max_peers
        self._free_at: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, peer: str, now: float) -> float:
        """Counts one; seconds to wait before it.  A second's worth may come at once."""
        free_at = max(self._free_at.pop(peer, now), now)
        self._free_at[peer] = free_at + self._step
        if len(self._free_at) > self._max_peers:
            self._free_at.popitem(last=False)
        return max(0.0, free_at - now - 1.0)
