"""All of one server process between its sockets and its store: started in order, stopped in the reverse order.

Imported only after the reactor is installed.  What has been started stands in an attribute from then on, so that a
start that fails half way, or is interrupted, takes down exactly that much.
"""

import asyncio
import datetime
import logging
import ssl
import time
from collections.abc import Callable, Coroutine, MutableMapping
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet import interfaces
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IProtocolFactory
from twisted.protocols.tls import TLSMemoryBIOFactory

from opostd import __version__
from opostd.auth.login import Authenticator
from opostd.checks.arrival import Checks
from opostd.checks.keyring import Keyring
from opostd.checks.milter import Filters
from opostd.checks.resolver import Dns
from opostd.checks.signer import Signer
from opostd.config import Settings
from opostd.config.listen import split_listen
from opostd.daemon import demo, sockets, tls
from opostd.daemon.agent import Agent
from opostd.daemon.carrier import Carrier
from opostd.daemon.failure import EX_CANTCREAT, EX_CONFIG, EX_UNAVAILABLE, StartFailed, schema_text
from opostd.daemon.gauge import Gauge
from opostd.daemon.reaper import Reaper
from opostd.daemon.sockets import Listener
from opostd.imap.server import ImapDoor
from opostd.intake.intake import Intake
from opostd.model.counts import Counts
from opostd.model.errors import OpostError, SchemaMismatch, Unavailable
from opostd.render.pool import RenderPool
from opostd.smtp.door import SmtpDoor
from opostd.smtp.examine import Examiner
from opostd.smtp.extensions import DoorKind
from opostd.smtp.greylist import Greylist
from opostd.store import migrate, provision, queue
from opostd.store.activity import Activity
from opostd.store.run import Store
from opostd.worker.agent import DeliveryAgent
from opostd.worker.hosts import hosts, resolver
from opostd.worker.rewrite import Rewriter

if TYPE_CHECKING:
    from opostd.auth.tokens import Tokens
    from opostd.daemon.metrics import Metrics
    from opostd.http.door import HttpDoor

log = logging.getLogger("opostd.daemon")

TLS_HANDSHAKE_S = 30.0  # a half-open handshake holds a descriptor
MAX_HTML_OCTETS = 512 * 1024  # of one message that a browser is shown: newsletters have a fifth of it
SMTP_DOORS = {
    "submission": DoorKind.SUBMISSION,
    "submissions": DoorKind.SUBMISSION,
    "smtp": DoorKind.MX,
    "lmtp": DoorKind.LMTP,
}


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


