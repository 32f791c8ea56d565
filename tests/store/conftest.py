"""What the tests of the store share."""

from pathlib import Path

import pytest

from opostd.config import StoreSettings
from tests.support import postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    """A database without tables, perhaps without a file."""
    if request.param == "sqlite":
        return StoreSettings(url=f"sqlite:///{tmp_path / 'empty.db'}")
    server: postgres.Server = request.getfixturevalue("postgres_server")
    template, server.template = server.template, "template0"
    try:
        return StoreSettings(url=server.create_database())
    finally:
        server.template = template
