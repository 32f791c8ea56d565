"""Fixtures of the agent's tests."""

from collections.abc import Iterator

import pytest

from opostd.config import StoreSettings
from opostd.store.run import Store


@pytest.fixture
def sqlite(sqlite_settings: StoreSettings) -> Iterator[Store]:
    """A store where the database does not matter."""
    store = Store(sqlite_settings)
    yield store
    store.close_sync()
