"""The transport in clear: octets in pieces arrive as they are, however little the socket takes at a time."""

import hashlib
import random
import socket
from collections.abc import Sequence

import pytest
import pytest_twisted
from twisted.internet import defer, protocol, reactor, threads

from opostd.imap.transport import MAX_PIECES, DirectServer, _take


class Sender(protocol.Protocol):
    """Sends lists of pieces, then closes."""

    lists: Sequence[list[bytes]] = ()
    gone: "defer.Deferred[None]"

    def connectionMade(self) -> None:
        assert isinstance(self.transport, DirectServer)
        self.transport.write(b"first")
        for pieces in self.lists:
            self.transport.writeSequence(pieces)
        self.transport.write(b"last")
        self.transport.loseConnection()

    def connectionLost(self, reason: object = None) -> None:
        self.gone.callback(None)


def _read_all(port: int, most: int) -> tuple[int, str]:
    digest, octets = hashlib.sha256(), 0
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        client.settimeout(30)
        client.connect(("127.0.0.1", port))
        while data := client.recv(most):
            digest.update(data)
            octets += len(data)
    return octets, digest.hexdigest()


@pytest_twisted.ensureDeferred
async def test_pieces_arrive_in_order_and_whole() -> None:
    """Borders of what the socket takes fall within pieces and between them; more pieces than one system call takes."""
    rng = random.Random(5)
    sizes = [0, 1, 3, 900, 5000, 70_001, 300_000]
    lists = [[rng.randbytes(rng.choice(sizes)) for _ in range(12)] for _ in range(6)]
    lists.append([rng.randbytes(rng.randint(0, 40)) for _ in range(2 * MAX_PIECES + 5)])
    whole = b"first" + b"".join(map(b"".join, lists)) + b"last"
    gone: defer.Deferred[None] = defer.Deferred()
    factory = protocol.Factory.forProtocol(type("Each", (Sender,), {"lists": lists, "gone": gone}))
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
    port.transport = DirectServer
    try:
        found = await threads.deferToThread(_read_all, port.getHost().port, 30_000)
        assert found == (len(whole), hashlib.sha256(whole).hexdigest())
        await gone
    finally:
        await port.stopListening()


@pytest.mark.parametrize(
    ("octets", "left", "within"),
    [
        (0, [b"ab", b"", b"cde"], False),
        (1, [b"b", b"", b"cde"], True),
        (2, [b"cde"], False),
        (4, [b"e"], True),
        (5, [], False),
    ],
)
def test_what_is_left(octets: int, left: list[bytes], within: bool) -> None:
    pieces = [b"ab", b"", b"cde"]
    assert _take(pieces, octets) is within
    assert pieces == left
