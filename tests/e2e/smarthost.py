"""A server that takes what leaves, on a loop of its own, and stays up whatever is killed."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from tests.worker.peer import Peer, aiosmtpd_peer

CONNECTIONS = 3
RELAY = """
[relay]
via = "smarthost"
smarthost = "127.0.0.1:{port}"
tls = "off"
connections = {connections}
[queue]
lease_s = 3
first_pause_s = 1
"""


def relay(port: int) -> str:
    """The configuration for it."""
    return RELAY.format(port=port, connections=CONNECTIONS)


@contextlib.contextmanager
def smarthost() -> Iterator[Peer]:
    """aiosmtpd on a loop of its own."""
    ready: list[Peer] = []
    started, ended = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def main() -> None:
        async with aiosmtpd_peer() as peer:
            ready.append(peer)
            started.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert started.wait(60)
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(60)
        loop.close()


def subject(raw: bytes) -> str:
    """Of a message as it came."""
    return raw.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode()
