"""Text into header octets: display names, encoded words, addresses.

Pure.  RFC 5322 3.2.4 and 3.4 (phrase, mailbox), RFC 2047 (encoded words), RFC 6532 (UTF-8 in addresses).  What must
stay true: no control character of the text ever stands in a header, so that text is one value and never a new field.
"""

import base64
import re
from collections.abc import Iterable

from opostd.model.errors import BadMessage

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
# One addr-spec: enough to keep it from being read as two or as something else; that it is ours is checked by route.
_ADDRESS = re.compile(r"[^\s<>()\[\]:;,@\\\"]+@[^\s<>()\[\]:;,@\\\"]+\Z")
MAX_LINE = 78  # RFC 5322 2.1.1: SHOULD
_WORD_OCTETS = 42  # 56 characters of base64, 68 with "=?utf-8?b?" and "?=": 75 are allowed, "Subject: " is before it
MAX_PHRASE = 68


def checked(what: str, text: str) -> str:
    """The text, if it is one line.  Raises BadMessage, which names ``what``."""
    if any(ord(c) < 32 or ord(c) == 127 or c in "\x85\u2028\u2029" or 0xD800 <= ord(c) < 0xE000 for c in text):
        raise BadMessage(f"{what} has a line end or another control character")
    return text


def unstructured(text: str) -> bytes:
    """A subject: as it is where it is short ASCII that nobody takes for an encoded word, else encoded, folded."""
    text = text.strip()
    if text.isascii() and text.isprintable() and "=?" not in text and len(text) <= MAX_LINE - len("Subject: "):
        return text.encode("ascii")
    return encoded_words(text)


def phrase(text: str) -> bytes:
    """A display name: atoms, or a quoted string, or encoded words (RFC 5322 3.2.5, RFC 2047 5)."""
    if text.isascii() and text.isprintable() and "=?" not in text:
        octets = text.encode("ascii")
        if not _ATOMS.match(text):
            octets = b'"' + re.sub(rb'([\\"])', rb"\\\1", octets) + b'"'
        if len(octets) <= MAX_PHRASE:
            return octets
    return encoded_words(text)


def encoded_words(text: str) -> bytes:
    """``=?utf-8?b?...?=`` words, one a line, none with half a character in it (RFC 2047 5)."""
    words: list[bytes] = []
    piece = b""
    for octets in (c.encode() for c in text):
        if len(piece) + len(octets) > _WORD_OCTETS:
            words.append(piece)
            piece = b""
        piece += octets
    words.append(piece)
    return b"\r\n ".join(b"=?utf-8?b?" + base64.b64encode(word) + b"?=" for word in words if word)


def mailbox(name: str, address: str) -> bytes:
    """``name <address>``, or the address alone.  Raises BadMessage."""
    if not _ADDRESS.match(checked("an address", address)):
        raise BadMessage("that is no mail address")
    octets = address.encode()
    name = checked("a name", name).strip()
    if not name:
        return octets
    shown = phrase(name)
    fold = b"\r\n " if len(shown) + len(octets) > MAX_LINE - len("From:  <>") else b" "
    return shown + fold + b"<" + octets + b">"


def address_list(addresses: Iterable[str]) -> bytes:
    """Addresses with commas, one a line.  Raises BadMessage."""
    return b",\r\n ".join(mailbox("", address) for address in addresses)
