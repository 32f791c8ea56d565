"""The Twisted side of the IMAP door: octets, TLS, back-pressure, timers.  No grammar.

One sweep over all connections looks for deadlines that have passed: a timer for each connection would be re-armed
at every command.
"""

import asyncio
import contextlib
import logging
import socket
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence

from twisted.internet import interfaces, protocol
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.python.failure import Failure
from zope.interface import implementer

from opostd.auth.login import Authenticator
from opostd.auth.unknown import Unknown
from opostd.config import ImapSettings, LimitSettings
from opostd.imap.binding import channel_bindings
from opostd.imap.connection import Connection
from opostd.imap.format.any import format_response
from opostd.imap.hub import Hub
from opostd.imap.posts import Posts
from opostd.imap.session import Services
from opostd.imap.state.machine import State
from opostd.imap.users import UserCounts
from opostd.imap.values.responses import Condition
from opostd.imap.values.responses import State as Status
from opostd.intake.intake import Intake
from opostd.intake.rounds import Loop
from opostd.model.clock import wall_clock
from opostd.model.counts import Counts
from opostd.model.errors import OpostError
from opostd.model.ids import OwnerId
from opostd.model.records import UNLIMITED, AccountState, BoxHint, Quota
from opostd.store import accounts
from opostd.store.run import Store
from opostd.store.warming import warm

log = logging.getLogger("opostd.imap")

SWEEP_S = 5.0  # how late a deadline may be noticed
STALLED_S = 60.0  # a client that takes nothing for so long is cut (security.md 1.5)
# For a client that has never said a word to take its BYE: it may not even have ended its TLS handshake.
SILENT_LINGER_S = 5.0
TCP_CLOSE = b"\7"  # the first octet of struct tcp_info (tcp(7)): the state of a connection that was reset
FULL = "too many connections from your address"
STOP_S = 5.0  # for running commands to end when the server stops


class ITransport(interfaces.ITLSTransport, interfaces.IConsumer, interfaces.IPushProducer, interfaces.IFileDescriptor):
    """What Twisted's transports are together, over TCP and over TLS."""

    def getHandle() -> object:
        """The socket, or the connection of OpenSSL."""


@implementer(interfaces.IPushProducer, interfaces.IHalfCloseableProtocol)
class ImapProtocol(protocol.Protocol):
    """Carries octets between Twisted's transport and a Connection; is that transport's push producer."""

    transport: ITransport

    def __init__(self, factory: "ImapFactory") -> None:
        self.factory = factory
        self._door = factory.door
        self.connection: Connection | None = None
        self.task: asyncio.Task[None] | None = None
        self._full: asyncio.Future[None] | None = None  # there while the client does not read; done when it does again
        self._reading = True
        self._heard = False
        self._ended = False  # the client has closed its side
        self._end: float | None = None  # when a connection that we have closed is cut

    def connectionMade(self) -> None:
        peer, host = self.transport.getPeer(), self.transport.getHost()
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        tls = self.factory.implicit_tls
        connection = Connection(
            self._door.services,
            self,
            self._door.users,
            peer=_host(peer),
            tls=tls,
            tls_offered=not tls and self._door.tls_options is not None,
            plaintext_allowed=self._door.plaintext_on_loopback and _on_loopback(peer) and _on_loopback(host),
        )
        self._door.protocols.add(self)
        if not self._door.users.unknown.enter(connection, connection.peer):
            self._turn_away(connection.peer)
            return
        self.connection = connection
        self.task = asyncio.get_running_loop().create_task(connection.run())

    def _turn_away(self, peer: str) -> None:
        """Too many have come from there who have not logged in (security.md 1.5)."""
        log.warning("cut peer=%s reason=too-many-connections", peer)
        if self.factory.implicit_tls:  # the last word would cost a handshake
            self.transport.abortConnection()
            return
        self.transport.write(format_response(Status(Condition.BYE, FULL, b"UNAVAILABLE")))
        self.close()

    def dataReceived(self, data: bytes) -> None:
        self._heard = True
        if self.connection is not None:
            self.connection.feed(data)

    def readConnectionLost(self) -> None:
        """The client has closed its side, as ``printf ... | nc -N`` does.  Under TLS Twisted has only the whole end."""
        self._ended = True
        if self.connection is not None:
            self.connection.no_more()

    def writeConnectionLost(self) -> None:
        """Never: we do not close one side."""

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        self._let_write()
        self._door.protocols.discard(self)
        if self.connection is not None:
            self.connection.lost()

    # What a Connection needs of a transport

    def write(self, octets: bytes) -> None:
        self.transport.write(octets)

    def write_pieces(self, pieces: Sequence[bytes]) -> None:
        self.transport.writeSequence(pieces)

    async def drain(self) -> None:
        if self._full is None:
            await asyncio.sleep(0)  # a client that reads as fast as we write would keep all others waiting
            return
        try:
            async with asyncio.timeout(STALLED_S):
                await asyncio.shield(self._full)
        except TimeoutError:
            self.transport.abortConnection()
            raise ConnectionAbortedError("the client does not read") from None

    def is_reset(self) -> bool:
        """Whether the connection is gone without a word to us.

        uvloop looks no more at a socket after an RST, and reads from it once: where octets came together with the RST
        (a client that is killed in the middle of a command) that one look finds them, and the end is never told.
        """
        with contextlib.suppress(OSError):
            handle = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=self.transport.fileno())
            try:
                return handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == TCP_CLOSE
            finally:
                handle.detach()
        return False

    def start_tls(self) -> None:
        assert self._door.tls_options is not None
        self.transport.startTLS(self._door.tls_options)

    def channel_bindings(self) -> Mapping[str, bytes]:
        """tls-exporter where TLS 1.3 is spoken (RFC 9266); tls-server-end-point, for clients that know only that."""
        return channel_bindings(self.transport.getHandle())

    def close(self) -> None:
        self._end = asyncio.get_running_loop().time() + (STALLED_S if self._heard else SILENT_LINGER_S)
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def is_over(self, now: float) -> bool:
        """Whether there is nobody to wait for: gone, or told long ago that this is the end."""
        return (self._end is not None and self._end < now) or self.is_reset()

    def pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            self.transport.pauseProducing()

    def resume_reading(self) -> None:
        if not self._reading and not self._ended:  # there is nothing to read but the end, again and again
            self._reading = True
            self.transport.resumeProducing()

    # Twisted's push producer: its buffer is full, or empty again

    def pauseProducing(self) -> None:
        if self._full is None:
            self._full = asyncio.get_running_loop().create_future()

    def resumeProducing(self) -> None:
        self._let_write()

    def stopProducing(self) -> None:
        self._let_write()

    def _let_write(self) -> None:
        full, self._full = self._full, None
        if full is not None and not full.done():
            full.set_result(None)


