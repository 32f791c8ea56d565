"""Macros of SPF: ``%{ir}.%{v}.example.org`` and what becomes of it.

Pure.  RFC 7208 7.  What must stay true: the result is a domain name of at most 253 octets, cut at the left (7.3); no
macro of a record can make us look up a name for which DNS has no room.
"""

import re
from collections.abc import Callable
from urllib.parse import quote

MAX_NAME = 253

# c, r and t belong into explanations, which are not shown here.
_EXPAND = r"%\{([slodiphcrtvSLODIPHCRTV])([0-9]*)(r?)([.\-+,/_=]*)\}"
_PIECE = re.compile(rf"{_EXPAND}|%([%_-])|([!-$&-~])")
_TOP_LABEL = re.compile(r"\.(?=[A-Za-z0-9-]*[A-Za-z-])[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?\Z")
_ENDS_IN_MACRO = re.compile(r"%\{[^{}]*\}\Z")
_LITERAL = {"%": "%", "_": " ", "-": "%20"}


def is_macro_string(text: str) -> bool:
    """RFC 7208 7.1.  A count of 0 is none, and c, r, t are for explanations."""
    at = 0
    while at < len(text):
        match = _PIECE.match(text, at)
        if match is None or (match[2] and not int(match[2][:4])) or (match[1] and match[1] in "crtCRT"):
            return False
        at = match.end()
    return True


def is_domain_spec(text: str) -> bool:
    """A macro-string that ends in a label which is no number, or in a macro (RFC 7208 7.1)."""
    return is_macro_string(text) and bool(_TOP_LABEL.search(text) or _ENDS_IN_MACRO.search(text))


def needs_name(text: str) -> bool:
    """Whether ``p`` stands in it: the client's own name, which costs look-ups."""
    return any(match[1] in ("p", "P") for match in _PIECE.finditer(text) if match[1])


def expand(text: str, value: Callable[[str], str]) -> str:
    """A domain-spec with its macros replaced, without a last dot.  value: of a letter in lower case."""
    name = _PIECE.sub(lambda match: _replaced(match, value), text).removesuffix(".")
    while len(name) > MAX_NAME and "." in name:
        name = name.partition(".")[2]
    return name


def _replaced(match: "re.Match[str]", value: Callable[[str], str]) -> str:
    letter, digits, reverse, delimiters, special, literal = match.groups()
    if literal:
        return str(literal)
    if special:
        return _LITERAL[special]
    parts = re.split("[" + re.escape(delimiters or ".") + "]", value(letter.lower()))
    if reverse:
        parts.reverse()
    if digits:
        parts = parts[-int(digits[:4]) :]  # more than a name has labels means all
    text = ".".join(parts)
    return quote(text, safe="-._~") if letter.isupper() else text
