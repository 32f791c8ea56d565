"""Which submitted messages are Markdown, and what they become: text/plain and text/html in one multipart/alternative.

Pure.  The decisions of libraries.md 2.  What must stay true: whatever has HTML, a signature, encryption, a meeting or
a report in it is never touched; the text that was typed stays, exactly, as the plain part.
"""

from dataclasses import dataclass

from opostd.config import Markdown
from opostd.intake.flowed import unflowed
from opostd.intake.message import CRLF, Field, Message
from opostd.mime.charsets import codec_of
from opostd.mime.compose import alternative
from opostd.mime.headers import Media, disposition, fields, media, token
from opostd.mime.scan import Kind, Part, Tree, scan
from opostd.mime.section import decoded

MARKED = b"x-opost-format"
MAX_TEXT = 256 * 1024  # characters: past it, it is a log or a dump, which nobody wrote in Markdown
_TEXTS = frozenset({b"text/plain", b"text/markdown"})
# Inline PGP (RFC 4880 7): the reader's program looks for it in the text it shows.
_ARMOR = ("-----BEGIN PGP ", "-----BEGIN CMS", "-----BEGIN PKCS7")
# What the new part says itself, and what was said to us.
_REPLACED = frozenset({b"mime-version", b"content-type", b"content-transfer-encoding", b"content-disposition", MARKED})


@dataclass(frozen=True, slots=True)
class Source:
    """The Markdown of a message.  part: where it is, None where it is the whole body."""

    text: str
    part: Part | None


@dataclass(frozen=True, slots=True)
class _Head:
    """What a part says of itself.  type: lower case; text/plain where nothing is said (RFC 2045 5.2)."""

    type: bytes
    media: Media | None
    encoding: bytes
    attached: bool

    @classmethod
    def read(cls, block: bytes) -> "_Head":
        said: dict[bytes, bytes] = {}
        for name, value in fields(block):
            said.setdefault(name.lower(), value)
        kind = media(said.get(b"content-type", b""))
        shown = disposition(said.get(b"content-disposition", b""))
        attached = (kind is not None and kind.param(b"name") is not None) or (
            shown is not None and (shown.type.lower() == b"attachment" or shown.param(b"filename") is not None)
        )
        encoding = token(said.get(b"content-transfer-encoding", b""))
        return cls(kind.key if kind is not None else b"text/plain", kind, encoding, attached)


def find(message: Message, mode: Markdown) -> Source | None:
    """The Markdown in a submission, or None where there is none, or it must not be touched."""
    said = b"".join(each.value.lower() for each in message.all(MARKED))
    if mode == "off" or message.has(b"dkim-signature") or (said and said != b"markdown"):
        return None
    raw = message.octets
    tree = scan(raw)
    root = tree.parts[0]
    head = _Head.read(raw[root.start : root.body])
    if root.kind is Kind.LEAF:
        part, inside = None, root
        if head.type not in _TEXTS or head.attached:
            return None
    elif root.kind is Kind.MULTIPART and head.type == b"multipart/mixed":
        found = _beside_attachments(raw, tree)
        if found is None:
            return None
        inside, head = found
        part = inside
    else:
        return None
    if mode == "marked" and not said and head.type != b"text/markdown":
        return None
    text = _text(raw[inside.body : inside.end], head)
    return None if text is None else Source(text, part)


def _beside_attachments(raw: bytes, tree: Tree) -> tuple[Part, _Head] | None:
    """The one text of a multipart/mixed whose other parts are all attachments."""
    found: tuple[Part, _Head] | None = None
    for index in tree.children(0):
        part = tree.parts[index]
        head = _Head.read(raw[part.start : part.body])
        if part.kind is Kind.MESSAGE:
            continue  # a forwarded message, whatever is in it
        if part.kind is not Kind.LEAF or _is_special(head):
            return None
        if head.attached or not head.type.startswith(b"text/"):
            continue
        if head.type not in _TEXTS or found is not None:
            return None  # HTML; or two texts, of which it is not known which was typed
        found = part, head
    return found


def _is_special(head: _Head) -> bool:
    """Signed, encrypted, a meeting, a report."""
    return head.type in (b"text/calendar", b"message/delivery-status", b"message/disposition-notification") or (
        head.type.startswith((b"application/pkcs7", b"application/x-pkcs7", b"application/pgp"))
    )


def _text(body: bytes, head: _Head) -> str | None:
    """The text as typed, lines with LF; None where it does not decode, or is nothing to render."""
    octets = decoded(body, head.encoding)
    charset = (head.media.param(b"charset") if head.media is not None else None) or b"utf-8"
    codec = codec_of(charset.decode("latin-1"))
    if octets is None or codec is None:
        return None
    try:
        text = octets.decode(codec).replace("\r\n", "\n")
    except (UnicodeError, ValueError):
        return None
    if not text.strip() or len(text) > MAX_TEXT or "\0" in text or any(armor in text for armor in _ARMOR):
        return None
    if head.type == b"text/plain" and _param(head, b"format") == b"flowed":
        text = unflowed(text, delsp=_param(head, b"delsp") == b"yes")
    return text


def _param(head: _Head, name: bytes) -> bytes:
    value = head.media.param(name) if head.media is not None else None
    return (value or b"").lower()


def built(message: Message, source: Source, html: str, boundary: bytes) -> Message:
    """The message with the alternative in place of its text.  boundary: stands nowhere in the message."""
    entity = alternative([], source.text, html, boundary)
    if source.part is not None:
        raw = message.octets
        octets = raw[: source.part.start] + entity + raw[source.part.end :]
        header = sum(len(each.octets) for each in message.fields)
        return Message(message.fields, octets[header:]).without(lambda each: each.name == MARKED)
    kept = message.without(lambda each: each.name in _REPLACED)
    header_octets, _, body = entity.partition(CRLF + CRLF)  # MIME-Version and Content-Type
    return Message((*kept.fields, Field(b"", header_octets + CRLF)), CRLF + body)
