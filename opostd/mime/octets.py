"""Values of ENVELOPE and BODYSTRUCTURE as octets: always 7-bit, never with CR, LF or NUL.

RFC 9051 4.3 (strings): octets over 127 may stand in a quoted string only after ENABLE UTF8=ACCEPT, and these octets
are made once for all clients.  So raw 8-bit text becomes encoded words (RFC 2047), which clients decode anyhow.  For
clients that have enabled UTF-8, the envelope of a message with raw 8-bit text is made anew, with ``utf8``.
"""

import base64
import re
from collections.abc import Iterable

from opostd.mime.charsets import is_utf8
from opostd.mime.headers import decode_words

_SPECIAL = re.compile(rb'(["\\])')
_LINE_ENDS = re.compile(rb"[\r\n\0]+")
_WORD_OCTETS = 42  # of text in one encoded word: 56 of base64 and 12 around it keep within RFC 2047's 75


def nstring(value: bytes | None, utf8: bool = False) -> bytes:
    """NIL, or a quoted string of the value in 7 bits; a tab, which is mostly a fold's, becomes a space.

    utf8: what is UTF-8 stays so.
    """
    if value is None:
        return b"NIL"
    if utf8 and not value.isascii() and is_utf8(value):
        value = _LINE_ENDS.sub(b" ", value)
    elif not value.isascii() or b"\0" in value or b"\r" in value or b"\n" in value:
        value = seven_bit(value)
    if b"\t" in value:
        value = value.replace(b"\t", b" ")
    if b'"' in value or b"\\" in value:
        value = _SPECIAL.sub(rb"\\\1", value)
    return b'"' + value + b'"'


def seven_bit(value: bytes) -> bytes:
    """The value in one line of ASCII; with other octets in it, it is decoded and written as encoded words."""
    text = decode_words(value)
    return text.encode("ascii") if text.isascii() else encode_words(text)


def encode_words(text: str) -> bytes:
    """Text as encoded words of UTF-8 in base64, separated by spaces; no character is cut in two (RFC 2047 5)."""
    words: list[bytes] = []
    octets = b""
    for char in text:
        more = char.encode("utf-8", "replace")
        if len(octets) + len(more) > _WORD_OCTETS:
            words.append(octets)
            octets = b""
        octets += more
    words.append(octets)
    return b" ".join(b"=?utf-8?b?" + base64.b64encode(word) + b"?=" for word in words)


def pairs(params: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A parameter list, or NIL where there are none (body-fld-param)."""
    inside = b" ".join([nstring(name) + b" " + nstring(value) for name, value in params])
    return b"(" + inside + b")" if inside else b"NIL"
