"""HTML -> the text a reader sees, for searching and previews.  Never for showing: ``render.sanitize`` makes HTML safe.

Tags are found by one pattern that always consumes what it began (an unclosed comment, script or tag goes to the end),
so that the time is linear; no tree is built.
"""

import html
import re
from collections.abc import Iterator

# Letters of either case by sets where a tag begins: under IGNORECASE each of them costs a call, twice the time in all.
_TAG = re.compile(
    r"<(?:"
    r"!--.*?(?:-->|\Z)"
    r"|([sS](?i:cript|tyle)|[tT](?i:emplate)|[nN](?i:oembed)|[xX](?i:mp))\b.*?(?:(?i:</\1)\s*+>|\Z)"
    r"|/?([A-Za-z][A-Za-z0-9]*+)[^>]*+(?:>|\Z)"
    r"|[!?/][^>]*+(?:>|\Z)"
    r")",
    re.DOTALL,
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
    text = _without_tags(source) if "<" in source else source
    if "&" in text:
        text = html.unescape(_HUGE_REFERENCE.sub("\ufffd", text))
    return " ".join(_words(text))


def _without_tags(source: str) -> str:
    """One split, and no call for each tag: those are half of the letters of much mail."""
    pieces = _TAG.split(source)  # text, then of each tag its two groups and the text behind it
    pieces[1::3] = [""] * (len(pieces) // 3)
    pieces[2::3] = ["" if name is not None and name.lower() in _INLINE else " " for name in pieces[2::3]]
    return "".join(pieces)


def _words(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        end = text.find(" ", at + _PIECE)
        end = len(text) if end < 0 else end
        yield from text[at:end].split()
        at = end
