"""The HTTP door: what all its connections share, and how they are ended together.

uvicorn carries the octets (HTTP/1.1 by h11), on listeners that the daemon makes as for any other door; uvicorn's own
server, with its signals and its clock, is not used.
"""

import asyncio
import logging
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from opostd.http.connection import Connection
from opostd.http.timing import MAX_CONNECTIONS, MAX_HEADER_OCTETS, MAX_OF_ONE_PEER, Timing

log = logging.getLogger("opostd.http")


class HttpDoor:
    """app: an ASGI application."""

    def __init__(self, app: Any, timing: Timing | None = None) -> None:
        self.timing = timing or Timing()
        self.state = ServerState()
        self.stopping = False
        self.config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # ``request.Front`` knows whom to believe
            server_header=False,
            date_header=False,
            timeout_keep_alive=int(self.timing.keep_alive_s),
            h11_max_incomplete_event_size=MAX_HEADER_OCTETS,
        )
        self.config.load()
        logging.getLogger("uvicorn").setLevel(logging.ERROR)  # a client's bad request is no news

    def factory(self) -> asyncio.Protocol:
        """The protocol of one new connection, for ``loop.create_server``."""
        return Connection(self)

    @property
    def connections(self) -> list[Connection]:
        return [each for each in self.state.connections if isinstance(each, Connection)]

    def admits(self, new: Connection) -> bool:
        """Whether there is room for one more, which is counted already."""
        if self.stopping or len(self.state.connections) > MAX_CONNECTIONS:
            return False
        return sum(1 for each in self.connections if each.peer == new.peer) <= MAX_OF_ONE_PEER

    async def shutdown(self) -> int:
        """Requests under way are answered, within some seconds; how many clients there were."""
        self.stopping = True
        told = len(self.state.connections)
        for each in self.connections:
            each.shutdown()
        tasks = list(self.state.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=self.timing.shutdown_s)
        for task in tasks:
            if not task.done():
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in self.connections:
            if not each.transport.is_closing():  # one that closes sends what is left of its answer
                each.transport.abort()
        return told
