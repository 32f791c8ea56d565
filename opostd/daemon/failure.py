"""Why a start failed, with the exit status that says so to scripts (sysexits.h)."""

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
