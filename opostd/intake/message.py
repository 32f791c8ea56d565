"""A message as it arrives: its header fields one by one, the rest untouched; what is too much is refused.

Pure.  RFC 5322 2.1, 2.2; RFC 5321 6.3 (loops); limits of security.md 1.3.  What must stay true: octets are taken out
or put on top in whole fields only; what stands after the header is never changed here; no line is cut in two; time is
linear in the octets.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from opostd.config import LimitSettings
from opostd.mime import pieces
from opostd.model.errors import BadHeader, BadMessage, HasNul, MailLoop, TooBig

CRLF = b"\r\n"
# "From : x" is obsolete and read as From by many programs (RFC 5322 4.5), so it is the field From here too.
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
# A field with its continuation lines, or a line that is none; of whole lines, each with its end.
_LINES = re.compile(rb"((?:([!-9;-~]++)[ \t]*+:)?[^\n]*+\n(?:[ \t][^\n]*+\n)*)")
# What an mbox file puts before a message is no part of it; mail(1) and scripts leave it in.
_MBOX = re.compile(rb">?From (?![ \t]*:)[^\r\n]*\r\n")


class Field(NamedTuple):
    """One header field.  name: lower case, empty where the line is no field; octets: all its lines, ends included."""

    name: bytes
    octets: bytes

    @property
    def value(self) -> bytes:
        """What follows the colon, unfolded (RFC 5322 2.2.3)."""
        return self.octets.partition(b":")[2].replace(CRLF, b"").strip(b" \t")


@dataclass(frozen=True, slots=True)
class Message:
    """fields: the header; rest: from the empty line that ends it on, or empty where there is no such line."""

    fields: tuple[Field, ...]
    rest: bytes

    def all(self, name: bytes) -> list[Field]:
        """The fields of that name (lower case), in order."""
        return [field for field in self.fields if field.name == name]

    def has(self, name: bytes) -> bool:
        return any(field.name == name for field in self.fields)

    def without(self, unwanted: Callable[[Field], bool]) -> "Message":
        """Less the fields for which ``unwanted`` says so."""
        return Message(tuple(field for field in self.fields if not unwanted(field)), self.rest)

    def topped(self, fields: Iterable[Field]) -> "Message":
        """With these fields before all others."""
        return Message((*fields, *self.fields), self.rest)

    @property
    def octets(self) -> bytes:
        return b"".join([*(field.octets for field in self.fields), self.rest])


def field(name: str, value: bytes) -> Field:
    """A field of ours.  value: folded where it must be; raises ValueError on a line end that is no fold, or NUL."""
    if b"\0" in value or re.search(rb"\r(?!\n)|(?<!\r)\n|\r\n(?![ \t])", value):
        raise ValueError(f"line end or NUL in {name}")
    return Field(name.lower().encode("ascii"), name.encode("ascii") + b": " + value + CRLF)


def check_kept(raw: bytes, limits: LimitSettings) -> None:
    """The limits of whatever is kept, APPEND too.  Raises TooBig, BadMessage.

    Old mail that somebody moves here by APPEND may have bare line ends and lines of any length, and is kept as it is.
    """
    if len(raw) > limits.max_message_octets:
        raise TooBig(f"message over {limits.max_message_octets} octets")
    if b"\0" in raw:
        raise HasNul("NUL in the message")  # no IMAP literal may have it (RFC 9051 4.3)
    if _header_end(raw, limits.max_header_octets) > limits.max_header_octets:
        raise TooBig(f"header over {limits.max_header_octets} octets")


def read(raw: bytes, limits: LimitSettings) -> Message:
    """A message that comes by SMTP, LMTP or the command line, every limit checked.

    A first line that is no header field is the body's, and gets the empty line before it that it lacks.  Raises
    TooBig, BadMessage, BadHeader, MailLoop.
    """
    check_kept(raw, limits)
    if not pieces.only_crlf(raw):
        raise BadMessage("bare CR or bare LF in the message")
    if _has_long_line(raw, limits.max_line_octets):
        raise BadMessage(f"line over {limits.max_line_octets} octets")
    mbox = _MBOX.match(raw)
    if mbox is not None:
        raw = pieces.part(raw, mbox.end())
    if raw and not raw.startswith(CRLF) and not _FIELD.match(raw):
        return Message((), CRLF + raw)
    end = _header_end(raw, limits.max_header_octets)
    header, rest = raw[:end], pieces.part(raw, end)
    if header and not header.endswith(CRLF):
        header += CRLF  # a header without a body, and its last line without an end
    lines = header.count(CRLF)
    if lines > limits.max_header_lines:
        raise BadHeader(f"header over {limits.max_header_lines} lines")
    # Every CR and LF was found to be of a CRLF, so that a line is what ends with LF.
    message = Message(tuple([Field(name.lower(), octets) for octets, name in _LINES.findall(header)]), rest)
    if len(message.all(b"received")) > limits.max_received:
        raise MailLoop(f"over {limits.max_received} Received fields: the message goes in a circle")
    return message


def _header_end(raw: bytes, limit: int) -> int:
    """Octets of the header, its last line end included, the empty line not; more than ``limit`` where it is longer."""
    if raw.startswith((CRLF, b"\n")):
        return 0
    window = limit + 4
    # Mail that came by APPEND may have bare LF.
    found = [at + len(end) // 2 for end in (b"\r\n\r\n", b"\n\n") if (at := raw.find(end, 0, window)) >= 0]
    return min(found) if found else len(raw)


def _has_long_line(raw: bytes, limit: int) -> bool:
    """Whether a line has more octets than ``limit``, its end not counted.  A few steps for each ``limit`` octets."""
    start, reach = 0, limit + len(CRLF)
    while len(raw) - start > limit:
        end = raw.rfind(b"\n", start, start + reach)
        if end < 0:
            return True
        start = end + 1
    return False


def header_fields(header: bytes) -> list[Field]:
    """The fields of a header block; the empty line that ends it may be there."""
    return list(_fields(header.removesuffix(CRLF) if header.endswith(CRLF + CRLF) else header))


def _fields(header: bytes) -> Iterable[Field]:
    """The fields, each with its continuation lines; a line that is neither is a field without a name, and stays."""
    lines: list[bytes] = []
    name = b""
    for line in header.splitlines(keepends=True):  # of bytes: at CR, LF and CRLF only, and the first two are refused
        if line[:1] in (b" ", b"\t") and lines:
            lines.append(line)
            continue
        if lines:
            yield Field(name, b"".join(lines))
        match = _FIELD.match(line)
        name, lines = (match[1].lower() if match else b""), [line]
    if lines:
        yield Field(name, b"".join(lines))
