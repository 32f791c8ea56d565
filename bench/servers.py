"""The servers that are measured: opostd over each store, and Dovecot, each on loopback with data of its own."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import load
import sqlalchemy as sa
import users

from opostd.config import StoreSettings
from tests.support import daemon as daemons
from tests.support import postgres

HERE = Path(__file__).parent
DOVECOT = HERE / "peers" / "dovecot.py"

CONFIG = """
hostname = "mail.bench.test"
domains = ["bench.test"]
[store]
url = "{url}"
[imap]
listen = ["127.0.0.1:{{imap}}"]
listen_tls = ["127.0.0.1:{{imaps}}"]
[submission]
listen = ["127.0.0.1:{{submission}}"]
markdown = "marked"
[smtp]
listen = ["127.0.0.1:{{smtp}}"]
[auth]
plaintext_on_loopback = true
"""


@dataclass
class Server:
    """A running server.  roots: its processes; those below them count too."""

    name: str
    imap: int
    imaps: int
    mail: int
    lmtp: bool
    roots: list[int] = field(default_factory=list)

    def target(self, port: int | None = None, *, user: str = "u{n:05d}@bench.test", tls: bool = False) -> load.Target:
        return load.Target("127.0.0.1", port or (self.imaps if tls else self.imap), user, users.PASSWORD, tls=tls)

    @property
    def processes(self) -> load.Processes:
        return load.Processes(self.roots, None)

    def rest(self, patience_s: float = 120) -> None:
        """Until it does nothing any more: opostd indexes what came, and Postfix delivers it, after their answer."""
        end, last = time.monotonic() + patience_s, -1.0
        while (now := self.processes.cpu_seconds()) - last > 0.05 and time.monotonic() < end:
            last = now
            time.sleep(1)

    def restart(self) -> None:
        """The same data, caches of its own cold."""
        raise NotImplementedError


class Opostd(Server):
    """A daemon over one store."""

    def __init__(
        self, name: str, settings: StoreSettings, folder: Path, database_roots: list[int], more: str = ""
    ) -> None:
        folder.mkdir()
        users.prepare(settings)
        self.settings = settings
        self.database_roots = database_roots
        self.daemon = daemons.start_daemon(folder, config_text=CONFIG.format(url=settings.url) + more)
        ports = self.daemon.ports
        self.submission = ports["submission"]
        super().__init__(name, ports["imap"], ports["imaps"], ports["smtp"], False)
        self.roots = [self.daemon.pid, *database_roots]

    def ask(self, question: str) -> int:
        """A number out of its database."""
        engine = sa.create_engine(self.settings.url)
        with engine.connect() as connection:
            found = int(connection.execute(sa.text(question)).scalar_one())
        engine.dispose()
        return found

    def octets(self) -> int:
        """What its database takes, without what is free in it and without its log."""
        if self.settings.url.startswith("sqlite"):
            return self.ask(
                "SELECT (page_count - freelist_count) * page_size"
                " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
            )
        return self.ask("SELECT pg_database_size(current_database())")

    def restart(self) -> None:
        self.daemon.stop()
        self.daemon.restart()
        self.roots = [self.daemon.pid, *self.database_roots]

    def stop(self) -> None:
        self.daemon.stop()


class Dovecot(Server):
    """Debian's, as peers/dovecot.py configures it."""

    def __init__(self, folder: Path, user_count: int) -> None:
        self.folder, self.user_count = folder, user_count
        folder.mkdir()
        self._certificate()
        self.port = _free_base()
        super().__init__("Dovecot", 0, 0, 0, True)
        self._start()

    def _start(self) -> None:
        said = subprocess.run(
            [sys.executable, str(DOVECOT), "start", str(self.folder), "--users", str(self.user_count), "--port",
             str(self.port), "--certificate", str(self.folder / "certificate.pem")],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        found = json.loads(said.stdout)
        self.imap, self.imaps, self.mail, self.roots = found["imap"], found["imaps"], found["lmtp"], [found["pid"]]

    def _certificate(self) -> None:
        both = self.folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=bench.test",
             "-keyout", str(both), "-out", str(self.folder / "public.pem")],
            check=True, capture_output=True,
        )  # fmt: skip
        with both.open("a", encoding="ascii") as file:
            file.write((self.folder / "public.pem").read_text(encoding="ascii"))

    def restart(self) -> None:
        self.stop()
        self._start()

    def stop(self) -> None:
        subprocess.run([sys.executable, str(DOVECOT), "stop", str(self.folder)], check=True)


def _free_base() -> int:
    """A base below which Dovecot's ports are free."""
    for base in range(26_000, 32_000, 500):
        try:
            for port in (24, 26, 143, 993):
                socket.create_server(("127.0.0.1", base + port)).close()
        except OSError:
            continue
        return base
    raise SystemExit("no free ports for Dovecot")


@contextmanager
def started(folder: Path, *, names: set[str], user_count: int, more: str = "") -> Iterator[list[Server]]:
    """Those servers of the names that can run here, Dovecot first; the others are said.

    more: of our configuration.
    """
    folder.mkdir()
    with ExitStack() as stack:
        found: list[Server] = []
        if "Dovecot" in names:
            if shutil.which("dovecot"):
                dovecot = Dovecot(folder / "dovecot", user_count)
                stack.callback(dovecot.stop)
                found.append(dovecot)
            else:
                print("Dovecot is not installed (Debian: dovecot-imapd dovecot-lmtpd): measured without", flush=True)
        for name in ("SQLite", "PostgreSQL"):
            if name in names:
                roots: list[int] = []
                url = f"sqlite:///{folder}/bench.db"
                if name == "PostgreSQL":
                    database = stack.enter_context(postgres.running(fsync=True))
                    url = database.create_database()
                    roots = [database.pid] if isinstance(database, postgres.OwnServer) else []
                ours = Opostd(name, StoreSettings(url=url), folder / name, roots, more)
                stack.callback(ours.stop)
                users.fill(ours.settings, 1, user_count)
                found.append(ours)
        time.sleep(1)
        yield found
