"""The style attribute: a few declarations that cannot fetch, hide or move anything.  Pure.

Only declarations of a known property with a value of plain words and lengths stay.  There is no ``url()``, no escape,
no comment, no ``!important``, no position, no negative length: what is not understood is dropped, declaration by
declaration.
"""

import re
from functools import lru_cache

_COLOUR = r"(?:[a-z]{2,24}|#[0-9a-f]{3,8}|rgba?\([0-9., %]{1,40}\))"
_LENGTH = r"(?:0|\d{1,4}(?:\.\d{1,4})?(?:px|pt|em|rem|ex|ch|%)|\.\d{1,4}(?:em|rem)|auto)"
_WORD = r"[a-z][a-z-]{0,30}"
_LENGTHS = rf"{_LENGTH}(?: {_LENGTH}){{0,3}}"
_BORDER = rf"(?:{_LENGTH}|{_WORD}|{_COLOUR})(?: (?:{_LENGTH}|{_WORD}|{_COLOUR})){{0,2}}"

_VALUES: dict[str, str] = {
    "color": _COLOUR,
    "background-color": _COLOUR,
    "font-family": r"[a-z0-9 ,-]{1,200}",
    "font-size": rf"(?:{_LENGTH}|{_WORD})",
    "font-style": _WORD,
    "font-weight": rf"(?:{_WORD}|[1-9]00)",
    "font-variant": _WORD,
    "line-height": r"\d{1,3}(?:\.\d{1,4})?(?:px|em|%)?",
    "text-align": _WORD,
    "text-decoration": rf"{_WORD}(?: {_WORD}){{0,2}}",
    "text-transform": _WORD,
    "vertical-align": rf"(?:{_LENGTH}|{_WORD})",
    "white-space": _WORD,
    "overflow-wrap": _WORD,
    "overflow-x": _WORD,
    "list-style-type": _WORD,
    "width": _LENGTH,
    "max-width": _LENGTH,
    "height": _LENGTH,
    "border": _BORDER,
    "border-top": _BORDER,
    "border-right": _BORDER,
    "border-bottom": _BORDER,
    "border-left": _BORDER,
    "border-radius": _LENGTHS,
    "border-collapse": _WORD,
    "border-spacing": _LENGTHS,
    "padding": _LENGTHS,
    "margin": _LENGTHS,
    **{f"{box}-{side}": _LENGTH for box in ("padding", "margin") for side in ("top", "right", "bottom", "left")},
}
PROPERTIES = frozenset(_VALUES)
_ALLOWED = {name: re.compile(value) for name, value in _VALUES.items()}
MAX_STYLE = 2000  # characters: ours have under 300


@lru_cache(maxsize=512)  # code repeats a dozen styles in a thousand spans
def clean_style(style: str) -> str:
    """The declarations that may stay, as ``name: value; name: value``; empty where none may.  A fixed point.

    style: the value of the attribute.  Entities are not undone: a declaration with ``&`` in it is dropped.
    """
    kept = []
    for declaration in style.lower().split(";") if len(style) <= MAX_STYLE else ():
        name, _, value = declaration.partition(":")
        name, value = name.strip(), " ".join(value.split())
        allowed = _ALLOWED.get(name)
        if allowed is not None and allowed.fullmatch(value):
            kept.append(f"{name}: {value}")
    return "; ".join(kept)
