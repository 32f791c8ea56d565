"""Parts -> octets: multipart/alternative of a text and its HTML (RFC 2046 5.1.4), in 7 bits.

What must stay true: decoding the plain part gives the text as it was typed, with CRLF for its line ends; nothing of
it is wrapped or trimmed.  Quoted-printable (RFC 2045 6.7) leaves mostly ASCII text readable and searchable as it is.
"""

import binascii
import re
from collections.abc import Iterable

_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=?-]{1,70}")  # RFC 2046 5.1.1, without the space
_NAME = re.compile(rb"[\x21-\x39\x3b-\x7e]+")
_LINE_END = re.compile(rb"[\r\n\x00]")
_FOLD = re.compile(rb"\r\n(?=[ \t])")


def alternative(headers: Iterable[tuple[bytes, bytes]], text: str, html: str, boundary: bytes) -> bytes:
    """A whole message, or part, with CRLF line ends: the headers, then MIME-Version and Content-Type, then both parts.

    headers: names and values, a value in one line or folded by CRLF and white space.  boundary: RFC 2046 5.1.1; with
    ``=_`` in it, it cannot occur in quoted-printable.  Raises ValueError for a header that would be more than one, or
    a boundary that is none or stands in a part.
    """
    if not _BOUNDARY.fullmatch(boundary):
        raise ValueError(f"not a boundary: {boundary!r}")
    head = b"".join([_header(name, value) for name, value in headers])
    parts = _part(b"text/plain", text), _part(b"text/html", html)
    if any(b"--" + boundary in part for part in parts):
        raise ValueError(f"the boundary stands in the text: {boundary!r}")
    delimiter = b"--" + boundary
    return b"".join(
        (
            head,
            b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="' + boundary + b'"\r\n\r\n',
            *(delimiter + b"\r\n" + part + b"\r\n" for part in parts),
            delimiter + b"--\r\n",
        )
    )


def _header(name: bytes, value: bytes) -> bytes:
    if not _NAME.fullmatch(name) or _LINE_END.search(_FOLD.sub(b"", value)):
        raise ValueError(f"not one header field: {name!r}")
    return name + b": " + value + b"\r\n"


def _part(type_: bytes, text: str) -> bytes:
    head = b"Content-Type: " + type_ + b"; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head + quoted_printable(text)


def quoted_printable(text: str) -> bytes:
    """Text as UTF-8 in quoted-printable, lines of at most 76 octets separated by CRLF.

    CRLF and LF are line ends; a bare CR stays one, encoded.  A lone surrogate becomes ``?``.
    """
    return b"\r\n".join([_line(line) for line in text.replace("\r\n", "\n").split("\n")])


def _line(line: str) -> bytes:
    encoded = binascii.b2a_qp(line.encode("utf-8", "replace"), istext=False).replace(b"\n", b"\r\n")
    if encoded.startswith(b"From "):  # what stores mail in mbox form would put ">" before it
        encoded = b"=46rom " + encoded[5:]
        if len(encoded.partition(b"\r\n")[0]) > 76:
            encoded = b"=46=\r\nrom " + encoded[7:]
    return encoded
