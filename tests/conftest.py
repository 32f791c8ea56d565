"""What the whole suite shares: stores on SQLite and on PostgreSQL, and the rules of SQL checked on every statement."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from opostd.config import StoreSettings
from opostd.store import migrate, schema
from opostd.store.run import Store
from tests.support import order, postgres, sql_rules, sqlite

sql_rules.install()

# A busy machine is no failure: how long an example takes is the business of bench/ and of the fuzzer.
settings.register_profile("opostd", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("opostd")

RETRY_S = 10.0  # a test that waits for a database that never comes should fail before its own timeout


def pytest_configure(config: pytest.Config) -> None:
    order.configure(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes; otherwise tests run as they are written
        order.longest_first(items)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """One PostgreSQL for the session; its new databases have the tables already."""
    with postgres.running(fsync=False) as server:
        template = server.create_database()
        migrate.up(StoreSettings(url=template))
        server.template = template.rpartition("/")[2].partition("?")[0]
        yield server
        server.template = None
        server.drop_database(template)


@pytest.fixture(scope="session")
def sqlite_template() -> Path:
    """An SQLite file with the tables."""
    return sqlite.template()


@pytest.fixture
def sqlite_settings(tmp_path: Path) -> StoreSettings:
    """A fresh store on SQLite, migrated."""
    return replace(sqlite.new_file(tmp_path), retry_deadline_s=RETRY_S)


@pytest.fixture
def postgres_settings(postgres_server: postgres.Server) -> Iterator[StoreSettings]:
    """A fresh store on PostgreSQL, migrated."""
    url = postgres_server.borrow_database()
    yield StoreSettings(url=url, retry_deadline_s=RETRY_S)
    postgres_server.give_back(url, [name for metadata in schema.metadata.values() for name in metadata.tables])


@pytest.fixture
def new_postgres_settings(postgres_server: postgres.Server) -> Iterator[StoreSettings]:
    """A store on PostgreSQL that no other test has had: for what depends on pages and counters."""
    url = postgres_server.create_database()
    yield StoreSettings(url=url, retry_deadline_s=RETRY_S)
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_settings(request: pytest.FixtureRequest) -> StoreSettings:
    """A fresh store, on each database."""
    name = {"sqlite": "sqlite_settings", "postgresql": "postgres_settings"}[request.param]
    settings: StoreSettings = request.getfixturevalue(name)
    return settings


@pytest.fixture
def store(store_settings: StoreSettings) -> Iterator[Store]:
    """A store over it; closed afterwards, whether the test has closed it or not."""
    store = Store(store_settings)
    yield store
    store.close_sync()
