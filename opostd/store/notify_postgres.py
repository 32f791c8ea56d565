"""Hints over LISTEN/NOTIFY: one connection that listens, one that notifies, none of them in a transaction of the store.

NOTIFY in the delivering transaction would halve what a PostgreSQL delivers (distributed.md 0.6); so a thread gathers
what was said meanwhile and sends it at once.  Both connections go to the primary, not through a pooler.
"""

import asyncio
import base64
import contextlib
import logging
import secrets
import select
import socket
import threading
from collections.abc import Sequence
from typing import Any

import psycopg
import sqlalchemy as sa

from opostd.model.records import BoxHint
from opostd.store.database import POSTGRES_DEFAULTS, chunks
from opostd.store.notify import EVERYTHING, SENDER_OCTETS, Told, coalesced, packed, unpacked

log = logging.getLogger("opostd.store")

CHANNEL = "opostd"
HINTS_IN_MESSAGE = 200  # 24 octets each, in base64: 6.4 KB of the 8,000 octets that a payload may have
MOST_HINTS = 2000  # more at once: "anything"
RECONNECT_S = 1.0
FLUSH_S = 2.0  # how long a command line process that ends waits for its hints to be sent
MOST_WAITING = 100_000  # hints not sent yet, while the database is away


class PostgresBus:
    def __init__(self, url: sa.URL) -> None:
        self._conninfo = conninfo(url)
        self._own = secrets.token_bytes(SENDER_OCTETS)
        self._changed = threading.Condition()
        self._waiting: list[BoxHint] = []
        self._ending = False
        self._sender: threading.Thread | None = None
        self._listener: threading.Thread | None = None
        self._wake: socket.socket | None = None

    # Hearing

    async def start(self, loop: asyncio.AbstractEventLoop, told: Told) -> None:
        await asyncio.to_thread(self._end_listener)
        ready = threading.Event()
        self._wake, woken = socket.socketpair()
        self._listener = threading.Thread(
            target=self._listen, args=(loop, told, woken, ready), name="store-listen", daemon=True
        )
        self._listener.start()
        # What is said from now on shall be heard; a database that is away must not stop the start.
        await asyncio.to_thread(ready.wait, FLUSH_S)

    def _listen(
        self, loop: asyncio.AbstractEventLoop, told: Told, woken: socket.socket, ready: threading.Event
    ) -> None:
        first = True

        def tell(hints: Sequence[BoxHint]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(told, hints)

        with woken:
            while True:
                try:
                    with psycopg.connect(**self._conninfo, autocommit=True) as connection:
                        connection.execute(f"LISTEN {CHANNEL}").close()
                        ready.set()
                        if not first:
                            tell([EVERYTHING])
                        first = False
                        if self._follow(connection, woken, tell):
                            return
                except psycopg.Error as error:
                    log.warning("not listening for changes: %s; trying again", " ".join(str(error).split()))
                if select.select([woken], [], [], RECONNECT_S)[0]:
                    return

    def _follow(self, connection: psycopg.Connection[Any], woken: socket.socket, tell: Told) -> bool:
        """Whether it was told to end."""
        pgconn = connection.pgconn
        while True:
            readable, _, _ = select.select([woken.fileno(), connection.fileno()], [], [])
            if woken.fileno() in readable:
                return True
            pgconn.consume_input()
            hints: list[BoxHint] = []
            while (notice := pgconn.notifies()) is not None:
                hints += _decoded(notice.extra, self._own)
            if hints:
                tell(coalesced(hints, MOST_HINTS))

    def _end_listener(self) -> None:
        listener, wake, self._listener, self._wake = self._listener, self._wake, None, None
        if wake is not None:
            wake.close()  # the other end becomes readable
        if listener is not None:
            listener.join(FLUSH_S)

    # Saying

    def publish(self, hints: Sequence[BoxHint]) -> None:
        with self._changed:
            if self._ending:
                return
            self._waiting += hints
            if len(self._waiting) > MOST_WAITING:
                self._waiting = coalesced(self._waiting, MOST_HINTS)
            if self._sender is None:
                self._sender = threading.Thread(target=self._send_all, name="store-notify", daemon=True)
                self._sender.start()
            self._changed.notify()

    def _send_all(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ending)
                hints, self._waiting = self._waiting, []
                if not hints:
                    break
            try:
                if connection is None:
                    connection = psycopg.connect(**self._conninfo, autocommit=True)
                self._send(connection, coalesced(hints, MOST_HINTS))
            except psycopg.Error as error:
                # Not tried again: those who listen on a connection that broke look at everything.
                log.info("hints not sent: %s", " ".join(str(error).split()))
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _send(self, connection: psycopg.Connection[Any], hints: Sequence[BoxHint]) -> None:
        payloads = [
            base64.b64encode(packed(self._own, page)).decode("ascii") for page in chunks(hints, HINTS_IN_MESSAGE)
        ]
        with connection.cursor() as cursor:
            for payload in payloads:
                cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))

    async def stop(self) -> None:
        await asyncio.to_thread(self._end_listener)

    def close(self) -> None:
        self._end_listener()
        with self._changed:
            self._ending = True
            self._changed.notify()
            sender, self._sender = self._sender, None
        if sender is not None:
            sender.join(FLUSH_S)


def conninfo(url: sa.URL) -> dict[str, Any]:
    """The URL as psycopg's own arguments."""
    found: dict[str, Any] = dict(POSTGRES_DEFAULTS)
    found.update({name: value for name, value in url.query.items() if isinstance(value, str)})
    hosts, ports = _multihost(url)
    parts = {"host": hosts, "port": ports, "user": url.username, "password": url.password, "dbname": url.database}
    found.update({name: value for name, value in parts.items() if value})
    return found


def _multihost(url: sa.URL) -> tuple[str | None, str | None]:
    """SQLAlchemy writes several hosts as ``?host=a:1&host=b:2``."""
    given = url.query.get("host")
    if not isinstance(given, tuple):
        return url.host, str(url.port) if url.port else None
    pairs = [each.partition(":") for each in given]
    return ",".join(host for host, _, _ in pairs), ",".join(port or "5432" for _, _, port in pairs)


def _decoded(payload: bytes, own: bytes) -> list[BoxHint]:
    try:
        return unpacked(base64.b64decode(payload, validate=True), own)
    except ValueError:
        return [EVERYTHING]
