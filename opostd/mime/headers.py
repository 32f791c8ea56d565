"""Header blocks: fields, unfolding, encoded words, parameters.

RFC 5322 2.2 (fields, folding), RFC 2047 (encoded words), RFC 2045 5.1 (Content-Type), RFC 2231 (parameters).
Any octets are answered; every pattern here consumes what it has looked at, so that the time is linear.
"""

import binascii
import re
from typing import NamedTuple

from opostd.mime.charsets import clean_line, decode, guess
from opostd.mime.remember import remembered

# A name, white space before the colon (RFC 5322 4.5.8), the value with its folded lines.  A line that is no field
# is passed over, with its folded lines.
_FIELD = re.compile(rb"^([\x21-\x39\x3b-\x7e]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*)", re.MULTILINE)
_FOLD = re.compile(rb"\r*\n(?=[ \t])")
_STRAY = re.compile(rb"[\r\n\x00]+")

_WORD = re.compile(rb"=\?([^?\s*]{1,60}+)(?:\*[^?\s]{0,40}+)?\?([bBqQ])\?([^?\n]*+)\?=")
_ONLY_SPACE = re.compile(rb"[ \t\r\n]*+\Z")
_Q_OCTET = re.compile(rb"=([0-9A-Fa-f]{2})")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BASE64_LINES = _BASE64 + b"\r\n"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))

_QUOTED = rb'"(?:[^"\\]++|\\.)*"?'
_MEDIA = re.compile(rb"\s*+([^\s/;()\"]++)\s*+/\s*+([^\s/;()\"]++)")
_PARAMETER = re.compile(rb";\s*+([^\s=;\"]++)\s*+=\s*+(" + _QUOTED + rb'|[^;"]*+)', re.DOTALL)
_VALUE = re.compile(rb"\s*+([^\s;()\"]++)")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_PIECE = re.compile(rb'(?:[^";\\]++|\\.|' + _QUOTED + rb"|\\)*", re.DOTALL)
_SECTION = re.compile(rb"([^*]++)\*(\d{1,3})(\*?)")
_NOT_PLAIN = re.compile(rb"[^0-9A-Za-z!#$&+.^_`{|}~-]")  # RFC 2231 7: attribute-char
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")

MAX_PARAMETERS = 100  # of one field: more is no mail program's
MAX_PADDINGS = 1000  # "=" in one base64 text: each part of it that ends in one is decoded by itself
MAX_COMMENT = 1000  # octets of a comment that is looked for


class Media(NamedTuple):
    """A Content-Type or Content-Disposition as written.

    type, subtype: in the message's spelling; subtype is b"" for a disposition.  params: names and values as
    written, quotes undone, RFC 2231 forms not joined.
    """

    type: bytes
    subtype: bytes
    params: tuple[tuple[bytes, bytes], ...]

    @property
    def key(self) -> bytes:
        """``type/subtype`` in lower case, to compare with."""
        return self.type.lower() + b"/" + self.subtype.lower()

    def param(self, name: bytes) -> bytes | None:
        """The first parameter of that lower-case name, as written, or None."""
        for each, value in self.params:
            if each.lower() == name:
                return value
        return None


