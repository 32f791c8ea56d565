"""Sizes and limits as people type them: ``500MiB``, ``5GB``, ``none``, ``default``."""

import re

import click

UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
UNITS |= {f"{name}I": 1024**power for power, name in enumerate("KMGT", 1)}
_SIZE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,3}))? ?([KMGT]I?)?B?", re.IGNORECASE)
MAX = 2**62  # a limit in octets stays below what IMAP can say (RFC 9208 3.1.2: 63 bits)
DEFAULT = -1  # "default"


class Limit(click.ParamType[int]):
    """A limit: its number, 0 for ``none``, DEFAULT for ``default``.  octets: with a unit, such as GiB."""

    def __init__(self, octets: bool) -> None:
        self.octets = octets
        self.name = "SIZE" if octets else "NUMBER"

    def convert(self, value: str | int, param: click.Parameter | None, context: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        word = value.strip().lower()
        if word in ("none", "default"):
            return 0 if word == "none" else DEFAULT
        found = _SIZE.fullmatch(value.strip()) if self.octets else re.fullmatch(r"([0-9]{1,15})", word)
        if found is None:
            example = "500MiB, 5GB" if self.octets else "100000"
            self.fail(f"{value!r} is no limit: such as {example}, none or default", param, context)
        number = int(found[1])
        if self.octets:
            unit = UNITS[(found[3] or "").upper()]
            number = number * unit + int(int(found[2] or 0) * unit / 10 ** len(found[2] or ""))
        if not 0 < number <= MAX:
            self.fail(f"{value!r}: from 1 on; no limit is written none", param, context)
        return number


def shown(octets: int) -> str:
    """``1.2 MiB``."""
    size, unit = float(octets), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{octets} B" if unit == "B" else f"{size:.1f} {unit}"
