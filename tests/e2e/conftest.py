"""A real daemon with three people and a group, over SQLite and over PostgreSQL."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from opostd.config import StoreSettings
from tests.support.daemon import Daemon, start_daemon

PASSWORD = "deadbeef"
DOMAIN = "opost.example"

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

    def cli(self, *arguments: str, text: str = "") -> str:
        """Runs ``opostd --config FILE ...``; its output.  Fails the test when the status is not 0."""
        return cli(self.config, *arguments, text=text)

    def add_user(self, name: str, *, admin: bool = False) -> None:
        self.cli("user", "add", f"{name}@{DOMAIN}", "--password-stdin", *(["--admin"] * admin), text=PASSWORD + "\n")


def cli(config: Path, *arguments: str, text: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "opostd", "--config", str(config), *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture
def site(store_settings: StoreSettings, tmp_path: Path) -> Iterator[Site]:
    """anna, bob and root (an administrator), and the group team with anna and bob."""
    daemon = start_daemon(tmp_path, config_text=CONFIG.format(url=store_settings.url))
    site = Site(daemon.config, daemon)
    try:
        site.add_user("root", admin=True)
        site.add_user("anna")
        site.add_user("bob")
        site.cli("group", "add", "team", "--members", "anna,bob", "--post", "members")
        yield site
    finally:
        daemon.stop()
