"""A message with binary parts (RFC 3030) -> the same without: what IMAP can serve, and any server take.

Pure.  RFC 3030 3 (a server may convert what it hands on), RFC 2045 6 (encodings).  A body that has NUL, a bare CR or
LF, or a line over 998 octets is written in base64; one that is only called binary is called 8bit.  What must stay
true: each part decodes to the octets that came; nothing else is changed.
"""

import binascii
import re
from collections.abc import Iterator

from opostd.mime import pieces
from opostd.mime.headers import unfolded
from opostd.mime.scan import Kind, Part, Tree, scan
from opostd.mime.section import encoding_of

MAX_LINE = 998  # octets: RFC 5322 2.1.1
_ROW = 57  # octets that make a line of 76 characters
_BLOCK = 4096 * _ROW  # so that no more than so many lines are objects of their own
_ENCODING = re.compile(rb"^Content-Transfer-Encoding[ \t]*+:[^\n]*+\n(?:[ \t][^\n]*+(?:\n|\Z))*", re.MULTILINE | re.I)
_LONG = re.compile(rb"[^\n]{%d}" % (MAX_LINE + 2))  # with the CR
_AS_IT_IS = (b"", b"7bit", b"8bit", b"binary")


def without_binary(raw: bytes) -> bytes:
    """The message, its binary parts encoded.  What stands outside of parts, or in a header, stays as it is."""
    out: list[bytes] = []
    at = 0
    tree = scan(raw)
    for place, part in enumerate(tree.parts):
        for start, stop, octets in _changed(raw, tree, place, part):
            out += [raw[at:start], *octets]
            at = stop
    out.append(pieces.part(raw, at))
    return b"".join(out)


def _changed(raw: bytes, tree: Tree, place: int, part: Part) -> Iterator[tuple[int, int, Iterator[bytes]]]:
    """Where something else has to stand, and what, in order."""
    header = raw[part.start : part.body]
    encoding = encoding_of(header).lower()
    if encoding not in _AS_IT_IS:
        return
    leaf = part.kind in (Kind.LEAF, Kind.OPAQUE) and not part.below
    if leaf and header and not _clean(raw, part.body, part.end):
        yield part.start, part.body, iter([_labelled(header, b"base64", top=not place)])
        yield part.body, part.end, _base64(raw, part.body, part.end)
    elif encoding == b"binary":
        yield part.start, part.body, iter([_labelled(header, b"8bit", top=not place)])


def _clean(raw: bytes, start: int, stop: int) -> bool:
    """Whether a body may stand as it is."""
    body = pieces.part(raw, start, stop)
    return b"\0" not in body and pieces.only_crlf(body) and pieces.search(_LONG, MAX_LINE + 2, body, 0) is None


def _labelled(header: bytes, encoding: bytes, *, top: bool) -> bytes:
    """The header with this encoding, and no other.  top: the message's own, which says that it is MIME."""
    version = b""
    if top and not any(name == b"mime-version" for name, _, _ in unfolded(header)):
        version = b"MIME-Version: 1.0\r\n"
    return version + b"Content-Transfer-Encoding: " + encoding + b"\r\n" + _ENCODING.sub(b"", header)


def _base64(raw: bytes, start: int, stop: int) -> Iterator[bytes]:
    for at in range(start, stop, _BLOCK):
        end = min(at + _BLOCK, stop)
        if at > start:
            yield b"\r\n"
        rows = [binascii.b2a_base64(raw[row : min(row + _ROW, end)], newline=False) for row in range(at, end, _ROW)]
        yield b"\r\n".join(rows)
