"""``tag=value; tag=value``: the lists of DKIM signatures and keys, of ARC and of DMARC.

Pure.  RFC 6376 3.2.  What must stay true: a tag that stands twice makes the list no list, so that no two readers take
different values from it.
"""

import base64
import binascii
import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_SPACE = re.compile(r"[ \t\r\n]+")
_B_VALUE = re.compile(rb"([ \t\r\n]*b[ \t\r\n]*=)")


class BadTags(Exception):
    """The text is no tag list, or a tag has no such value."""


def parse(octets: bytes) -> dict[str, str]:
    """Names in lower case, values without the white space around them.  Raises BadTags."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        raise BadTags("not UTF-8") from None
    found: dict[str, str] = {}
    pieces = text.split(";")
    if not pieces[-1].strip(" \t\r\n"):
        pieces.pop()
    for piece in pieces:
        name, equals, value = piece.partition("=")
        name = name.strip(" \t\r\n")
        if not equals or not _NAME.match(name) or name in found:
            raise BadTags("no tag list")
        found[name] = value.strip(" \t\r\n")
    return found


def base64_value(text: str) -> bytes:
    """The octets of a value, which may be folded (RFC 6376 3.5).  Raises BadTags."""
    try:
        return base64.b64decode(_SPACE.sub("", text), validate=True)
    except (binascii.Error, ValueError):
        raise BadTags("not base64") from None


def words(text: str) -> list[str]:
    """A list between colons, in lower case."""
    return [_SPACE.sub("", word).lower() for word in text.split(":")]


def without_b(value: bytes) -> bytes:
    """A signature field's value, that of ``b=`` taken out, white space and all (RFC 6376 3.7)."""
    pieces = value.split(b";")
    for at, piece in enumerate(pieces):
        if match := _B_VALUE.match(piece):
            pieces[at] = match[1]
            break
    return b";".join(pieces)
