"""Octets of a message -> its part tree, as offsets; and the tree in its packed form.

RFC 2046 5.1 (multiparts, boundaries), 5.2.1 (message/rfc822), RFC 5322 2.1 (header and body).  What must stay true:
any octets give a tree; every part lies inside its parent, parts follow each other; one pass, linear in the size
whatever the nesting; the packed form is kept with each post for ever, so a change of it needs a new version number.

Lines end with LF, before which a CR belongs to the line end: mail from SMTP has CRLF throughout, but APPEND keeps the
octets as they came.  A delimiter line is ``--boundary`` or ``--boundary--`` and white space, nothing more: with the
prefix rule of RFC 2046 5.1.1 an inner boundary that begins as the outer one would end the outer part.
"""

import re
import struct
from collections.abc import Iterator
from enum import IntEnum
from itertools import islice
from typing import NamedTuple

from opostd.mime import pieces
from opostd.mime.headers import Media, fields, media, parameters

MAX_DEPTH = 100  # multiparts and messages around a part (security.md 1.3); mail programs reach about 10
MAX_PARTS = 1000  # of one message, all levels together
MAX_HEADER_OCTETS = 256 * 1024  # of one part's header that are looked at; intake refuses a message with a larger one
MAX_HEADERS_OCTETS = 512 * 1024  # of all headers together: what they say is kept for each post, beside its octets

MAX_BOUNDARY_OCTETS = 1000  # RFC 2046 5.1.1 allows 70

_VERSION = 1
_WINDOW = 4096  # octets: longer than a delimiter line, and short, for it is looked at once for each part
_DASHES = re.compile(rb"^--[^\n]*+", re.MULTILINE)
_EMPTY_LINE = re.compile(rb"\n\r?\n")


class Kind(IntEnum):
    """What a part is for the structure."""

    LEAF = 0
    MULTIPART = 1
    MESSAGE = 2  # message/rfc822 or message/global: its one child is the message inside
    OPAQUE = 3  # what lies beyond a limit: shown as octets without structure


class Part(NamedTuple):
    """One part.  Header: octets start to body, its empty line included; body: body to end.

    below: number of parts below it, all levels; if there are any, its first child is the next part of the tree.
    """

    kind: Kind
    below: int
    start: int
    body: int
    end: int


class Tree(NamedTuple):
    """The parts in the order of the message, each before its children (preorder).  The first is the message."""

    parts: tuple[Part, ...]

    def children(self, index: int) -> Iterator[int]:
        """Indexes of the direct children of a part, in order."""
        at, stop = index + 1, index + 1 + self.parts[index].below
        while at < stop:
            yield at
            at += 1 + self.parts[at].below

    def child(self, index: int, number: int) -> int | None:
        """The index of the child of that number, from 1, or None."""
        for at in self.children(index):
            number -= 1
            if not number:
                return at
        return None

    def looks(self) -> list[int]:
        """For each part, where the looking into its header ends: the limits of header octets, the earlier first."""
        left, ends = MAX_HEADERS_OCTETS, []
        for part in self.parts:
            look = min(part.body - part.start, MAX_HEADER_OCTETS, left)
            left -= look
            ends.append(part.start + look)
        return ends


def content_type(header: bytes) -> Media | None:
    """What the first Content-Type field says; None where there is none, or none with type and subtype."""
    for name, value in fields(header):
        if len(name) == 12 and name.lower() == b"content-type":
            return media(value)
    return None


def boundary_of(said: Media) -> bytes:
    """The boundary of a multipart, also where it is cut into RFC 2231 sections; b"" where it has none."""
    plain = said.param(b"boundary")
    if plain is None:
        plain = parameters(said).get("boundary", "").encode("latin-1", "replace")
    return plain.rstrip() if len(plain) <= MAX_BOUNDARY_OCTETS else b""


def scan(raw: bytes) -> Tree:
    """The part tree of a message: of any octets whatever, the empty ones too."""
    return _Scanner(raw).tree()


class _Open(NamedTuple):
    """A part that is not ended yet.  delimiter: ``--boundary`` of a multipart, else b"" ."""

    row: int
    delimiter: bytes
    digest: bool


class _Delimiter(NamedTuple):
    """A delimiter line.  level: the place of its multipart among the open parts; start, stop: of the line."""

    level: int
    closing: bool
    start: int
    stop: int


