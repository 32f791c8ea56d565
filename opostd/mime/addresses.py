"""Address lists: mailboxes and groups, tolerant of what is really sent.

RFC 5322 3.4 and 4.4 (comments, quoted strings, obsolete routes), in the shape of ENVELOPE (RFC 9051 7.5.2).  Any
octets give a list; each token is looked at once.
"""

import re
from typing import NamedTuple

from opostd.mime.headers import decode_words, unfold

MAX_ADDRESSES = 10_000  # of one message: the largest lists that people write are a tenth of it

MISSING_MAILBOX = b"MISSING_MAILBOX"  # not NIL: that would begin or end a group; Dovecot's words, known to clients
MISSING_DOMAIN = b"MISSING_DOMAIN"

_TOKEN = re.compile(
    rb'(?P<space>[ \t\r\n\x00]++)|"(?P<quoted>(?:[^"\\]++|\\.)*)"?|(?P<literal>\[[^][\\,;<>"]*+\])'
    rb'|(?P<atom>[^ \t\r\n\x00()<>@,;:\\".\[\]]++)|(?P<special>.)',
    re.DOTALL,
)
_IN_COMMENT = re.compile(rb"[^()\\]++|\\.|[()\\]", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
# A mailbox in the forms nearly all are sent in, up to the comma or the end; its groups: quoted name, plain name,
# mailbox, domain; mailbox and domain without a name; the comma.
_ATEXT = rb"[\w!#$%&'*+/=?^`{|}~-]++"
_WORD = rb"[\w!#$%&'*+/=?^`{|}~.-]++"
_SPEC = rb"(" + _ATEXT + rb"(?:\." + _ATEXT + rb")*)@([\w-]++(?:\.[\w-]++)*)"
_SIMPLE = re.compile(
    rb'[ \t]*+(?:(?:"([^"\\]*+)"[ \t]*+|('
    + _WORD
    + rb"(?: "
    + _WORD
    + rb")*)?[ \t]*+)<"
    + _SPEC
    + rb">|"
    + _SPEC
    + rb")"
    rb"[ \t]*+(?:(,)|\Z)"
)


class Address(NamedTuple):
    """One entry of an address list: display name, source route, mailbox, domain; octets as written, quotes undone.

    A group begins with an entry of which only ``mailbox``, its name, is not None, and ends with one of four None.
    """

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None

    @property
    def spec(self) -> str:
        """``mailbox@host`` as text, or "" for the borders of a group."""
        return "" if self.host is None else decode_words((self.mailbox or b"") + b"@" + self.host)


GROUP_END = Address(None, None, None, None)


def addresses(value: bytes, limit: int = MAX_ADDRESSES) -> list[Address]:
    """The entries of a raw field value, at most ``limit``; a group is closed whether its semicolon is there or not."""
    value = unfold(value)
    at, found = 0, []
    while match := _SIMPLE.match(value, at):
        quoted, plain, mailbox, host, bare, bare_host, comma = match.groups()
        found.append(Address(quoted or plain or None, None, mailbox or bare, host or bare_host))
        if comma is None:
            return found[:limit]
        at = match.end()
    return _token_by_token(value, limit)


def _token_by_token(value: bytes, limit: int) -> list[Address]:
    """``addresses`` of an unfolded value of any form."""
    reader = _Reader(limit)
    at = 0
    while at < len(value) and len(reader.found) < limit:
        match = _TOKEN.match(value, at)
        assert match is not None  # "special" takes any octet
        at = match.end()
        kind = match.lastgroup
        if kind == "special" and match["special"] == b"(":
            text, at = _comment(value, at)
            reader.comment(text)
        elif kind == "space":
            reader.space()
        elif kind == "quoted":
            reader.word(_ESCAPED.sub(rb"\1", match["quoted"]))
        elif kind == "special":
            reader.special(match["special"])
        else:
            reader.word(match[0])
    return reader.finish()


def _comment(value: bytes, at: int) -> tuple[bytes, int]:
    """The text of the comment opened before ``at``, and where the rest begins; comments nest (RFC 5322 3.2.2)."""
    start, depth = at, 1
    while match := _IN_COMMENT.match(value, at):
        at = match.end()
        depth += (match[0] == b"(") - (match[0] == b")")
        if not depth:
            return _ESCAPED.sub(rb"\1", value[start : at - 1]), at
    return value[start:], len(value)


class _Reader:
    """Takes tokens, gives addresses.  Words gather in ``local`` until something says what they were."""

    def __init__(self, limit: int) -> None:
        self.found: list[Address] = []
        self._limit = limit
        self._in_group = False
        self._clear()

    def _clear(self) -> None:
        self._local: list[bytes] = []  # words and dots, with a space where there was one and it is text
        self._spaced = False
        self._name: bytes | None = None
        self._comment: bytes | None = None
        self._domain: list[bytes] | None = None  # after "@"
        self._route: bytes | None = None
        self._angle = False  # inside <>
        self._closed = False  # after >

    def space(self) -> None:
        self._spaced = True

    def comment(self, text: bytes) -> None:
        self._comment = text.strip() or self._comment
        self._spaced = True

    def word(self, text: bytes) -> None:
        if self._closed:
            return  # what follows ">" before the comma names nobody
        if self._domain is not None:
            if self._spaced and self._domain and self._domain[-1] != b"." != text:
                return  # a@b c: the domain is b
            self._domain.append(text)
        else:
            if self._spaced and self._local and not self._angle:
                self._local.append(b" ")
            self._local.append(text)
        self._spaced = False

    def special(self, char: bytes) -> None:
        match char:
            case b",":
                if self._angle and self._domain is not None and not self._local:
                    self._add_route()  # <@a,@b:user@c>
                else:
                    self._end_address()
            case b";":
                self._end_address()
                self._end_group()
            case b":" if self._angle:
                self._add_route()
            case b":" if self._domain is None and not self._in_group and not self._closed and self._local:
                self.found.append(Address(None, None, b"".join(self._local), None))
                self._in_group = True
                self._clear()
            case b"<" if not self._angle and not self._closed:
                self._name = b"".join(self._local) if self._domain is None else self._bare()
                self._local, self._domain, self._angle = [], None, True
            case b">" if self._angle:
                self._angle, self._closed = False, True
            case b"@" if self._domain is None and not self._closed:
                self._split_local()
                self._domain = []
            case b"@" | b":" | b"<" | b">":
                pass  # where it has no meaning, it is no text either
            case _:
                self.word(char)

    def _split_local(self) -> None:
        """RFC 5322 4.4: white space around dots is no part of a mailbox.  Words before it are a name, in no RFC."""
        words = self._local
        kept = [
            word
            for at, word in enumerate(words)
            if word != b" " or b"." not in (words[at - 1] if at else b".", *words[at + 1 : at + 2])
        ]
        if b" " in kept:
            last = len(kept) - kept[::-1].index(b" ")
            self._name = b"".join(kept[: last - 1])
            kept = kept[last:]
        self._local = kept

    def _bare(self) -> bytes:
        return b"".join(self._local) + b"@" + b"".join(self._domain or ())

    def _add_route(self) -> None:
        """RFC 5322 4.4: obs-route; RFC 9051 shows it as [SMTP]'s at-domain-list."""
        if self._domain:
            step = b"@" + b"".join(self._domain)
            self._route = step if self._route is None else self._route + b"," + step
        self._local, self._domain = [], None

    def _end_address(self) -> None:
        name = self._name or None
        if self._closed or self._angle or self._domain is not None:
            mailbox, host = b"".join(self._local), b"".join(self._domain or ())
            if mailbox or host or name or self._closed:
                shown = name or self._comment
                self._add(Address(shown, self._route, mailbox or MISSING_MAILBOX, host or MISSING_DOMAIN))
        elif self._local:
            words = b"".join(self._local)
            if b" " in words:  # a phrase without an address
                self._add(Address(words, None, MISSING_MAILBOX, MISSING_DOMAIN))
            else:
                self._add(Address(self._comment, None, words or MISSING_MAILBOX, MISSING_DOMAIN))
        self._clear()

    def _add(self, address: Address) -> None:
        if len(self.found) < self._limit:
            self.found.append(address)

    def _end_group(self) -> None:
        if self._in_group:
            self.found.append(GROUP_END)
            self._in_group = False

    def finish(self) -> list[Address]:
        self._end_address()
        self._end_group()
        return self.found
