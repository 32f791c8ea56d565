"""A post as it leaves: what the way to our boxes has added is off, dots are doubled, and what it needs of a server.

Pure.  RFC 5321 4.4 (Return-Path), 4.5.2 (transparency), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8).  Deviation: a line of
more than 998 octets (4.5.3.1.6) goes as it is, for to cut it is to change the message; a server may refuse it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

_RETURN_PATH = re.compile(rb"return-path[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parcel:
    """size: octets before dots are doubled; stuffed: with the end mark.

    eight_bit: its body needs 8BITMIME; wide: its header needs SMTPUTF8.
    """

    size: int
    stuffed: bytes
    eight_bit: bool
    wide: bool


def parcel(raw: bytes, sign: Callable[[bytes], bytes] = lambda raw: raw) -> Parcel:
    """A post ready for DATA.  Line ends of mail that came by IMAP may be bare; SMTP has only CRLF (RFC 5321 2.3.8).

    sign: puts signatures on top of what leaves; the last that is done to it.
    """
    while (match := _RETURN_PATH.match(raw)) is not None:
        raw = raw[match.end() :]
    if raw.count(b"\n") != raw.count(b"\r\n") or raw.count(b"\r") != raw.count(b"\r\n"):
        raw = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    if not raw.endswith(b"\r\n"):
        raw += b"\r\n"
    raw = sign(raw)
    end = raw.find(b"\r\n\r\n")
    header = raw if end < 0 else raw[:end]
    stuffed = raw.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return Parcel(len(raw), stuffed + b".\r\n", not raw.isascii(), not header.isascii())