class _Scanner:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._rows: list[list[int]] = []  # kind, below, start, body, end
        self._open: list[_Open] = []
        # Both delimiter lines of each open multipart -> its place in _open, and whether it closes; the innermost last.
        self._known: dict[bytes, list[tuple[int, bool]]] = {}
        self._levels: list[bytes] = []  # the delimiters of open multiparts
        self._last_end = 0  # of the part ended last: the end of those around it is not before
        self._headers_left = MAX_HEADERS_OCTETS
        self._empty_line = (-1, -1)  # start and end of the last one found, so that no octet is searched twice

    def tree(self) -> Tree:
        raw = self._raw
        at = self._begin(0)
        while (line := self._next_delimiter(at, len(raw))) is not None:
            self._end_above(line.level, line.start)
            at = line.stop
            if line.closing:  # what follows, up to a delimiter further out, is the epilogue
                self._forget(self._open[line.level].delimiter, line.level)
            elif len(self._rows) >= MAX_PARTS - 2:
                self._rest(at)
                break
            else:
                at = self._begin(at)
        self._end_open(0, len(raw))
        return Tree(tuple(Part(Kind(kind), below, start, body, end) for kind, below, start, body, end in self._rows))

    def _next_delimiter(self, at: int, stop: int) -> _Delimiter | None:
        """The first delimiter line of an open multipart from the line start ``at`` on, before ``stop``.

        Lines that begin with dashes are compared a window at a time: a message may consist of nothing else.
        """
        raw, known = self._raw, self._known.keys()
        while known and (at := self._next_dashes(at, stop)) >= 0:
            end = raw.find(b"\n", at, min(at + _WINDOW, stop))
            # Nearly always this line is it.
            if end >= 0 and (line := raw[at:end].rstrip()) in known:
                level, closing = self._known[line][-1]
                return _Delimiter(level, closing, at, end + 1)
            end = stop
            if stop - at > _WINDOW:
                end = raw.rfind(b"\n", at, at + _WINDOW) + 1
                if not end:  # a line of that length is no delimiter
                    at = raw.find(b"\n", at, stop) + 1
                    if not at:
                        return None
                    continue
            window = raw[at:end]
            if any(delimiter in window for delimiter in self._levels):
                lines = [*map(bytes.rstrip, _DASHES.findall(window))]
                if not known.isdisjoint(lines):
                    place = next(place for place, line in enumerate(lines) if line in known)
                    level, closing = self._known[lines[place]][-1]
                    match = next(islice(_DASHES.finditer(window), place, None))
                    after = window.find(b"\n", match.end()) + 1
                    return _Delimiter(level, closing, at + match.start(), at + after if after else end)
            at = end
        return None

    def _next_dashes(self, at: int, stop: int) -> int:
        """The start of the next line, from the line start ``at`` on, that begins with two dashes, or -1."""
        if self._raw.startswith(b"--", at, stop):
            return at
        found = pieces.find(self._raw, b"\n--", max(0, at - 1), stop)
        return found + 1 if found >= 0 else -1

    def _begin(self, start: int) -> int:
        """Opens the part whose header begins there, and the messages inside of it; where the last one's body begins.

        A delimiter line inside a header ends it: then the place of that line comes out.
        """
        digest = bool(self._open) and self._open[-1].digest
        while True:
            body, cut = self._header_end(start)
            look = min(body - start, MAX_HEADER_OCTETS, self._headers_left)
            self._headers_left -= look
            kind, delimiter, digest = self._kind(content_type(self._raw[start : start + look]), digest)
            row = len(self._rows)
            self._rows.append([kind, 0, start, body, body])
            if kind is Kind.MULTIPART:
                self._know(delimiter, len(self._open))
            self._open.append(_Open(row, delimiter, digest))
            if kind is not Kind.MESSAGE:
                return body
            if cut:  # the message inside has no octets
                self._rows.append([Kind.LEAF, 0, body, body, body])
                return body
            start = body

    def _kind(self, said: Media | None, in_digest: bool) -> tuple[Kind, bytes, bool]:
        """What a part of that Content-Type is, its delimiter, and whether it is a digest (RFC 2046 5.1.5)."""
        key = said.key if said is not None else b"message/rfc822" if in_digest else b"text/plain"
        if said is not None and key.startswith(b"multipart/") and (boundary := boundary_of(said)):
            if len(self._open) >= MAX_DEPTH:
                return Kind.OPAQUE, b"", False
            return Kind.MULTIPART, b"--" + boundary, key == b"multipart/digest"
        if key in (b"message/rfc822", b"message/global"):
            if len(self._open) >= MAX_DEPTH or len(self._rows) >= MAX_PARTS - 3:
                return Kind.OPAQUE, b"", False
            return Kind.MESSAGE, b"", False
        return Kind.LEAF, b"", False

    def _header_end(self, start: int) -> tuple[int, bool]:
        """Where the body begins, and whether an open multipart's delimiter line cut the header short."""
        raw = self._raw
        if self._empty_line[0] < start:
            if start == 0 and raw.startswith((b"\n", b"\r\n")):
                self._empty_line = (0, raw.index(b"\n") + 1)
            else:
                match = pieces.search(
                    _EMPTY_LINE, 3, raw, max(0, start - 1)
                )  # from the line end before, for it may be first
                self._empty_line = (match.start() + 1, match.end()) if match else (len(raw), len(raw))
        empty, body = self._empty_line
        delimiter = self._next_delimiter(start, empty)
        return (body, False) if delimiter is None else (delimiter.start, True)

    def _end_above(self, level: int, at: int) -> None:
        """Ends all parts inside the multipart at ``level``, before the line end that precedes the delimiter there."""
        end = at
        if end and self._raw[end - 1] == 0x0A:
            end -= 2 if end > 1 and self._raw[end - 2] == 0x0D else 1
        self._end_open(level + 1, end)

    def _end_open(self, level: int, end: int) -> None:
        while len(self._open) > level:
            self._end_last(end)

    def _end_last(self, end: int) -> None:
        place = len(self._open) - 1
        opened = self._open[-1]
        if opened.delimiter:
            self._forget(opened.delimiter, place)
            if len(self._rows) == opened.row + 1:  # a multipart has one part at least (RFC 2046 5.1.1): an empty one
                at = max(end, self._rows[opened.row][3])
                self._rows.append([Kind.LEAF, 0, at, at, at])
        self._open.pop()
        row = self._rows[opened.row]
        row[1] = len(self._rows) - opened.row - 1
        # A header that a delimiter cut short keeps its line end, and so do the parts around it.
        row[4] = self._last_end = max(end, row[3], self._last_end)

    def _know(self, delimiter: bytes, place: int) -> None:
        self._levels.append(delimiter)
        self._known.setdefault(delimiter, []).append((place, False))
        self._known.setdefault(delimiter + b"--", []).append((place, True))

    def _forget(self, delimiter: bytes, place: int) -> None:
        """No line is a delimiter of that multipart any more; nothing happens where it is forgotten already."""
        for line, closing in ((delimiter, False), (delimiter + b"--", True)):
            known = self._known.get(line, [])
            if (place, closing) in known:
                known.remove((place, closing))
                if not known:
                    del self._known[line]
                if not closing:
                    self._levels.remove(delimiter)

    def _rest(self, start: int) -> None:
        """All from there on is one opaque part: the limit of parts is reached."""
        self._rows.append([Kind.OPAQUE, 0, start, start, start])
        self._open.append(_Open(len(self._rows) - 1, b"", False))


def pack(tree: Tree) -> bytes:
    """The tree in octets: a version, then five 32-bit numbers for each part; 21 octets for a plain message."""
    numbers = [number for part in tree.parts for number in part]
    return struct.pack(f"<B{len(numbers)}I", _VERSION, *numbers)


def unpack(packed: bytes) -> Tree:
    """The tree that was packed.  Raises ValueError where it is none of ours."""
    count, rest = divmod(len(packed) - 1, 20)
    if count < 1 or rest or packed[0] != _VERSION:
        raise ValueError("not a packed part tree")
    numbers = iter(struct.unpack_from(f"<{5 * count}I", packed, 1))
    rows = zip(numbers, numbers, numbers, numbers, numbers, strict=True)
    try:
        return Tree(tuple([Part(_KINDS[kind], below, start, body, end) for kind, below, start, body, end in rows]))
    except IndexError:
        raise ValueError("not a packed part tree") from None


_KINDS = tuple(Kind)
