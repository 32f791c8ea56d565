"""Listening sockets: opened from the settings, or handed over by systemd (``LISTEN_FDS``, sd_listen_fds(3)).

All are bound before the store is touched and listen only when the server is ready, so that a client never meets a
door with nobody behind it.  A port that is taken is told with the one who has it.
"""

import contextlib
import errno
import logging
import os
import socket
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from opostd.config import Settings
from opostd.config.listen import split_listen, unix_path
from opostd.daemon import unix_sockets
from opostd.daemon.failure import EX_CONFIG, EX_NOPERM, EX_UNAVAILABLE, StartFailed

log = logging.getLogger("opostd.daemon")

FIRST_INHERITED = 3  # SD_LISTEN_FDS_START
SHARED_NAMES = ("opostd", "opostd.socket")  # one .socket unit for all doors has one name: the port says which
BACKLOG = 512  # a thousand programs that come back after a restart, within one round of accepting


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of listener.  name: as FileDescriptorName= says it; port: the usual one."""

    name: str
    room: str
    field: str
    port: int
    implicit_tls: bool = False


KINDS = (
    Kind("imap", "imap", "listen", 143),
    Kind("imaps", "imap", "listen_tls", 993, implicit_tls=True),
    Kind("submission", "submission", "listen", 587),
    Kind("submissions", "submission", "listen_tls", 465, implicit_tls=True),
    Kind("smtp", "smtp", "listen", 25),
    Kind("lmtp", "lmtp", "listen", 24),
    Kind("http", "http", "listen", 80),
    Kind("https", "http", "listen_tls", 443, implicit_tls=True),
    Kind("metrics", "metrics", "listen", 9464),
)


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound socket and what comes in at it."""

    kind: Kind
    socket: socket.socket
    inherited: bool = False
    path: Path | None = None  # that was made for it
    made: int = 0  # the inode of that path

    @property
    def is_unix(self) -> bool:
        return self.socket.family == socket.AF_UNIX

    @property
    def host(self) -> str:
        """Its address; of a UNIX socket the path."""
        where = self.socket.getsockname()
        return str(where if self.is_unix else where[0])

    @property
    def port(self) -> int:
        """0 where it has none."""
        return 0 if self.is_unix else int(self.socket.getsockname()[1])

    @property
    def on_loopback(self) -> bool:
        return self.is_unix or self.host.startswith("127.") or self.host == "::1"

    @property
    def address(self) -> str:
        if self.is_unix:
            return f"unix:{self.host}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def open_all(settings: Settings, environ: MutableMapping[str, str], spare: Sequence[str] = ()) -> list[Listener]:
    """Every listener of the settings, bound; those that systemd opened take the place of the list of their kind.

    spare: rooms without which the server starts all the same, where another has their port.

    Takes the ``LISTEN_*`` variables out of the environment, so that no child takes the sockets for its own.  Raises
    StartFailed.
    """
    listeners = inherited(environ)
    try:
        handed = {listener.kind for listener in listeners}
        for kind in KINDS:
            if kind in handed:
                continue
            for address in getattr(getattr(settings, kind.room), kind.field):
                path = unix_path(address)
                if path is None:
                    try:
                        listeners += _bind(kind, address)
                    except StartFailed as error:
                        if kind.room not in spare or error.status != EX_UNAVAILABLE:
                            raise
                        log.warning("nothing listens for %s: %s", kind.name, error)
                else:
                    opened = unix_sockets.bind(path, int(settings.lmtp.socket_mode, 8))
                    listeners.append(Listener(kind, opened, path=path, made=unix_sockets.inode(path)))
    except StartFailed:
        close_all(listeners)
        raise
    if not listeners:
        raise StartFailed(EX_CONFIG, "nothing to listen on: give imap.listen, submission.listen or another listener")
    return listeners


def close_all(listeners: Iterable[Listener]) -> None:
    for listener in listeners:
        if listener.path is not None:
            unix_sockets.remove(listener.path, listener.made)
        listener.socket.close()