class Server:
    """The rooms of the running server and their listeners.

    config: the configuration's file, for what to type in messages; None is the demo.
    """

    def __init__(self, settings: Settings, config: str | None) -> None:
        self.settings = settings
        self.was_ready = False
        self.listeners: list[Listener] = []
        self.identity: tls.Identity | None = None
        self.welcome: demo.Welcome | None = None
        self._counts = Counts()
        self._config = config
        self._asyncio_servers: list[asyncio.AbstractServer] = []
        self._twisted_ports: list[interfaces.IListeningPort] = []
        self._store: Store | None = None
        self._renderer: RenderPool | None = None
        self._intake: Intake | None = None
        self._agent: Agent | None = None
        self._carrier: Carrier | None = None
        self._reaper: Reaper | None = None
        self._gauge: Gauge | None = None
        self._auth: Authenticator | None = None
        self._tokens: Tokens | None = None
        self._smtp: dict[DoorKind, SmtpDoor] = {}
        self._imap: ImapDoor | None = None
        self._http: HttpDoor | None = None
        self._metrics: Metrics | None = None
        self._cleaner: RenderPool | None = None
        self._delivery: DeliveryAgent | None = None

    async def start(self, environ: MutableMapping[str, str]) -> None:
        """Everything, in order; at the end clients come in.  Raises StartFailed or BadSettings."""
        settings = self.settings
        await asyncio.to_thread(self._make_data_directory)
        self.identity = await asyncio.to_thread(tls.identity, settings, datetime.datetime.now(datetime.UTC))
        spare = ("http",) if self._config is None else ()
        self.listeners = await asyncio.to_thread(sockets.open_all, settings, environ, spare)
        try:
            store = await self._open_store()
            self._renderer = RenderPool(settings.render)
            self._intake = intake = Intake(
                store,
                self._renderer,
                limits=settings.limits,
                hostname=settings.hostname,
                domains=settings.domains,
                relay=settings.relay.via != "off",
                retries=settings.queue,
                groups=settings.groups,
                quota=settings.quota.limits,
                web=settings.http.url,
            )
            if self._config is None:
                self.welcome = await demo.prepare(store, intake, settings)
            await demo.refuse_known_passwords(store, settings, self.listeners)
        except Unavailable as error:
            raise StartFailed(EX_UNAVAILABLE, f"the database cannot be reached: {error}") from error
        await intake.start()
        self._agent = Agent(store, now, settings.queue)
        self._agent.start()
        self._carrier = Carrier(store, settings.agent, now)
        self._carrier.start()
        self._reaper = Reaper(store, Path(settings.agent.archive) if settings.agent.archive else None, now)
        self._reaper.start()
        self._gauge = Gauge(store, settings.agent.reach_days, now)
        self._gauge.start()
        if settings.oauth.enabled:
            from opostd.auth.tokens import Tokens  # an HTTP client, which others do not need

            self._tokens = Tokens(settings.oauth)
        self._auth = Authenticator(store, settings.domains, settings.auth, tokens=self._tokens)
        await self._open_doors(store, intake, self._auth)
        await self._start_delivery(store, intake)
        self.was_ready = True

    async def _start_delivery(self, store: Store, intake: Intake) -> None:
        settings = self.settings
        asks = await asyncio.to_thread(resolver, settings.relay)
        found = hosts(settings, asks, now)
        if found is not None:
            self._delivery = DeliveryAgent(
                store,
                intake,
                found,
                relay=settings.relay,
                queue=settings.queue,
                hostname=settings.hostname,
                rewriter=Rewriter(asks, settings.domains) if settings.groups.rewrite_from else None,
                sign=self._signer(),
            )
            await self._delivery.start()

    def _make_data_directory(self) -> None:
        folder = self.settings.data_directory
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StartFailed(EX_CANTCREAT, f"cannot make the data directory {folder}: {error.strerror}") from error

    async def _open_store(self) -> Store:
        """The store, its schema found right.  The demo makes its own tables."""
        if self._config is None:
            await asyncio.to_thread(migrate.up, self.settings.store)
        self._store = store = Store(self.settings.store)
        try:
            await asyncio.to_thread(store.check_schema)
        except SchemaMismatch as error:
            command = f"opostd --config {self._config} migrate up" if self._config else "opostd migrate up"
            raise StartFailed(EX_CONFIG, schema_text(error, command)) from error
        await store.start()
        await provision.ensure_system(store, self.settings.domains, now=now())
        return store

    async def _open_doors(self, store: Store, intake: Intake, auth: Authenticator) -> None:
        settings = self.settings
        assert self.identity is not None
        context = tls.asyncio_context(self.identity)
        options = tls.twisted_options(self.identity)
        checks, filters = self._checks(), Filters(settings.filter, hostname=settings.hostname, limits=settings.limits)
        for kind in {SMTP_DOORS[each.kind.name] for each in self.listeners if each.kind.name in SMTP_DOORS}:
            self._smtp[kind] = SmtpDoor(
                kind=kind,
                hostname=settings.hostname,
                intake=intake,
                auth=auth if kind is DoorKind.SUBMISSION else None,
                limits=settings.limits,
                markdown=settings.submission.markdown,
                plaintext_on_loopback=settings.auth.plaintext_on_loopback,
                tls=context,
                proxies=[ip_network(each) for each in settings.smtp.proxy_from] if kind is DoorKind.MX else (),
                forwarders=[ip_network(each) for each in settings.smtp.local_senders_from],
                demo=self._config is None,
                examiner=Examiner(
                    checks if kind is DoorKind.MX else None, filters if kind.value in settings.filter.doors else None
                ),
                greylist=Greylist(store, settings.greylist, checks.passes_spf, now)
                if settings.greylist.enabled and kind is DoorKind.MX
                else None,
                counts=self._counts,
            )
            if kind is DoorKind.SUBMISSION:
                self._smtp[kind].look_after(store)
        if any(each.kind.room == "imap" for each in self.listeners):
            self._imap = ImapDoor(
                hostname=settings.hostname,
                store=store,
                intake=intake,
                auth=auth,
                settings=settings.imap,
                limits=settings.limits,
                tls_options=options,
                plaintext_on_loopback=settings.auth.plaintext_on_loopback,
                quota=settings.quota.limits,
                counts=self._counts,
            )
            await self._imap.start()
        if any(each.kind.room == "http" for each in self.listeners):
            self._http = await self._make_http(store, intake, auth)
        if any(each.kind.room == "metrics" for each in self.listeners):
            self._metrics = await self._make_metrics(store)
        for listener in self.listeners:
            sockets.listen(listener)
            if listener.kind.room == "imap":
                self._carry_by_twisted(listener, options)
            else:
                await self._carry_by_asyncio(listener, context)

    async def _make_http(self, store: Store, intake: Intake, auth: Authenticator) -> "HttpDoor":
        """What serves HTTP is loaded only where it is wanted."""

        def load() -> "HttpDoor":
            from opostd.daemon.http import http_door
            from opostd.http.services import Services

            assert self._cleaner is not None
            activity = Activity(store, now)
            return http_door(Services(store, intake, auth, self._cleaner, activity, self.settings, counts=self._counts))

        # Workers of their own: who reads hostile HTML holds up nobody who sends
        self._cleaner = RenderPool(replace(self.settings.render, max_source_octets=MAX_HTML_OCTETS))
        return await asyncio.to_thread(load)

    async def _make_metrics(self, store: Store) -> "Metrics":
        def load() -> "type[Metrics]":
            from opostd.daemon.metrics import Metrics

            return Metrics

        made = (await asyncio.to_thread(load))(
            self._counts, store, self.settings.agent.active_days, self._smtp.values(), self._imap, now
        )
        made.start()
        return made

    def _signer(self) -> Signer:
        settings = self.settings
        keyring = Keyring(Path(settings.dkim.keys_directory))
        return Signer(keyring, hostname=settings.hostname, domains=settings.domains, seal=settings.dkim.seal)

    def _checks(self) -> Checks:
        settings = self.settings.checks
        servers = [place for place in map(split_listen, settings.dns_servers) if place]
        return Checks(settings, Dns(servers, timeout_s=settings.timeout_s), hostname=self.settings.hostname)

    def _carry_by_twisted(self, listener: Listener, options: IOpenSSLServerConnectionCreator) -> None:
        from twisted.internet import reactor

        from opostd.imap.transport import DirectServer

        assert self._imap is not None
        implicit = listener.kind.implicit_tls
        factory: IProtocolFactory = self._imap.factory(implicit_tls=implicit)
        if implicit:
            factory = TLSMemoryBIOFactory(options, False, factory)
            factory.noisy = False
        family, descriptor = listener.socket.family, listener.socket.fileno()
        port = reactor.adoptStreamPort(descriptor, family, factory)  # type: ignore[attr-defined]  # on a copy of it
        port.transport = DirectServer
        self._twisted_ports.append(port)

    async def _carry_by_asyncio(self, listener: Listener, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        implicit = listener.kind.implicit_tls
        make: Callable[[], asyncio.Protocol]
        if listener.kind.room == "http":
            assert self._http is not None
            make = self._http.factory
        elif listener.kind.room == "metrics":
            assert self._metrics is not None
            make = self._metrics.door.factory
        else:
            make = partial(self._smtp[SMTP_DOORS[listener.kind.name]].factory, implicit_tls=implicit)
        create = loop.create_unix_server if listener.is_unix else loop.create_server
        self._asyncio_servers.append(
            await create(
                make,
                sock=listener.socket,
                backlog=sockets.BACKLOG,
                ssl=context if implicit else None,
                ssl_handshake_timeout=TLS_HANDSHAKE_S if implicit else None,
            )
        )

    async def stop(self) -> tuple[int, str]:
        """Close everything that was opened, doors first; clients told, and what the queue holds, in words."""
        for server in self._asyncio_servers:
            server.close()
        for port in self._twisted_ports:
            closing = port.stopListening()
            if closing is not None:
                await closing.asFuture(asyncio.get_running_loop())
        sockets.close_all(self.listeners)
        told = sum(len(door.sessions) for door in self._smtp.values())
        doors: list[Coroutine[Any, Any, int | None]] = [door.shutdown() for door in self._smtp.values()]
        if self._http is not None:
            told += len(self._http.connections)
            doors.append(self._http.shutdown())
        if self._imap is not None:
            results = await asyncio.gather(self._imap.shutdown(), *doors, return_exceptions=True)
            told += results[0] if isinstance(results[0], int) else 0
        else:
            results = await asyncio.gather(*doors, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                log.error("a door did not close well", exc_info=result)
        if self._metrics is not None:
            await self._metrics.close()
        if self._gauge is not None:
            await self._gauge.close()
        if self._reaper is not None:
            await self._reaper.close()
        if self._carrier is not None:
            await self._carrier.close()
        if self._agent is not None:
            await self._agent.close()
        if self._delivery is not None:
            await self._delivery.close()
        if self._intake is not None:
            await self._intake.close()
        if self._auth is not None:
            self._auth.close()
        if self._tokens is not None:
            await self._tokens.close()
        for pool in (self._renderer, self._cleaner):
            if pool is not None:
                await asyncio.to_thread(pool.close)
        waiting = await self._queue()
        if self._store is not None:
            await self._store.close()
        return told, waiting

    async def _queue(self) -> str:
        if self._store is None or not self.was_ready:
            return "queue not looked at"
        try:
            async with asyncio.timeout(1.0):  # the database may be down, which is no reason to stay
                depth = await self._store.run(queue.depth)
        except (OpostError, TimeoutError):
            return "queue not known"
        return "queue empty" if not depth else f"{depth} in the queue"

    # What is said when it runs

    def banner(self) -> str:
        """For a person at a terminal."""
        if self.welcome is not None and self.identity is not None:
            return demo.banner(self.settings, self.identity, self.listeners, self.welcome)
        head = f"opostd {__version__}   {self.settings.hostname}   {self._config}"
        return "\n".join([head, *(f"  {line}" for line in self.listener_lines()), "Ready. Ctrl+C stops."])

    def listener_lines(self) -> list[str]:
        """One line for each listener."""
        return [
            f"listening door={each.kind.name} address={each.address}{' from=systemd' if each.inherited else ''}"
            for each in self.listeners
        ]

    def status_line(self) -> str:
        """For ``systemctl status``."""
        return "serving " + " ".join(f"{each.kind.name}:{each.port or each.host}" for each in self.listeners)
