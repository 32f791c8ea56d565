"""One connection of the HTTP door: uvicorn's protocol, and a clock for clients that are slow or say nothing.

What must stay true: whatever a client does or leaves undone, its connection ends; an application that works is not cut
short by it.
"""

import asyncio
from enum import Enum
from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from opostd.http.door import HttpDoor


class Phase(Enum):
    """What is awaited: a request's header, the rest of its body, or our own answer."""

    HEAD = 1
    BODY = 2
    ANSWER = 3


class Connection(H11Protocol):
    """Made for each client that comes."""

    def __init__(self, door: "HttpDoor") -> None:
        super().__init__(door.config, door.state, {}, asyncio.get_running_loop())
        self.peer = ""
        self._door = door
        self._phase: Phase | None = None
        self._octets = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        if not self._door.admit(self.peer):
            transport.abort()
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._timer, self._writing):
            if timer is not None:
                timer.cancel()
        self._phase = None
        self._door.leave(self.peer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._octets += len(data)
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(self._door.timing.write_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _watch(self) -> None:
        """The clock of the phase that has begun."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            phase = Phase.HEAD
        else:
            phase = Phase.BODY if self.cycle.more_body else Phase.ANSWER
        if phase is self._phase:
            return
        self._phase = phase
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if phase is Phase.HEAD:
            self._timer = self.loop.call_later(self._door.timing.head_s, self.transport.abort)
        elif phase is Phase.BODY:
            self._begin_window()

    def _begin_window(self) -> None:
        self._octets = 0
        self._timer = self.loop.call_later(self._door.timing.body_window_s, self._end_window)

    def _end_window(self) -> None:
        # What the application has not asked for yet is not read: then it is we who are slow.
        if self._octets >= self._door.timing.body_octets or self.flow.read_paused:
            self._begin_window()
        else:
            self.transport.abort()
