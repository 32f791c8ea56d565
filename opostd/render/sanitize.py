"""The last step over HTML that somebody else wrote: what is not on the lists here is gone.  Pure.

bleach parses the fragment as a browser does and writes it anew from elements, attributes and links that are allowed by
name.  What must stay true: the result is a fixed point of ``sanitize``; nothing edits it afterwards; script and style
go with the text in them, other unknown elements leave their text; every link says its scheme, so that neither
``//host`` nor ``\\\\host`` nor a path nor any spelling of ``javascript:`` is one; no picture is fetched from
anywhere.
"""

import html
import re
from collections.abc import Iterator
from typing import Any

from bleach.html5lib_shim import Filter  # type: ignore[attr-defined]  # not in the stubs
from bleach.sanitizer import Cleaner

from opostd.render.css import clean_style

TAGS = frozenset(
    "a abbr address b bdi bdo blockquote br caption cite code col colgroup dd del details dfn div dl dt em figcaption "
    "figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q rp rt ruby s samp section small span strong sub "
    "summary sup table tbody td tfoot th thead time tr u ul var wbr".split()
)
GONE_WITH_CONTENT = frozenset({"script", "style"})
PROTOCOLS = frozenset({"http", "https", "mailto", "cid"})

EVERYWHERE = frozenset({"dir", "lang", "style", "title"})
ATTRIBUTES: dict[str, frozenset[str]] = {
    "a": frozenset({"href"}),
    "col": frozenset({"span"}),
    "colgroup": frozenset({"span"}),
    "del": frozenset({"datetime"}),
    "details": frozenset({"open"}),
    "div": frozenset({"id"}),
    "img": frozenset({"src", "alt", "width", "height"}),
    "ins": frozenset({"datetime"}),
    "li": frozenset({"id", "value"}),
    "ol": frozenset({"start", "type", "reversed"}),
    "sup": frozenset({"id"}),
    "td": frozenset({"colspan", "rowspan", "align"}),
    "th": frozenset({"colspan", "rowspan", "align", "scope"}),
    "time": frozenset({"datetime"}),
}

MAX_ROUNDS = 8  # two do for what people write

# \\ after the scheme is // to a browser; a control character anywhere in it is skipped by one.
_LINK = re.compile(r"(?:https?://[^/\\\x00-\x20]|mailto:|cid:|#)[^\x00-\x1f\x7f\\]*", re.IGNORECASE)
_PICTURE = re.compile(r"cid:[^\x00-\x20\x7f\\]+", re.IGNORECASE)
_FOOTNOTE = re.compile(r"fn(?:ref)?\d*:[\w.-]{1,100}")
_NUMBER = re.compile(r"-?\d{1,5}%?")


def _allowed(tag: str, name: str, value: str) -> bool:
    """Whether an attribute may stay.  value: as written, entities not yet undone."""
    if name not in EVERYWHERE and name not in ATTRIBUTES.get(tag, ()):
        return False
    plain = html.unescape(value)
    match name:
        case "href":
            return _LINK.fullmatch(plain) is not None
        case "src":
            return _PICTURE.fullmatch(plain) is not None
        case "id":  # a name of the author's choice could stand for something of the page in which mail is shown
            return _FOOTNOTE.fullmatch(plain) is not None
        case "width" | "height" | "span" | "colspan" | "rowspan" | "start" | "value":
            return _NUMBER.fullmatch(plain) is not None
        case "style":
            return clean_style(value) != ""
    return True


class _Style:
    """What bleach calls for the value of a style attribute."""

    def sanitize_css(self, style: str) -> str:
        return clean_style(style)


class _DropContent(Filter):  # type: ignore[misc]
    """Takes out script and style with what is in them: bleach itself would leave the text."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        depth = 0
        for token in super().__iter__():
            if token.get("name") in GONE_WITH_CONTENT and token["type"] != "Entity":
                depth += {"StartTag": 1, "EndTag": -1}.get(token["type"], 0)
            elif not depth:
                yield token


_CLEANER = Cleaner(
    tags=TAGS | GONE_WITH_CONTENT,
    attributes=_allowed,
    protocols=PROTOCOLS,
    strip=True,
    filters=[_DropContent],
    css_sanitizer=_Style(),  # type: ignore[arg-type]  # any object with its one method will do
)


def sanitize(fragment: str) -> str:
    """The fragment with only what is allowed, and such that cleaning it again changes nothing.  Not thread-safe.

    What is taken out can change what the rest means (a link in a link, a table in a paragraph), so it is read again
    until it stays; what does not stay is hostile, and comes back as escaped text.
    """
    for _ in range(MAX_ROUNDS):
        cleaned: str = _CLEANER.clean(fragment)
        if cleaned == fragment:
            return cleaned
        fragment = cleaned
    return html.escape(fragment, quote=False)
