"""Mailbox names in modified UTF-7 (RFC 3501 5.1.3; RFC 9051 A.1 keeps it for IMAP4rev1 clients), or plainly in UTF-8.

Strict: only what ``encode`` would have written is decoded, so that one name has one spelling and LIST answers the
very octets that were given.  What must stay true: ``decode(encode(name)) == name``, ``encode(decode(x)) == x``.
"""

import re
from binascii import Error, a2b_base64, b2a_base64

_PLAIN = re.compile(rb"[ -%'-~]*")  # what stands for itself: printable, without "&"
_SHIFTED = re.compile(rb"&([^&-]*)-")
_OTHERS = re.compile(r"[^ -~]+")


class BadMailboxName(ValueError):
    """The octets are no modified UTF-7."""


def encode(name: str) -> bytes:
    """The name on the wire.  name: any Unicode text without lone surrogates, else BadMailboxName."""
    if name.isascii() and "&" not in name and name.isprintable():
        return name.encode("ascii")
    try:
        return _OTHERS.sub(_shift, name.replace("&", "&-")).encode("ascii")
    except UnicodeEncodeError as error:
        raise BadMailboxName("a lone surrogate") from error


def _shift(match: re.Match[str]) -> str:
    base64 = b2a_base64(match[0].encode("utf-16-be"), newline=False)
    return "&" + base64.rstrip(b"=").replace(b"/", b",").decode("ascii") + "-"


def decode(octets: bytes) -> str:
    """The name in Unicode.  Raises BadMailboxName for any spelling but the one that ``encode`` gives, and for
    control characters: encoded or not, no mailbox has them in its name."""
    if _PLAIN.fullmatch(octets):
        return octets.decode("ascii")
    try:
        name = _SHIFTED.sub(_unshift, octets).decode("utf-8")
        same = encode(name) == octets
    except (Error, UnicodeError) as error:
        raise BadMailboxName("no modified UTF-7") from error
    if not same or any(char < " " or char == "\x7f" for char in name):
        raise BadMailboxName("no modified UTF-7")
    return name


_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def plain(octets: bytes) -> str:
    """A name in UTF-8 (RFC 6855 3).  Raises BadMailboxName where it is none, or has control characters."""
    try:
        name = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadMailboxName("no UTF-8") from error
    if _CONTROLS.search(name) is not None:
        raise BadMailboxName("a control character")
    return name


def _unshift(match: re.Match[bytes]) -> bytes:
    base64 = match[1].replace(b",", b"/")
    if not base64:
        return b"&"
    padded = base64 + b"=" * (-len(base64) % 4)
    return a2b_base64(padded, strict_mode=True).decode("utf-16-be").encode("utf-8")
