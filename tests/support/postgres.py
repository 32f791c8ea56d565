"""A PostgreSQL of the tests' own, from the distribution's binaries; ended with kill -9 and started again at will.

``$OPOSTD_TEST_POSTGRES_URL`` names a server to use instead (``postgresql+psycopg://user@host/postgres``): it must
allow CREATE DATABASE.  PostgreSQL refuses to run as root, so root's tests run it as ``postgres`` or ``nobody``.
"""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from opostd.store.notify_postgres import conninfo

GIVEN = "OPOSTD_TEST_POSTGRES_URL"
START_S = 60.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "logging_collector": "off",
    "autovacuum_naptime": "5s",
}


# Tables, columns, triggers, and the revisions that the three version tables tell.
_FINGERPRINT = """
SELECT (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
  (SELECT version_num FROM schema_directory), (SELECT version_num FROM schema_owner),
  (SELECT version_num FROM schema_post)
"""


class Server:
    """A running server.  url: of its database ``postgres``; template: what new databases are copies of."""

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        self.template: str | None = None
        self._free: list[str] = []
        self._fingerprint: object = None

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection in autocommit, to look from outside."""
        return psycopg.connect(**{**conninfo(self.url), "dbname": database}, autocommit=True)

    def create_database(self, name: str | None = None) -> str:
        """A new database; its URL."""
        name = name or f"opostd_test_{secrets.token_hex(8)}"
        copied = f" TEMPLATE {self.template}" if self.template else ""
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}{copied}")  # type: ignore[call-overload]
        return self.url.set(database=name).render_as_string(hide_password=False)

    def borrow_database(self) -> str:
        """A database with empty tables, perhaps one that was given back."""
        return self._free.pop() if self._free else self.create_database()

    def give_back(self, url: str, tables: Sequence[str]) -> None:
        """Empties these tables, for the next who borrows: a tenth of what a new database costs.

        One whose schema was changed is dropped.
        """
        name = sa.make_url(url).database
        assert name is not None
        with self.connect(name) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                (name,),
            )
            whole = connection.execute(_FINGERPRINT).fetchone()
            if self._fingerprint in (None, whole):
                self._fingerprint = whole
                connection.execute("; ".join(f"DELETE FROM {table}" for table in tables))  # type: ignore[call-overload]
                self._free.append(url)
                return
        self.drop_database(url)

    def drop_database(self, url: str) -> None:
        """Removes it, whoever is connected."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {sa.make_url(url).database} WITH (FORCE)")  # type: ignore[call-overload]


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class OwnServer(Server):
    """A server whose processes are ours."""

    def __init__(self, folder: Path, fsync: bool) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._user = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        super().__init__(f"postgresql+psycopg://opostd@127.0.0.1:{self.port}/postgres")
        if self._user is not None:
            shutil.chown(folder, self._user)
        self._run("initdb", "--no-sync", "--auth=trust", "--username=opostd", "--encoding=UTF8", "--locale=C",
                  "-D", str(self._data))  # fmt: skip
        self._options = {**SETTINGS, "port": str(self.port), "fsync": "on" if fsync else "off"}
        if not fsync:
            self._options |= {"full_page_writes": "off"}
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(binaries() / program), *arguments],
            user=self._user, group=_group(self._user), extra_groups=_extra(self._user), cwd=self._folder, capture_output=True, text=True, env=_environ(),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")

    def start(self) -> None:
        """Starts it and waits until it answers."""
        options = [part for name, value in self._options.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(binaries() / "postgres"), "-D", str(self._data), *options],
                user=self._user, group=_group(self._user), extra_groups=_extra(self._user), cwd=self._folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environ(), start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"it does not start: {(self._folder / 'log').read_text()[-2000:]}") from error
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(0.02)

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """kill -9 of the server and of all its children, as when the machine stops."""
        assert self._process is not None
        _signal([self._process.pid, *_children(self._process.pid)], signal.SIGKILL)
        self._process.wait()

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """It and all its children stand still: connections are there, and nobody answers."""
        assert self._process is not None
        stopped = [self._process.pid, *_children(self._process.pid)]
        _signal(stopped, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(stopped, signal.SIGCONT)

    def restart(self) -> None:
        """After ``kill``."""
        self.start()

    def stop(self) -> None:
        """As fast as is orderly: everybody is disconnected, nothing is written."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)  # immediate
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()


@contextlib.contextmanager
def running(fsync: bool) -> Iterator[Server]:
    """A server until the end of the block."""
    if given := os.environ.get(GIVEN):
        yield Server(given)
        return
    with own(fsync) as server:
        yield server


@contextlib.contextmanager
def own(fsync: bool) -> Iterator[OwnServer]:
    """A server that the test may stop, kill and silence, until the end of the block, whatever others there are."""
    with tempfile.TemporaryDirectory(prefix="opostd-postgres-", ignore_cleanup_errors=True) as name:
        server = OwnServer(Path(name), fsync)
        try:
            yield server
        finally:
            server.stop()


def binaries() -> Path:
    """The folder of ``initdb`` and ``postgres``: on PATH, or where Debian puts the newest."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: _version(each.parts[-3]))
    if not installed:
        raise RuntimeError(f"PostgreSQL is needed: apt-get install postgresql, or set ${GIVEN}")
    return installed[-1].parent


def _version(text: str) -> int:
    return int(re.sub(r"\D.*", "", text) or 0)


def _environ() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C", "HOME": "/"}


def _unprivileged() -> str | None:
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise RuntimeError("PostgreSQL does not run as root, and there is no other user")


def _group(user: str | None) -> int | None:
    return None if user is None else pwd.getpwnam(user).pw_gid


def _extra(user: str | None) -> list[int] | None:
    return None if user is None else []


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as each:
        return int(each.getsockname()[1])


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in found.read_text().split()] if found.exists() else []
