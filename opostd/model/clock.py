"""The time of day.  Timeouts are the loop's own clock's."""

import time


def wall_clock() -> int:
    """Seconds since 1970."""
    return int(time.time())
