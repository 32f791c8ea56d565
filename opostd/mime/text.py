"""The text of a message: what SEARCH BODY and TEXT look in, and its preview (RFC 8970).

All text parts count, those inside of forwarded messages too, with the subjects of these.  Octets read and text kept
are bounded, so that a message of 25 MiB of text costs no more than one of 2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from opostd.mime.casemap import casemap
from opostd.mime.charsets import clean_lines, decode
from opostd.mime.headers import Media, decode_words, disposition, media, token, unfolded
from opostd.mime.html import text_of_html
from opostd.mime.scan import Kind, Part, Tree
from opostd.mime.section import decoded

MAX_CHARACTERS = 1024 * 1024  # of the search text of a message; a novel has half of it
MAX_OCTETS = 2 * 1024 * 1024  # of the text parts of a message that are decoded: with base64 or tags, twice the text
MAX_PREVIEW = 200  # characters: RFC 8970 3.1 asks for 200 at most
_PREVIEW_OCTETS = 16 * 1024  # of a part that are looked at for a preview: enough for 200 characters below a style sheet


@dataclass(slots=True)
class _TextPart:
    """One part of text.  What was read of it last is kept, where it is short: the preview and the search text ask."""

    part: Part
    said: Media | None
    encoding: bytes
    attached: bool
    _read: str | None = None

    def text(self, raw: bytes, octets: int) -> str:
        """The text of at most that many octets of the body."""
        if self._read is not None and octets >= self.part.end - self.part.body:
            return self._read
        text = self._decoded(raw, octets)
        text = clean_lines(text_of_html(text) if self.is_html else text)
        if self.part.end - self.part.body <= min(octets, _PREVIEW_OCTETS):
            self._read = text
        return text

    def source(self, raw: bytes) -> str:
        """As it was written, tags and all; of at most MAX_OCTETS."""
        return self._decoded(raw, MAX_OCTETS)

    def _decoded(self, raw: bytes, octets: int) -> str:
        body = raw[self.part.body : min(self.part.end, self.part.body + octets)]
        plain = decoded(body, self.encoding)
        charset = (self.said.param(b"charset") if self.said is not None else None) or b""
        return decode(body if plain is None else plain, charset.decode("latin-1"))

    @property
    def is_html(self) -> bool:
        return self.said is not None and self.said.subtype.lower() in (b"html", b"xhtml")


class Texts:
    """The texts of one message: parts that are text, and the subjects of messages inside, in order."""

    def __init__(self, raw: bytes, tree: Tree) -> None:
        self._raw = raw
        self._found = list(_texts(raw, tree))

    def search_text(self) -> str:
        """As the function of that name."""
        pieces: list[str] = []
        characters, octets = 0, MAX_OCTETS
        for found in self._found:
            if isinstance(found, str):
                piece = found
            else:
                piece = found.text(self._raw, octets)
                octets -= min(octets, found.part.end - found.part.body)
            piece = casemap(piece.strip()[: MAX_CHARACTERS - characters])[: MAX_CHARACTERS - characters]
            if piece:
                pieces.append(piece)
                characters += len(piece) + 2
            if octets <= 0 or characters >= MAX_CHARACTERS:
                break
        return "\n\n".join(pieces)

    def preview(self) -> str:
        """As the function of that name."""
        of_html = ""
        for found in self._found:
            if isinstance(found, str) or found.attached or (found.is_html and of_html):
                continue
            text = _beginning(found.text(self._raw, _PREVIEW_OCTETS))
            if text and not found.is_html:
                return text
            of_html = of_html or text
        return of_html


def search_text(raw: bytes, tree: Tree) -> str:
    """All text of a message for comparing, parts separated by an empty line; at most MAX_CHARACTERS.

    Without the message's own header, which is searched as it is kept.
    """
    return Texts(raw, tree).search_text()


def preview(raw: bytes, tree: Tree) -> str:
    """The first MAX_PREVIEW characters of the first text that is no attachment, plain rather than HTML; or ""."""
    return Texts(raw, tree).preview()


def _beginning(text: str) -> str:
    """MAX_PREVIEW characters, white space collapsed."""
    words = " ".join(text[: 3 * MAX_PREVIEW].split())  # most often enough; a word that is cut is cut behind the end
    if len(words) < MAX_PREVIEW:
        words = " ".join(text.split())
    return words[:MAX_PREVIEW].strip()


class Shown(NamedTuple):
    """What a person reads.  text: made of the HTML where there is no plain text; html: as it came, or empty."""

    text: str
    html: str


def shown(raw: bytes, tree: Tree) -> Shown:
    """The first text and the first HTML of a message that are no attachments."""
    plain: str | None = None
    html: str | None = None
    for found in _texts(raw, tree):
        if isinstance(found, str) or found.attached:
            continue
        if found.is_html:
            html = found.source(raw) if html is None else html
        elif plain is None:
            plain = found.text(raw, MAX_OCTETS)
        if plain is not None and html is not None:
            break
    return Shown(text_of_html(html or "") if plain is None else plain, html or "")


def _texts(raw: bytes, tree: Tree) -> Iterator[_TextPart | str]:
    """Text parts in order, and the subjects of messages inside."""
    looks = tree.looks()
    inside = False  # the part before is a message/rfc822: this is the message in it
    for part, look in zip(tree.parts, looks, strict=True):
        said: Media | None = None
        encoding, attached, subject = b"", False, b""
        for name, _, value in unfolded(raw[part.start : look]):
            if name == b"content-type":
                said = said or media(value)
            elif name == b"content-transfer-encoding":
                encoding = encoding or token(value)
            elif name == b"content-disposition":
                how = disposition(value)
                attached = attached or (how is not None and how.type.lower() == b"attachment")
            elif inside and name == b"subject":
                subject = subject or value
        if subject:
            yield decode_words(subject)
        inside = part.kind is Kind.MESSAGE
        if part.kind is Kind.LEAF and (said is None or said.type.lower() in (b"text", b"multipart")):
            yield _TextPart(part, said, encoding, attached)
