"""Strings on the wire: text, quoted strings, literals, astrings, mailbox names (RFC 9051 4.3, 9; RFC 3501 5.1.3).

What must stay true: no CR, LF or NUL leaves outside of a literal, whatever a value holds.
"""

import re

from opostd.imap.wire import mutf7

_LINE_BREAKS = re.compile(r"[\0\r\n]+")
_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]{0,1000}")  # longer ones are safer as literals
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


def mailbox(name: str) -> bytes:
    """A mailbox name in modified UTF-7."""
    return astring(mutf7.encode(name))