@remembered(8, 16 * 1024)
def fields(block: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Name as written and raw value (folds inside, a CR at its end) of each field, in order."""
    return tuple(_FIELD.findall(block))


@remembered(8, 16 * 1024)
def unfolded(block: bytes) -> tuple[tuple[bytes, bytes, bytes], ...]:
    """As ``fields``: the name in lower case, the name as written, the value as ``unfold`` has it."""
    crs = block.count(b"\r")
    if b"\0" in block or (crs and crs != block.count(b"\r\n")):
        return tuple([(name.lower(), name, unfold(value)) for name, value in fields(block)])
    # Nearly always: each CR is a line end's, and a line end inside a value is a fold's.
    return tuple(
        [
            (
                name.lower(),
                name,
                (value.replace(b"\r\n", b"").replace(b"\n", b"") if b"\n" in value else value).strip(b" \t\r\n"),
            )
            for name, value in fields(block)
        ]
    )


def unfold(value: bytes) -> bytes:
    """A raw value in one line, white space at both ends stripped: the line ends of folds go, their white space stays.

    A bare CR, LF or NUL inside becomes a space.
    """
    if b"\n" in value:
        value = _without_folds(value)
    value = value.strip(b" \t\r\n")
    return _STRAY.sub(b" ", value) if b"\r" in value or b"\n" in value or b"\0" in value else value


@remembered(64, 2000)
def _without_folds(value: bytes) -> bytes:
    return _FOLD.sub(b"", value)


def decode_words(value: bytes) -> str:
    """Text of an unfolded value: encoded words decoded, white space between two of them dropped (RFC 2047 6.2).

    Octets over 127 outside of words are UTF-8 where valid, else latin-1.  One line, without controls.
    """
    if b"=?" not in value:
        return clean_line(value.decode("ascii") if value.isascii() else guess(value))
    return _with_words(value)


@remembered(64, 2000)
def _with_words(value: bytes) -> str:
    out: list[str] = []
    run = b""  # words of one charset, adjacent: a character may be cut between two, against RFC 2047 5
    run_charset = ""
    at = 0
    for match in _WORD.finditer(value):
        between = value[at : match.start()]
        charset = match[1].decode("latin-1")
        octets = _word_octets(match[2], match[3])
        at = match.end()
        if run_charset and _ONLY_SPACE.match(between):
            if charset.lower() == run_charset.lower() and "2022" not in charset:  # ISO-2022 has a state in each word
                run += octets
                continue
            between = b""
        out.append(decode(run, run_charset))
        out.append(guess(between))
        run, run_charset = octets, charset
    out.append(decode(run, run_charset))
    out.append(guess(value[at:]))
    return clean_line("".join(out))


def _word_octets(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"qQ":
        return _Q_OCTET.sub(_from_hex, text.replace(b"_", b" "))
    return base64_octets(text)


def _from_hex(match: re.Match[bytes]) -> bytes:
    return bytes((int(match[1], 16),))


def base64_octets(text: bytes) -> bytes:
    """What of the text is base64, decoded: foreign octets are passed over, a cut end is dropped (RFC 2045 6.8).

    "=" ends the data; behind it, only more lines of base64 are read on (texts encoded piece by piece), not what a
    mailing list has put below.
    """
    octets: list[bytes] = []
    section: list[bytes] = []
    length = 0
    for piece in text.split(b"=", MAX_PADDINGS):
        if octets and not length and piece.translate(None, _BASE64_LINES):
            break
        kept = piece.translate(None, _NOT_BASE64)
        section.append(kept)
        length += len(kept)
        if length % 4 > 1:  # else a "=" that pads nothing: foreign
            octets.append(_sextets(b"".join(section)))
            section, length = [], 0
    octets.append(_sextets(b"".join(section)))
    return b"".join(octets)


def _sextets(text: bytes) -> bytes:
    """Octets of characters that are all base64's, without padding; a single one at the end is dropped."""
    left = len(text) % 4
    if left == 1:
        text = text[:-1]
    elif left:
        text += b"=" * (4 - left)
    return binascii.a2b_base64(text)


@remembered(256, 200)
def media(value: bytes) -> Media | None:
    """A Content-Type's raw value, or None where it has no ``type/subtype`` (RFC 2045 5.2: then it is text/plain)."""
    value = _without_comments(unfold(value))
    match = _MEDIA.match(value)
    return Media(match[1], match[2], _params(value, match.end())) if match else None


@remembered(256, 200)
def disposition(value: bytes) -> Media | None:
    """A Content-Disposition's raw value (RFC 2183), or None where it has no type."""
    value = _without_comments(unfold(value))
    match = _VALUE.match(value)
    return Media(match[1], b"", _params(value, match.end())) if match else None


@remembered(256, 200)
def token(value: bytes) -> bytes:
    """The one word of a Content-Transfer-Encoding and its like: no comment, no parameter; b"" where there is none."""
    match = _VALUE.match(_without_comments(unfold(value)))
    return match[1] if match else b""


def _params(value: bytes, at: int) -> tuple[tuple[bytes, bytes], ...]:
    found: list[tuple[bytes, bytes]] = []
    for match in _PARAMETER.finditer(value, at):
        text = match[2]
        if text.startswith(b'"'):
            text = _ESCAPED.sub(rb"\1", text[1:-1] if len(text) > 1 and text.endswith(b'"') else text[1:])
        else:
            text = text.strip()  # to the semicolon: unquoted file names with spaces are common
        found.append((match[1], text))
        if len(found) == MAX_PARAMETERS:
            break
    return tuple(found)


def _without_comments(value: bytes) -> bytes:
    """The value without comments at its start and, after white space, at its end or before a semicolon.

    Others stay: ``name=minutes(1).pdf`` is no RFC's, and is sent.
    """
    if b"(" not in value:
        return value
    pieces = [_cut_comments(piece) for piece in _split(value)]
    first = pieces[0].lstrip()
    while first.startswith(b"(") and (end := first.find(b")")) >= 0:
        first = first[end + 1 :].lstrip()
    pieces[0] = first
    return b";".join(pieces)


def _cut_comments(piece: bytes) -> bytes:
    piece = piece.rstrip()
    while piece.endswith(b")"):
        depth = 0
        for at in range(len(piece) - 1, max(-1, len(piece) - MAX_COMMENT), -1):
            depth += (piece[at] == 0x29) - (piece[at] == 0x28)
            if not depth:
                break
        if depth or at == 0 or piece[at - 1] not in b" \t":
            break
        piece = piece[:at].rstrip()
    return piece


def _split(value: bytes) -> list[bytes]:
    """Cut at semicolons outside of quotes."""
    pieces: list[bytes] = []
    at = 0
    while True:
        match = _PIECE.match(value, at)
        end = match.end() if match else at
        pieces.append(value[at:end])
        if end >= len(value):
            return pieces
        at = end + 1


def joined(params: tuple[tuple[bytes, bytes], ...]) -> list[tuple[bytes, bytes]]:
    """Parameters with the sections of RFC 2231 3 joined, at the place of the first of them; the others as they are.

    ``name*0="a"; name*1="b"`` is ``name``; with an extended section it is ``name*``, all percent-encoded.
    """
    if not any(b"*" in name for name, _ in params):
        return list(params)
    sections: dict[bytes, dict[int, tuple[bool, bytes]]] = {}
    order: list[tuple[bytes, bytes | None]] = []  # a name and its value, or a base of sections and None
    for name, value in params:
        match = _SECTION.fullmatch(name)
        if match is None:
            order.append((name, value))
            continue
        base, number = match[1].lower(), int(match[2])
        if base not in sections:
            order.append((match[1], None))
        sections.setdefault(base, {}).setdefault(number, (match[3] == b"*", value))
    out: list[tuple[bytes, bytes]] = []
    for name, single in order:
        if single is not None:
            out.append((name, single))
            continue
        found = sections[name.lower()]
        run = [found[number] for number in range(len(found)) if number in found]
        if 0 not in found or len(run) < len(found):
            run = [found[number] for number in sorted(found)]  # a section is missing: what there is
        if not any(extended for extended, _ in run):
            out.append((name, b"".join([value for _, value in run])))
            continue
        octets = b"".join([value if extended else _NOT_PLAIN.sub(_to_percent, value) for extended, value in run])
        out.append((name + b"*", octets if run[0][0] else b"''" + octets))
    return out


def _to_percent(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match[0][0]


def parameters(of: Media) -> dict[str, str]:
    """Parameters decoded, by lower-case name: RFC 2231 sections joined, charsets and encoded words undone.

    The extended form wins over the plain one of the same name (RFC 6266 4.3 asks the same of HTTP).
    """
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    for name, value in joined(of.params):
        key = name.decode("latin-1").lower()
        if not key.endswith("*"):
            plain.setdefault(key, decode_words(value))
            continue
        charset = b""
        if value.count(b"'") >= 2:
            charset, _, value = value.split(b"'", 2)
        text = decode(_PERCENT.sub(_from_hex, value), charset.decode("latin-1"))
        extended.setdefault(key[:-1], clean_line(text))
    return plain | extended
