"""On which line of a TOML text each key and table stands, for messages that a person can act on.

``tomllib`` tells values, not places.  This reads a text that ``tomllib`` has already taken, so that it only has to
know where a value ends: strings, arrays and inline tables are walked over, never judged.  TOML 1.0.
"""

import tomllib

Path = tuple[str, ...]


def key_lines(text: str) -> dict[Path, int]:
    """The line, from 1, of every key and table header, by its full dotted path.

    text: TOML that ``tomllib.loads`` accepts.  A key inside an inline table has the line of the key before it.
    """
    lines: dict[Path, int] = {}
    table: Path = ()
    at = 0
    while at < len(text):
        if text[at] in " \t\r\n":
            at += 1
        elif text[at] == "#":
            at = _line_end(text, at)
        elif text[at] == "[":
            end = _skip_key(text, at, "]")
            table = _split(text[at:end].strip("[] \t"))
            _note(lines, table, text, at)
            at = _line_end(text, end)
        else:
            equals = _skip_key(text, at, "=")
            _note(lines, table + _split(text[at:equals]), text, at)
            at = _skip_value(text, equals + 1)
    return lines


def _note(lines: dict[Path, int], path: Path, text: str, at: int) -> None:
    number = text.count("\n", 0, at) + 1
    for depth in range(1, len(path) + 1):  # `a.b = 1` also begins `a`
        lines.setdefault(path[:depth], number)


def _split(key: str) -> Path:
    """A dotted key as its parts: TOML itself is asked, since parts may be quoted and escaped."""
    value: object = tomllib.loads(f"{key} = 0")
    parts: list[str] = []
    while isinstance(value, dict):
        part, value = next(iter(value.items()))
        parts.append(part)
    return tuple(parts)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _skip_key(text: str, at: int, stop: str) -> int:
    """The offset of ``stop`` behind a key that begins at ``at``; quoted parts are walked over."""
    while text[at] != stop:
        at = _skip_string(text, at) if text[at] in "\"'" else at + 1
    return at


def _skip_string(text: str, at: int) -> int:
    quote = text[at]
    mark = quote * 3 if text.startswith(quote * 3, at) else quote
    at += len(mark)
    while not text.startswith(mark, at):
        at += 2 if quote == '"' and text[at] == "\\" else 1
    at += len(mark)
    while len(mark) == 3 and text[at : at + 1] == quote:  # """a"""" ends with a quote of its own
        at += 1
    return at


def _skip_value(text: str, at: int) -> int:
    """The offset of the line end behind a value, or of the end of the text."""
    depth = 0
    while at < len(text):
        character = text[at]
        if character in "\"'":
            at = _skip_string(text, at)
            continue
        if character == "#":
            at = _line_end(text, at)
            continue
        if character == "\n" and depth == 0:
            return at
        depth += (character in "[{") - (character in "]}")
        at += 1
    return at
