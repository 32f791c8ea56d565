"""SQLite files that have the tables already: made once in a process, and copied, for migrating takes longer than most tests."""

import functools
import shutil
import tempfile
from pathlib import Path

from opostd.config import StoreSettings
from opostd.store import migrate

_FOLDER = tempfile.TemporaryDirectory(prefix="opostd-template-")  # goes at the end of the process


@functools.cache
def template() -> Path:
    """A file with the tables, to copy."""
    path = Path(_FOLDER.name) / "template.db"
    migrate.up(StoreSettings(url=f"sqlite:///{path}"))
    return path


def new_file(folder: Path) -> StoreSettings:
    """A fresh store in ``folder``, migrated."""
    path = folder / "opostd.db"
    shutil.copy(template(), path)
    return StoreSettings(url=f"sqlite:///{path}")
