"""Problems of one configuration file, each with its line, collected until all are found."""

from collections.abc import Mapping
from typing import Any

from opostd.model.errors import BadSettings

KeyPath = tuple[str, ...]


class Problems:
    """Problems of one file as they are found, told in the order of their lines."""

    def __init__(self, name: str, lines: Mapping[KeyPath, int]) -> None:
        self.name = name
        self.lines = lines
        self.found: list[tuple[int, str]] = []

    def add(self, path: KeyPath, message: str) -> None:
        line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 0)
        place = f"{self.name}:{line}" if line else self.name
        self.found.append((line, printable(f"{place}: {'.'.join(path)}: {message}")))

    def check(self) -> None:
        if self.found:
            raise BadSettings(tuple(message for _, message in sorted(self.found, key=lambda each: each[0])))


def shown(value: Any) -> str:
    """A value as TOML would write it, short and on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    text = repr(value)
    if isinstance(value, str):
        text = '"' + text[1:-1].replace('"', '\\"') + '"'
    return text if len(text) <= 80 else text[:79] + "…"


def printable(text: str) -> str:
    """The text on one line: a key or a value may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