def listen(listener: Listener) -> None:
    """Let clients in from now on.  Raises StartFailed where another has taken the port since it was bound."""
    try:
        listener.socket.listen(BACKLOG)
    except OSError as error:
        raise _failure(error, listener.host, listener.port) from error


def inherited(environ: MutableMapping[str, str]) -> list[Listener]:
    """The sockets that systemd has opened for this process.  Raises StartFailed for one whose name says nothing."""
    count, pid = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_PID", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    listeners = []
    for number in range(int(count)):
        handed = socket.socket(fileno=FIRST_INHERITED + number)
        handed.setblocking(False)
        handed.set_inheritable(False)
        kind = _kind(names[number] if number < len(names) else "", handed)
        listeners.append(Listener(kind, handed, inherited=True))
    return listeners


def _kind(name: str, handed: socket.socket) -> Kind:
    """What a socket of systemd is for: its name says it, or, under the server's own name, its port."""
    kind = next((kind for kind in KINDS if kind.name == name), None)
    if kind is None and name in SHARED_NAMES and handed.family != socket.AF_UNIX:
        port = handed.getsockname()[1]
        kind = next((kind for kind in KINDS if kind.port == port), None)
    if kind is None:
        names = ", ".join(kind.name for kind in KINDS)
        where = handed.getsockname()
        raise StartFailed(
            EX_CONFIG,
            f"systemd handed over {where} under the name {name!r}; FileDescriptorName= is one of {names}"
            f" (or {SHARED_NAMES[0]}, for the usual ports)",
        )
    return kind


def _bind(kind: Kind, address: str) -> list[Listener]:
    place = split_listen(address)
    if place is None:
        raise StartFailed(EX_CONFIG, f"{kind.room}.{kind.field}: {address} is no host:port")
    host, port = place
    try:
        found = socket.getaddrinfo(
            None if host == "*" else host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise StartFailed(EX_CONFIG, f"{kind.room}.{kind.field}: {host} is no address: {error.strerror}") from error
    listeners: list[Listener] = []
    for family, _, protocol, _, where in dict.fromkeys(found):
        opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.bind(where)
        except OSError as error:
            opened.close()
            close_all(listeners)
            raise _failure(error, host, port) from error
        listeners.append(Listener(kind, opened))
    return listeners


def _failure(error: OSError, host: str, port: int) -> StartFailed:
    if error.errno == errno.EADDRINUSE:
        by = owner_of(port)
        return StartFailed(
            EX_UNAVAILABLE,
            f"port {port} is taken{f' by {by}' if by else ''}; free it, or: opostd serve --port-offset 2000",
        )
    if error.errno == errno.EACCES:
        return StartFailed(
            EX_NOPERM,
            f"port {port} is not open to this user; take one over 1023, or let systemd open it (systemd/opostd.socket)",
        )
    return StartFailed(EX_CONFIG, f"cannot listen on {host} port {port}: {error.strerror}")


def owner_of(port: int, proc: Path = Path("/proc")) -> str:
    """``pid 812 (mailpit)`` of whoever listens on a TCP port; nothing where that cannot be seen."""
    wanted = set(_inodes(port, proc))
    if not wanted:
        return ""
    for process in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(descriptor) in wanted:
                        return f"pid {process.name} ({(process / 'comm').read_text().strip()})"
    return ""


def _inodes(port: int, proc: Path) -> Iterable[str]:
    """``socket:[123]`` of every TCP socket that listens on the port (proc(5): state 0A is LISTEN)."""
    for table in ("net/tcp", "net/tcp6"):
        with contextlib.suppress(OSError):
            for row in (proc / table).read_text().splitlines()[1:]:
                columns = row.split()
                if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                    yield f"socket:[{columns[9]}]"


def ports(listeners: Iterable[Listener]) -> Mapping[str, int]:
    """The first port of each kind, by its name."""
    found: dict[str, int] = {}
    for listener in listeners:
        if listener.port:
            found.setdefault(listener.kind.name, listener.port)
    return found
