"""Fixtures of the SMTP tests: a store on SQLite, on both databases, and a certificate."""

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from opostd.config import Settings, StoreSettings
from opostd.daemon import tls
from opostd.store import migrate
from opostd.store.run import Store


@pytest.fixture(scope="session")
def server_context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """The TLS context that the daemon would use, of a certificate it made itself."""
    settings = Settings(hostname="mail.opost.example", data_directory=tmp_path_factory.mktemp("tls"))
    return tls.asyncio_context(tls.identity(settings, datetime.datetime.now(datetime.UTC)))


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Store]:
    """A fresh store on SQLite; the test's loop closes it."""
    settings = StoreSettings(url=f"sqlite:///{tmp_path / 'opostd.db'}")
    migrate.up(settings)
    return Store(settings)
