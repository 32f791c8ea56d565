"""Fixtures of the SMTP tests: a store on SQLite, on both databases, and a certificate."""

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from opostd.config import Settings
from opostd.daemon import tls
from opostd.store.run import Store
from tests.support.sqlite import new_file


@pytest.fixture(scope="session")
def server_context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """The TLS context that the daemon would use, of a certificate it made itself."""
    settings = Settings(hostname="mail.opost.example", data_directory=tmp_path_factory.mktemp("tls"))
    return tls.asyncio_context(tls.identity(settings, datetime.datetime.now(datetime.UTC)))


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Store]:
    """A fresh store on SQLite; the test's loop closes it."""
    return Store(new_file(tmp_path))
