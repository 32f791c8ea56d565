"""Strings on the wire: text, quoted strings, literals, astrings, mailbox names (RFC 9051 4.3, 9; RFC 3501 5.1.3).

What must stay true: no CR, LF or NUL leaves outside of a literal, whatever a value holds.
"""

import re

from opostd.imap.wire import mutf7
from opostd.mime.charsets import is_utf8

_LINE_BREAKS = re.compile(r"[\0\r\n]+")
_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]{0,1000}")  # longer ones are safer as literals
_UNQUOTABLE = re.compile(rb"[\0\r\n]")
MAX_QUOTED_UTF8 = 1000  # octets, as above
_SPECIALS = re.compile(rb'["\\]')
# Mailbox names and header fields that need no quotes with any reader: less than an atom may hold.
_SAFE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9./_-]*")


def text(value: str) -> bytes:
    """Text for people at the end of a line: ASCII, what is not becomes ``?``, and no line end in it."""
    return _LINE_BREAKS.sub(" ", value).encode("ascii", "replace")


def literal(octets: bytes) -> bytes:
    """``{n}`` CRLF and the octets."""
    return b"{%d}\r\n%b" % (len(octets), octets)


def string(octets: bytes) -> bytes:
    """A quoted string where that can hold the octets, else a literal."""
    if _QUOTABLE.fullmatch(octets):
        return b'"' + _SPECIALS.sub(rb"\\\g<0>", octets) + b'"'
    return literal(octets)


def astring(octets: bytes) -> bytes:
    """As it is where nobody could misread it, else a string."""
    if _SAFE.fullmatch(octets) and octets.upper() != b"NIL":
        return octets
    return string(octets)


def mailbox(name: str, utf8: bool = False) -> bytes:
    """A mailbox name in modified UTF-7, or in quoted UTF-8 to a client that has enabled it (RFC 6855 3)."""
    if not utf8:
        return astring(mutf7.encode(name))
    octets = name.encode("utf-8", "replace")
    return astring(octets) if octets.isascii() else utf8_string(octets)


def utf8_string(octets: bytes) -> bytes:
    """A string in which UTF-8 may be quoted (RFC 6855 3); a literal where that cannot be."""
    if len(octets) > MAX_QUOTED_UTF8 or _UNQUOTABLE.search(octets) is not None or not is_utf8(octets):
        return string(octets)
    return b'"' + _SPECIALS.sub(rb"\\\g<0>", octets) + b'"'
