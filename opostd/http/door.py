"""The HTTP door: what all its connections share, and how they are ended together.

uvicorn carries the octets (HTTP/1.1 by h11), on listeners that the daemon makes as for any other door; uvicorn's own
server, with its signals and its clock, is not used.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import h11
import uvicorn
from uvicorn.server import ServerState

from opostd.http.connection import Connection
from opostd.http.timing import MAX_CONNECTIONS, MAX_HEADER_OCTETS, MAX_OF_ONE_PEER, Timing
from opostd.model.networks import Network, is_among, net_of

log = logging.getLogger("opostd.http")


class HttpDoor:
    """app: an ASGI application.  proxies: whose connections are many people's."""

    def __init__(self, app: Any, timing: Timing | None = None, proxies: Sequence[Network] = ()) -> None:
        self.timing = timing or Timing()
        self._proxies = proxies
        self._of_net: Counter[str] = Counter()
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

    def admit(self, peer: str) -> bool:
        """Counts one more, which ``leave`` gives back; whether there is room for it."""
        net = net_of(peer)
        self._of_net[net] += 1
        if self.stopping or len(self.state.connections) > MAX_CONNECTIONS:
            return False
        return self._of_net[net] <= MAX_OF_ONE_PEER or is_among(peer, self._proxies)

    def leave(self, peer: str) -> None:
        net = net_of(peer)
        self._of_net[net] -= 1
        if not self._of_net[net]:
            del self._of_net[net]

    async def shutdown(self) -> int:
        """Requests under way are answered, within some seconds; how many clients there were."""
        self.stopping = True
        told = len(self.state.connections)
        for each in self.connections:
            try:
                each.shutdown()
            except h11.LocalProtocolError:  # of a client that spoke no HTTP
                each.transport.abort()
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
