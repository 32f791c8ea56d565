"""Why a start failed, with the exit status that says so to scripts (sysexits.h)."""

from opostd.model.errors import SchemaMismatch

EX_UNAVAILABLE = 69  # a port or the database cannot be had
EX_SOFTWARE = 70
EX_CANTCREAT = 73
EX_NOPERM = 77
EX_CONFIG = 78


class StartFailed(Exception):
    """The server does not start.  status: of sysexits; the text is for the one who started it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def schema_text(error: SchemaMismatch, migrate: str) -> str:
    """What to do about a schema that is not this version's.  migrate: the command that brings it up."""
    if error.found is not None and error.found > error.wanted:  # revisions are numbered
        newer = f"schema {error.found} ({error.group}) is newer than this version's {error.wanted}"
        return f"{newer}: take the opostd that made it"
    return f"schema {error.found or 'not made yet'} ({error.group}), this version needs {error.wanted}: {migrate}"