class ImapFactory(protocol.Factory):
    """Makes a protocol for each connection to one listener."""

    noisy = False

    def __init__(self, door: "ImapDoor", implicit_tls: bool) -> None:
        self.door = door
        self.implicit_tls = implicit_tls

    def buildProtocol(self, addr: interfaces.IAddress | None) -> ImapProtocol:
        return ImapProtocol(self)


class ImapDoor:
    """All IMAP listeners of one process: ``start``, hand out factories, ``shutdown``."""

    def __init__(
        self,
        *,
        hostname: str,
        store: Store,
        intake: Intake,
        auth: Authenticator,
        settings: ImapSettings,
        limits: LimitSettings,
        tls_options: interfaces.IOpenSSLServerConnectionCreator | None,
        plaintext_on_loopback: bool,
        now: Callable[[], int] = wall_clock,
        quota: Quota = UNLIMITED,
        counts: Counts | None = None,
    ) -> None:
        hub = Hub(store, now)
        self.services = Services(
            hostname, store, intake, auth, hub, Posts(store), settings, limits, now, quota, counts or Counts()
        )
        unknown = Unknown(limits.max_connections_before_login, limits.many_connections_from)
        self.users = UserCounts(settings.max_connections_per_user, unknown)
        self.tls_options = tls_options
        self.plaintext_on_loopback = plaintext_on_loopback
        self.protocols: weakref.WeakSet[ImapProtocol] = weakref.WeakSet()
        self._sweeping = Loop("the sweep of connections", self._sweep, SWEEP_S, log, later=True)
        self._suspects: set[OwnerId] = set()
        self._stop_listening: Callable[[], None] | None = None

    def factory(self, *, implicit_tls: bool) -> ImapFactory:
        """For ``listenTCP``; with implicit_tls the caller wraps it in TLS."""
        return ImapFactory(self, implicit_tls)

    def states(self) -> Iterator[State]:
        """Of each connection."""
        return (each.connection.session.state for each in self.protocols if each.connection is not None)

    async def start(self) -> None:
        await warm(self.services.store)
        self.services.hub.start()
        self._stop_listening = self.services.store.listen(self._hint)
        self._sweeping.start()

    async def shutdown(self) -> int:
        """Every client is told BYE, running commands end first; how many there were."""
        await self._sweeping.close()
        if self._stop_listening is not None:
            self._stop_listening()
        told = list(self.protocols)
        for each in told:
            if each.connection is not None:
                each.connection.stop()
        tasks = [each.task for each in told if each.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self.services.hub.close()
        return len(told)

    def _hint(self, hint: BoxHint) -> None:
        """An account that changed (a hint without a box) may have been disabled: looked at in the next sweep."""
        if hint.owner and not hint.box:
            self._suspects.add(hint.owner)
        elif not hint.owner:
            self._suspects.update(self.users.owners())

    async def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        for each in list(self.protocols):
            if each.is_over(now):
                each.transport.abortConnection()
            elif each.connection is not None and each.connection.deadline < now:
                each.connection.expire()
        await self._cut_disabled()

    async def _cut_disabled(self) -> None:
        while self._suspects:
            owner = self._suspects.pop()
            open_here = self.users.of(owner)
            if not open_here:
                continue
            try:
                account = await self.services.store.run(accounts.account, owner)
            except OpostError:
                self._suspects.add(owner)
                raise
            if account is None or account.state is not AccountState.ACTIVE:
                for connection in open_here:
                    connection.cut_off("this account is closed")


def _host(address: interfaces.IAddress) -> str:
    return address.host if isinstance(address, IPv4Address | IPv6Address) else "local"


def _on_loopback(address: interfaces.IAddress) -> bool:
    host = _host(address)
    return host == "local" or host == "::1" or host.startswith(("127.", "::ffff:127."))
