"""A real daemon with three people and a group, over SQLite and over PostgreSQL."""

import asyncio
import contextlib
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from opostd import cli
from opostd.config import StoreSettings
from opostd.model.records import PostPolicy
from opostd.store import accounts, provision
from opostd.store.run import Store
from tests.support.daemon import Daemon, start_daemon

PASSWORD = "deadbeef"
DOMAIN = "opost.example"
NOW = 1_700_000_000

CONFIG = """
hostname = "mail.opost.example"
domains  = ["opost.example"]
[store]
url = "{url}"
[imap]
listen = ["127.0.0.1:{{imap}}"]
listen_tls = ["127.0.0.1:{{imaps}}"]
[submission]
listen = ["127.0.0.1:{{submission}}"]
listen_tls = ["127.0.0.1:{{submissions}}"]
[smtp]
listen = ["127.0.0.1:{{smtp}}"]
[lmtp]
listen = ["127.0.0.1:{{lmtp}}"]
[auth]
plaintext_on_loopback = true
"""


@dataclass
class Site:
    """A configuration file, its store made by the command line, and the daemon serving it."""

    config: Path
    daemon: Daemon
    settings: StoreSettings

    def add_user(self, name: str) -> None:
        asyncio.run(add_users(self.settings, name))

    def cli(self, *arguments: str, text: str = "") -> str:
        """Runs ``opostd --config FILE ...``; its output.  Fails the test when the status is not 0.

        In this process, for a new one takes longer to begin than most commands (tests/cli and test_configuration run it).
        """
        out, err, stdin = io.StringIO(), io.StringIO(), sys.stdin
        sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = cli.run(["--config", str(self.config), *arguments])
        finally:
            sys.stdin = stdin
        assert status == 0, (arguments, out.getvalue(), err.getvalue())
        return out.getvalue()


async def add_users(settings: StoreSettings, *names: str) -> None:
    """As the command line would make them (tests/cli), without starting it for each; root is an administrator."""
    secret = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    store = Store(settings)
    await provision.ensure_system(store, (DOMAIN,), now=NOW)
    for name in names:
        await provision.add_user(store, f"{name}@{DOMAIN}", secret=secret, admin=name == "root", now=NOW)
    await store.close()


async def people(settings: StoreSettings) -> None:
    await add_users(settings, "root", "anna", "bob")
    store = Store(settings)
    found = await store.run(accounts.addresses, [f"{name}@{DOMAIN}" for name in ("anna", "bob")])
    members = [each.owner for each in found.values()]
    await provision.add_group(store, f"team@{DOMAIN}", title="", members=members, post=PostPolicy.MEMBERS, now=NOW)
    await store.close()


@pytest.fixture
def site(store_settings: StoreSettings, tmp_path: Path) -> Iterator[Site]:
    """anna, bob and root (an administrator), and the group team with anna and bob."""
    asyncio.run(people(store_settings))
    daemon = start_daemon(tmp_path, config_text=CONFIG.format(url=store_settings.url), migrate=False)
    try:
        yield Site(daemon.config, daemon, store_settings)
    finally:
        daemon.stop()


@dataclass
class Person:
    """Somebody of a daemon that several tests share."""

    name: str
    site: Site

    @property
    def address(self) -> str:
        return f"{self.name}@{DOMAIN}"

    @property
    def imaps(self) -> int:
        return self.site.daemon.ports["imaps"]

    @property
    def certificate(self) -> Path:
        """The daemon's own, for a client that verifies it; it is for localhost and 127.0.0.1."""
        return next(self.site.config.parent.rglob("certificate.pem"))


def complaints(output: str) -> list[str]:
    """The lines of a daemon's log that tell of a NO, a BAD or trouble."""
    return [line for line in output.splitlines() if re.search(r"imap (no|bad):|incident|warning|error|Traceback", line)]


@pytest.fixture(scope="module")
def served(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One daemon, on SQLite, for all tests of a module: for what depends on no store and comes as several users."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(sqlite_template, folder / "opostd.db")
    settings = StoreSettings(url=f"sqlite:///{folder}/opostd.db")
    asyncio.run(people(settings))
    daemon = start_daemon(folder, config_text=CONFIG.format(url=settings.url), migrate=False)
    try:
        yield Site(daemon.config, daemon, settings)
    finally:
        daemon.stop()


@pytest.fixture
def person(served: Site, request: pytest.FixtureRequest) -> Iterator[Person]:
    """A new user, whose mail program must be content: no NO, BAD or trouble is in the log afterwards."""
    name = re.sub(r"\W|_", "", request.node.name.removeprefix("test_"))[:20]
    served.add_user(name)
    before = len(served.daemon.output)
    yield Person(name, served)
    assert not complaints(served.daemon.output[before:])


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the user postfix may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="opostd-postfix-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
