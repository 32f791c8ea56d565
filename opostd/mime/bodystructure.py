"""BODY and BODYSTRUCTURE: the part tree in IMAP's words (RFC 9051 7.5.2, RFC 3501 7.4.2).

Types, encodings and parameters stand in the spelling of the message; of parameters only the sections of RFC 2231 are
joined, as its section 8 asks of IMAP servers: charsets and encoded words are the client's to read.  Parts are put
together from the last to the first, so that the children are ready when their parent is; no recursion by depth.
"""

from opostd.mime import pieces
from opostd.mime.envelope import envelope
from opostd.mime.headers import disposition, joined, media, token, unfolded
from opostd.mime.octets import nstring, pairs
from opostd.mime.remember import remembered
from opostd.mime.scan import Kind, Part, Tree

_US_ASCII = b'("charset" "us-ascii")'  # RFC 2045 5.2: what a part is that does not say
_MAX_LANGUAGES = 100


def body(raw: bytes, tree: Tree) -> bytes:
    """BODY's octets: the structure without extension data."""
    return structures(raw, tree)[0]


def bodystructure(raw: bytes, tree: Tree) -> bytes:
    """BODYSTRUCTURE's octets: with MD5, disposition, language and location."""
    return structures(raw, tree)[1]


def structures(raw: bytes, tree: Tree) -> tuple[bytes, bytes]:
    """BODY and BODYSTRUCTURE, made in one go."""
    looks = tree.looks()
    said_of = [_Said(raw[part.start : look]) for part, look in zip(tree.parts, looks, strict=True)]
    lines_before = _lines_before(
        raw,
        [
            part
            for part, said in zip(tree.parts, said_of, strict=True)
            if part.kind is Kind.MESSAGE or said.is_text(part.kind)
        ],
    )
    ready: list[tuple[bytes, bytes]] = [(b"", b"")] * len(tree.parts)
    for index in range(len(tree.parts) - 1, -1, -1):
        part = tree.parts[index]
        said = said_of[index]
        if part.kind is Kind.MULTIPART:
            children = [ready[child] for child in tree.children(index)]
            subtype, params = said.type(part.kind)[1:]
            basic = b"".join([child[0] for child in children]) + b" " + subtype
            full = b"".join([child[1] for child in children]) + b" " + subtype + b" " + params
        else:
            lines = b""
            if part.kind is Kind.MESSAGE:
                inner = tree.parts[index + 1]
                shown = envelope(raw[inner.start : looks[index + 1]])
                count = lines_before[part.end] - lines_before[part.body]
                basic, full = (
                    _leaf(said, part, b" %b %b %d" % (shown, ready[index + 1][form], count)) for form in (0, 1)
                )
            else:
                if said.is_text(part.kind):
                    lines = b" %d" % (lines_before[part.end] - lines_before[part.body])
                basic = full = _leaf(said, part, lines)
            full += b" " + nstring(said.texts.get(b"content-md5") or None)
        ready[index] = (b"(" + basic + b")", b"(" + full + said.extension() + b")")
        for child in tree.children(index):
            ready[child] = (b"", b"")  # copied upwards: kept once
    return ready[0]


def _lines_before(raw: bytes, counted: list[Part]) -> dict[int, int]:
    """For each border of a body, the number of line ends before it that are in any of them.

    Each octet is counted once, however deep it is, and those of files not at all.
    """
    depths: dict[int, int] = {}
    for part in counted:
        depths[part.body] = depths.get(part.body, 0) + 1
        depths[part.end] = depths.get(part.end, 0) - 1
    before: dict[int, int] = {}
    count = last = depth = 0
    for at in sorted(depths):
        if depth:
            count += pieces.count(raw, b"\n", last, at)
        before[at] = count
        depth += depths[at]
        last = at
    return before


def _leaf(said: "_Said", part: Part, more: bytes) -> bytes:
    type_, subtype, params = said.type(part.kind)
    return b"%b %b %b %b %b %b %d%b" % (
        type_,
        subtype,
        params,
        nstring(said.texts.get(b"content-id") or None),
        nstring(said.texts.get(b"content-description") or None),
        nstring(token(said.texts.get(b"content-transfer-encoding", b"")) or b"7bit"),
        part.end - part.body,
        more,
    )


class _Said:
    """The Content fields of one part's header; of each the first counts."""

    def __init__(self, header: bytes) -> None:
        self.texts: dict[bytes, bytes] = {}
        for key, _, value in unfolded(header):
            if key.startswith(b"content-"):
                self.texts.setdefault(key, value)
        self._media = media(self.texts.get(b"content-type", b""))

    def is_text(self, kind: Kind) -> bool:
        """Whether a leaf is shown with a number of lines."""
        return kind is Kind.LEAF and (self._media is None or self._media.type.lower() in (b"text", b"multipart"))

    def type(self, kind: Kind) -> tuple[bytes, bytes, bytes]:
        """Type, subtype and parameter list as octets."""
        said = self._media
        if kind is Kind.OPAQUE:
            return b'"application"', b'"octet-stream"', b"NIL"
        if said is None and kind is Kind.MESSAGE:  # in a digest (RFC 2046 5.1.5)
            return b'"message"', b'"rfc822"', b"NIL"
        if said is None or (kind is Kind.LEAF and said.type.lower() == b"multipart"):
            return b'"text"', b'"plain"', _US_ASCII  # a multipart without a boundary is none either
        value = self.texts[b"content-type"]
        return _shown_leaf(value) if kind is Kind.LEAF else _shown(value)

    def extension(self) -> bytes:
        """Disposition, language, location, with a space before each."""
        shown = b"NIL"
        said = disposition(self.texts.get(b"content-disposition", b""))
        if said is not None:
            shown = b"(%b %b)" % (nstring(said.type), pairs(joined(said.params)))
        return b" %b %b %b" % (shown, self._language(), nstring(self.texts.get(b"content-location") or None))

    def _language(self) -> bytes:
        """NIL, a string, or a list of them (RFC 3282)."""
        words = self.texts.get(b"content-language", b"").split(b",", _MAX_LANGUAGES)[:_MAX_LANGUAGES]
        tags = [tag for tag in map(token, words) if tag]
        if not tags:
            return b"NIL"
        return nstring(tags[0]) if len(tags) == 1 else b"(" + b" ".join(map(nstring, tags)) + b")"


@remembered(256, 200)
def _shown(content_type: bytes) -> tuple[bytes, bytes, bytes]:
    """Type, subtype and parameter list of what is one."""
    said = media(content_type)
    assert said is not None
    return nstring(said.type), nstring(said.subtype), pairs(joined(said.params))


@remembered(256, 200)
def _shown_leaf(content_type: bytes) -> tuple[bytes, bytes, bytes]:
    """The same; text is in a charset, also where none is said."""
    said = media(content_type)
    assert said is not None
    if said.type.lower() != b"text" or said.param(b"charset") is not None:
        return _shown(content_type)
    params = (*said.params, (b"charset", b"us-ascii"))
    return nstring(said.type), nstring(said.subtype), pairs(joined(params))
