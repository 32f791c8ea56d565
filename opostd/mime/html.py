"""HTML -> the text a reader sees, for searching and previews.  Never for showing: ``render.sanitize`` makes HTML safe.

Tags are found by one pattern that always consumes what it began (an unclosed comment, script or tag goes to the end),
so that the time is linear; no tree is built.
"""

import html
import re
from collections.abc import Iterator

_TAG = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(script|style|template|noembed|xmp)\b.*?(?:</\1\s*+>|\Z)"
    r"|</?([a-z][a-z0-9]*+)[^>]*+(?:>|\Z)"
    r"|<[!?/][^>]*+(?:>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code del dfn em font i ins kbd label mark nobr q s samp small span strike strong"
    " sub sup tt u var wbr".split()
)
# Python refuses decimal numbers over 4300 digits; no character has a number of eight.
_HUGE_REFERENCE = re.compile(r"&#(?:[0-9]{8,}+|[xX][0-9a-fA-F]{8,}+);?")
_PIECE = 64 * 1024  # characters looked through in one call, for which all others wait


def text_of_html(source: str) -> str:
    """The text: tags, comments, scripts and styles gone, references undone, white space collapsed.

    A tag that breaks a line or a cell is a space; one inside of a line is nothing: ``<b>w</b>ord`` is ``word``.
    """
    text = _TAG.sub(_space_for, source)
    if "&" in text:
        text = html.unescape(_HUGE_REFERENCE.sub("\ufffd", text))
    return " ".join(_words(text))


def _space_for(tag: re.Match[str]) -> str:
    name = tag[2]
    return "" if name is not None and name.lower() in _INLINE else " "


def _words(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        end = text.find(" ", at + _PIECE)
        end = len(text) if end < 0 else end
        yield from text[at:end].split()
        at = end
