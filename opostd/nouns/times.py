"""Times as programs read them (RFC 3339)."""

import datetime


def iso(seconds: int) -> str:
    """``2026-11-24T18:31:00Z``."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_or_none(seconds: int | None) -> str | None:
    return None if seconds is None else iso(seconds)


def day(text: str) -> int | None:
    """The beginning of a day such as 2026-11-01, in UTC; None for what is none."""
    try:
        found = datetime.date.fromisoformat(text)
    except ValueError:
        return None
    return max(1, int(datetime.datetime.combine(found, datetime.time(), datetime.UTC).timestamp()))
