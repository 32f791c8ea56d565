"""The Date field (RFC 5322 3.3, 4.3), tolerant of what is sent: a moment, and the day as written."""

import re
from datetime import date
from typing import NamedTuple

from opostd.mime.remember import remembered

_DAY_S = 24 * 60 * 60
_EPOCH = date(1970, 1, 1).toordinal()
_MONTHS = {name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
# RFC 5322 4.3; others count as -0000, military letters too
_ZONES = {b"EST": -5, b"EDT": -4, b"CST": -6, b"CDT": -5, b"MST": -7, b"MDT": -6, b"PST": -8, b"PDT": -7}
_ZONES |= {b"CET": 1, b"MET": 1, b"CEST": 2, b"MEST": 2, b"BST": 1, b"EET": 2, b"EEST": 3, b"JST": 9}

_TIME = rb"(?P<H>\d{1,2})[:.](?P<M>\d{2})(?:[:.](?P<S>\d{2})(?:\.\d{1,9})?)?"
_ZONE = rb"\s*(?P<zone>[+-]\d{4}|[A-Za-z]{1,5})?"
_FORMS = tuple(
    re.compile(form)
    for form in (
        # Wed, 17 Jul 1996 02:23:25 -0700
        rb"\s*(?:[A-Za-z]{2,9}(?:[,.]\s*|\s+))?(?P<d>\d{1,2})[\s-]+(?P<m>[A-Za-z]{3,9})[\s,.-]+(?P<y>\d{2,4})(?:[\s,]+"
        + _TIME
        + _ZONE
        + rb")?",
        # Wed Jul 17 02:23:25 1996, and with a zone before the year
        rb"\s*(?:[A-Za-z]{2,9}(?:[,.]\s*|\s+))?(?P<m>[A-Za-z]{3,9})\s+(?P<d>\d{1,2}),?\s+"
        + _TIME
        + _ZONE
        + rb"\s+(?P<y>\d{4})",
        # 1996-07-17T02:23:25-07:00
        rb"\s*(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})(?:[\sT]+" + _TIME + rb"\s*(?P<zone>[+-]\d{2}:?\d{2}|Z)?)?",
    )
)
_MAX_OCTETS = 200  # of the field that are looked at


class Sent(NamedTuple):
    """seconds: since 1970-01-01 UTC; day: days since then of the date as written, its zone ignored."""

    seconds: int
    day: int


@remembered(16, 100)
def sent(value: bytes) -> Sent | None:
    """What an unfolded Date field says, or None where it names no day of the years 1 to 9999."""
    value = value[:_MAX_OCTETS].split(b"(", 1)[0]
    for form in _FORMS:
        if match := form.match(value):
            return _sent(match)
    return None


def _sent(match: re.Match[bytes]) -> Sent | None:
    year, month = int(match["y"]), match["m"]
    if len(match["y"]) < 4:  # RFC 5322 4.3: two digits, and three of a broken clock
        year += 2000 if year < 50 else 1900
    number = int(month) if month.isdigit() else _MONTHS.get(month[:3].lower(), 0)
    try:
        day = date(year, number, int(match["d"])).toordinal() - _EPOCH
    except ValueError:
        return None
    moment = (
        int(match["H"] or 0) * 3600 + int(match["M"] or 0) * 60 + min(59, int(match["S"] or 0))
    )  # 60: a leap second
    if moment >= _DAY_S:
        moment = 0
    return Sent(day * _DAY_S + moment - _offset(match["zone"]), day)


def _offset(zone: bytes | None) -> int:
    """Seconds east of Greenwich."""
    if not zone:
        return 0
    if zone[:1] in b"+-":
        digits = zone[1:].replace(b":", b"")
        east = int(digits[:2]) * 3600 + int(digits[2:]) * 60
        if east > _DAY_S:
            return 0
        return -east if zone[:1] == b"-" else east
    return _ZONES.get(zone.upper(), 0) * 3600
