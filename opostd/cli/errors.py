"""From what went wrong to the exit status of sysexits.h: the one table of this door."""

from opostd.model import errors

EX_OK, EX_USAGE, EX_DATAERR, EX_NOUSER = 0, 64, 65, 66  # 66 is EX_NOINPUT there; here: no such user or box
EX_UNAVAILABLE, EX_SOFTWARE, EX_CANTCREAT, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 69, 70, 73, 75, 77, 78

_TABLE: tuple[tuple[type[Exception], int], ...] = (
    (errors.BadSettings, EX_CONFIG),
    (errors.SchemaMismatch, EX_CONFIG),
    (errors.NoSuchAddress, EX_NOUSER),
    (errors.NoSuchBox, EX_NOUSER),
    (errors.NoSuchPost, EX_NOUSER),
    (errors.AddressTaken, EX_CANTCREAT),
    (errors.BoxExists, EX_CANTCREAT),
    (errors.NotAllowed, EX_NOPERM),
    (errors.LoginFailed, EX_NOPERM),
    (errors.Later, EX_TEMPFAIL),
    (errors.Refused, EX_DATAERR),
    (errors.BadSyntax, EX_DATAERR),
    (errors.DiskFull, EX_TEMPFAIL),
    (errors.Unavailable, EX_UNAVAILABLE),
)


def status_of(error: BaseException) -> int | None:
    """The exit status of an error that a person can act on; None for a bug."""
    return next((status for kind, status in _TABLE if isinstance(error, kind)), None)
