"""The milter protocol, version 6, as packets: what a mail server says to a content filter, and what that may answer.

Pure.  sendmail's libmilter/mfdef.h.  What must stay true: a packet is no longer than its limit; what a filter puts
into a message is whole fields, without a line end of its own making.
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from opostd.intake.message import CRLF, Field, Message, field

VERSION = 6
MAX_PACKET = 1024 * 1024  # of an answer: a header, or 64 KiB of a body
CHUNK = 65535  # MILTER_CHUNK_SIZE

# Actions (SMFIF_*): what we do for a filter.  Recipients and sender stay what the client was told yes for.
ADD_HEADERS, CHANGE_BODY, CHANGE_HEADERS, QUARANTINE = 0x01, 0x02, 0x10, 0x20
ACTIONS = ADD_HEADERS | CHANGE_BODY | CHANGE_HEADERS | QUARANTINE

# Steps (SMFIP_*) that a filter may do without, or does not answer.
NO_CONNECT, NO_HELO, NO_MAIL, NO_RCPT, NO_BODY, NO_HEADERS, NO_EOH = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40
MUTE_HEADER, NO_UNKNOWN, NO_DATA, SKIP = 0x80, 0x100, 0x200, 0x400
MUTE_CONNECT, MUTE_HELO, MUTE_MAIL, MUTE_RCPT, MUTE_DATA = 0x1000, 0x2000, 0x4000, 0x8000, 0x10000
MUTE_EOH, MUTE_BODY, LEADING_SPACE = 0x40000, 0x80000, 0x100000
STEPS = (
    NO_CONNECT | NO_HELO | NO_MAIL | NO_RCPT | NO_BODY | NO_HEADERS | NO_EOH | MUTE_HEADER | NO_UNKNOWN | NO_DATA | SKIP
) | (MUTE_CONNECT | MUTE_HELO | MUTE_MAIL | MUTE_RCPT | MUTE_DATA | MUTE_EOH | MUTE_BODY | LEADING_SPACE)

_NAME = re.compile(rb"[!-9;-~]{1,200}\Z")
_REPLY = re.compile(r"([45][0-9][0-9])(?:[ -]+([245]\.[0-9]{1,3}\.[0-9]{1,3}))?(?:[ -]+|\Z)(.*)", re.DOTALL)
MAX_TEXT = 400  # of a reply: a line has 512


class BadMilter(Exception):
    """The filter does not speak the protocol, or wants what we do not do."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """code: of the reply; enhanced: of the same class."""

    code: int
    enhanced: str
    text: str


@dataclass(frozen=True, slots=True)
class Edits:
    """What a filter has asked for so far.  junk: the reason of a quarantine, None for none."""

    changes: tuple[tuple[bytes, int, bytes, bytes], ...] = ()  # h, i or m; index; name; value
    body: bytes | None = None
    junk: str | None = None
    leading_space: bool = False


def packet(command: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data) + 1) + command + data


def strings(*texts: str | bytes) -> bytes:
    """Each with its NUL; what has one is cut there."""
    octets = [text.encode("utf-8", "replace") if isinstance(text, str) else text for text in texts]
    return b"".join(each.partition(b"\0")[0] + b"\0" for each in octets)


def offer() -> bytes:
    return packet(b"O", struct.pack(">III", VERSION, ACTIONS, STEPS))


def agreed(data: bytes) -> int:
    """The steps that the filter has chosen.  Raises BadMilter."""
    if len(data) < 12:
        raise BadMilter("no answer to the offer")
    version, _, steps = struct.unpack(">III", data[:12])
    if not 2 <= version <= VERSION or steps & ~STEPS:
        raise BadMilter(f"version {version}, steps {steps:#x}: not what was offered")
    return int(steps)


def connect(peer: str) -> bytes:
    """Who the client is; no name, for none was looked up.  peer: an address, or anything else for none."""
    try:
        ip = ip_address(peer.partition("%")[0])
    except ValueError:
        return packet(b"C", strings("localhost") + b"U")
    family, text = (b"6", f"IPv6:{ip}") if ip.version == 6 else (b"4", str(ip))
    return packet(b"C", strings(f"[{text}]") + family + struct.pack(">H", 0) + strings(text))


def macros(command: bytes, values: Sequence[tuple[str, str]]) -> bytes:
    return packet(b"D", command + b"".join(strings(name, value) for name, value in values if value))


def headers(message: Message, *, leading_space: bool) -> list[bytes]:
    """A packet for each field; its folds are LF there."""
    found = []
    for each in message.fields:
        name, colon, value = each.octets.partition(b":")
        if not each.name or not colon:
            continue
        value = value.removesuffix(CRLF).replace(CRLF, b"\n")
        if not leading_space:
            value = value.removeprefix(b" ")
        found.append(packet(b"L", strings(name.rstrip(b" \t"), value)))
    return found


def refusal(command: bytes, data: bytes) -> Refusal | None:
    """The refusal in an answer, or None.  A discard is a refusal too: what we have not kept we do not say yes to."""
    if command in (b"r", b"d"):
        return Refusal(550, "5.7.1", "refused by a filter")
    if command in (b"t", b"f", b"4"):
        return Refusal(451, "4.7.1", "a filter says: not now")
    if command != b"y":
        return None
    text = data.partition(b"\0")[0].decode("utf-8", "replace").replace("%%", "%")
    match = _REPLY.match(text)
    if match is None:
        raise BadMilter("a reply that is none")
    code, enhanced = int(match[1]), match[2] or ""
    if code == 421:
        code = 451  # 421 would end the connection, of which the filter knows nothing
    kind = str(code)[0]
    if not enhanced.startswith(kind):
        enhanced = f"{kind}.7.1"
    said = re.sub(r"\s*\r?\n[45][0-9][0-9][ -]?(?:[45]\.[0-9]{1,3}\.[0-9]{1,3} )?", " ", match[3])
    said = "".join(c if " " <= c <= "~" else "?" for c in said.strip())
    return Refusal(code, enhanced, said[:MAX_TEXT] or "refused by a filter")


def edit(edits: Edits, command: bytes, data: bytes) -> Edits:
    """With one more wish of the filter.  Raises BadMilter where it is none that we do."""
    index = 0
    if command in (b"i", b"m"):
        if len(data) < 4:
            raise BadMilter("a change of a header without a place")
        (index,), data = struct.unpack(">I", data[:4]), data[4:]
    if command in (b"h", b"i", b"m"):
        name, _, rest = data.partition(b"\0")
        value = rest.partition(b"\0")[0]
        if not _NAME.match(name):
            raise BadMilter("a header without a name")
        if len(edits.changes) >= 1000:
            raise BadMilter("too many changes")
        return replace(edits, changes=(*edits.changes, (command, index, name, value)))
    if command == b"b":
        return replace(edits, body=(edits.body or b"") + data)
    if command == b"q":
        reason = data.partition(b"\0")[0].decode("utf-8", "replace")
        return replace(edits, junk="".join(c if c.isprintable() else "?" for c in reason)[:200])
    raise BadMilter(f"asks for {command!r}, which is not done here")


def apply(message: Message, edits: Edits) -> Message:
    """The message as the filter wants it.  Raises BadMilter where that would be none."""
    fields = list(message.fields)
    for command, index, name, value in edits.changes:
        if command == b"m":
            places = [at for at, each in enumerate(fields) if each.name == name.lower()]
            if index < 1 or index > len(places):
                if value:  # libmilter: a change of what is not there adds it
                    fields.append(_made(name, value, edits))
            elif value:
                fields[places[index - 1]] = _made(name, value, edits)
            else:
                del fields[places[index - 1]]
        elif command == b"i":
            fields.insert(min(index, len(fields)), _made(name, value, edits))
        else:
            fields.append(_made(name, value, edits))
    rest = message.rest
    if edits.body is not None:
        body = re.sub(rb"\r\n|\r|\n", CRLF, edits.body)
        if b"\0" in body:
            raise BadMilter("a body with NUL")
        rest = CRLF + body
    return Message(tuple(fields), rest)


def _made(name: bytes, value: bytes, edits: Edits) -> Field:
    value = re.sub(rb"\r\n|\r|\n", CRLF, value).rstrip()
    if edits.leading_space and value.startswith(b" "):
        value = value[1:]
    try:
        return field(name.decode("ascii"), value)
    except ValueError:
        raise BadMilter(f"a header {name!r} with a line end in it") from None
