"""What breaks, and clients that look on: a daemon over a store of the test's own, and plain octets on a socket."""

import asyncio
import contextlib
import os
import resource
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from opostd.config import StoreSettings
from tests.e2e.conftest import CONFIG, DOMAIN, PASSWORD, Site, people
from tests.support.daemon import start_daemon
from tests.support.sqlite import new_file

RETRY_S = 1.0  # what the server waits for its database: short, for tests wait as long
PATIENCE_S = 30.0  # for one reply, on a machine where everything else runs too


@contextmanager
def site_over(
    settings: StoreSettings, tmp_path: Path, under: Sequence[str] = (), more: str = "", tables: str = ""
) -> Iterator[Site]:
    """As the fixture ``site``, over a store that the test may break.  more: a table and a key for it; tables: others."""
    asyncio.run(people(settings))
    config = CONFIG.replace('url = "{url}"', f'url = "{{url}}"\nretry_deadline_s = {RETRY_S}').format(url=settings.url)
    table, _, key = more.partition("\n")
    config = (config.replace(table, more) if key else config) + tables
    daemon = start_daemon(tmp_path, config_text=config, migrate=False, under=under)
    try:
        yield Site(daemon.config, daemon, settings)
    finally:
        daemon.stop()


def sqlite_in(folder: Path) -> StoreSettings:
    return new_file(folder)


class Wire:
    """A connection whose client says exactly what the test says."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def line(self) -> str:
        """The next line; empty also at the end of the connection."""
        return self.raw_line().rstrip("\r\n")

    def raw_line(self) -> str:
        """The next line with its end; empty at the end of the connection."""
        with contextlib.suppress(ConnectionError):
            return self._file.readline().decode("latin-1")
        return ""

    def say(self, text: str) -> None:
        self.socket.sendall(text.encode("latin-1"))

    def reset(self) -> None:
        """End it by RST, without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()


class Sender(Wire):
    """A mail server that delivers to anna."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.daemon.ports["smtp"])
        self.reply()
        self.ask("EHLO client.example")

    def reply(self) -> str:
        line = self.line()
        while line[3:4] == "-":
            line = self.line()
        return line

    def ask(self, command: str) -> str:
        self.say(command + "\r\n")
        return self.reply()

    def deliver(self, subject: str, octets: int = 10) -> str:
        """The reply to one message, or to the first command that is refused."""
        for command in ("RSET", "MAIL FROM:<someone@other.example>", f"RCPT TO:<anna@{DOMAIN}>", "DATA"):
            reply = self.ask(command)
            if reply[:1] not in ("2", "3"):
                return reply
        body = "x" * 70 + "\r\n"
        return self.ask(f"Subject: {subject}\r\n\r\n{body * (octets // len(body) + 1)}.")


class Reader(Wire):
    """anna's mail program."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.daemon.ports["imap"])
        self.line()
        self.said: list[str] = []
        assert self.ask(f"LOGIN anna {PASSWORD}").startswith("OK"), self.said

    def ask(self, command: str) -> str:
        """The tagged reply, without its tag; empty at the end of the connection.  ``said`` has what came before it."""
        self.say(f"A1 {command}\r\n")
        return self._tagged()

    def append(self, subject: str) -> str:
        """The tagged reply to APPEND into Archive."""
        octets = f"Subject: {subject}\r\n\r\ntext\r\n"
        return self.ask(f"APPEND Archive {{{len(octets)}+}}\r\n{octets}")

    def _tagged(self) -> str:
        self.said = []
        while (line := self.raw_line()) and not line.startswith("A1 "):
            self.said.append(line)
        return line.removeprefix("A1 ").rstrip("\r\n")


def until(what: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    """Whether it came true within the time."""
    end = time.monotonic() + timeout_s
    while not what():
        if time.monotonic() > end:
            return False
        threading.Event().wait(0.05)
    return True


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def connections(pid: int) -> int:
    """Sockets that it holds; files of the database come and go with its threads."""
    found = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found += os.readlink(each).startswith("socket:")
    return found


def cpu_s(pid: int) -> float:
    """Seconds of processor time so far."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class SmallDisk:
    """A file system of a few MiB, or where none can be mounted a limit on the size of the daemon's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
        self.mounted = bool(shutil.which("mount")) and not subprocess.run(mount, capture_output=True).returncode

    def fill(self, pid: int) -> None:
        """From now on there is no more than so much."""
        if not self.mounted:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (2 * 1024 * 1024, resource.RLIM_INFINITY))

    def grow(self, pid: int) -> None:
        """Somebody has made room."""
        if self.mounted:
            subprocess.run(["mount", "-o", "remount,size=32m", str(self.folder)], check=True)
        else:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)
