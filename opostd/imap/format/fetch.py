"""Pieces of FETCH responses: flags, dates, literals, section labels (RFC 9051 7.5.2, RFC 3501 7.4.2).

A full listing asks for these ten thousand times: flags without keywords come from a table, the day of a date from a
cache.
"""

import datetime
from functools import lru_cache

from opostd.imap.format.strings import astring, literal, string, utf8_string
from opostd.imap.values.fetch import Form, Section
from opostd.imap.values.responses import BoxFlags, FlagsChanged
from opostd.imap.wire.grammar import MONTHS
from opostd.model.flags import ALL_BITS, ALL_FLAGS, ANSWERED, DELETED, DRAFT, FLAG_NAMES, FLAGGED, SEEN

__all__ = [
    "WITHOUT_KEYWORDS",
    "flags_list",
    "flags_octets",
    "format_box_flags",
    "format_flags_changed",
    "internaldate_octets",
    "literal",
    "preview_octets",
    "section_label",
    "section_octets",
    "section_pieces",
]

ORDER = (ANSWERED, FLAGGED, DELETED, SEEN, DRAFT)  # RFC 3501's, in its examples
EPOCH = datetime.date(1970, 1, 1).toordinal()
DAY_S = 24 * 60 * 60
DAYS_KEPT = 8192  # about 22 years of mail, 100 octets each


def flags_list(bits: int, keywords: tuple[str, ...]) -> bytes:
    """``(\\Seen $Label1)``: system flags in RFC 3501's order, then keywords as they are given."""
    names = [FLAG_NAMES[bit] for bit in ORDER if bits & bit]
    names += [keyword.encode("ascii", "replace") for keyword in keywords]
    return b"(" + b" ".join(names) + b")"


WITHOUT_KEYWORDS = tuple(flags_list(bits, ()) for bits in range(ALL_BITS + 1))
"""By bits: the flags of a message without keywords."""


def flags_octets(bits: int, keywords: tuple[str, ...]) -> bytes:
    """As flags_list, for one message of many.  bits: 0 to ALL_BITS."""
    return WITHOUT_KEYWORDS[bits] if not keywords else _with_keywords(bits, keywords)


@lru_cache(maxsize=1024)  # a box has few combinations; 1,000 of the largest (64 keywords) are 6 MB
def _with_keywords(bits: int, keywords: tuple[str, ...]) -> bytes:
    return flags_list(bits, keywords)


@lru_cache(maxsize=DAYS_KEPT)
def _day(day: int) -> bytes:
    """``"17-Jul-1996 ``, the day of the month in two columns; days since 1970, of the years 1 to 9999."""
    date = datetime.date.fromordinal(day + EPOCH)
    return b'"%2d-%b-%04d ' % (date.day, MONTHS[date.month - 1], date.year)


_MINUTES = tuple(b"%02d:%02d:" % divmod(minute, 60) for minute in range(24 * 60))
_SECONDS = tuple(b'%02d +0000"' % second for second in range(60))


def internaldate_octets(seconds: int) -> bytes:
    """``"17-Jul-1996 09:44:25 +0000"``, quotes included.  seconds: since 1970 UTC."""
    day, second = divmod(seconds, DAY_S)
    return _day(day) + _MINUTES[second // 60] + _SECONDS[second % 60]


def section_label(section: Section) -> bytes:
    """``BODY[1.HEADER.FIELDS (Subject)]<0>``: a partial by its offset alone, and no PEEK (RFC 9051 7.5.2)."""
    words = [b"%d" % number for number in section.path]
    if section.text.value:
        words.append(section.text.value)
    label = b".".join(words)
    if section.fields:
        label += b" (" + b" ".join([astring(field) for field in section.fields]) + b")"
    partial = b"" if section.partial is None else b"<%d>" % section.partial[0]
    return section.form.value + b"[" + label + b"]" + partial


def section_pieces(section: Section, octets: bytes | None) -> tuple[bytes, bytes]:
    """The value as ``section_octets`` has it, but for BINARY.SIZE: what stands before the octets, and the octets."""
    if octets is None:
        return b"NIL", b""
    return b"%b{%d}\r\n" % (b"~" if section.form is Form.BINARY and b"\0" in octets else b"", len(octets)), octets


def section_octets(section: Section, octets: bytes | None) -> bytes:
    """The value beside a section's label: NIL where there is none, and what has NUL as a literal8 (RFC 3516 4.3)."""
    if section.form is Form.BINARY_SIZE:
        return b"%d" % (0 if octets is None else len(octets))
    return b"".join(section_pieces(section, octets))


def preview_octets(preview: str | None, utf8: bool = False) -> bytes:
    """A preview in UTF-8, or NIL where it is not there yet (RFC 8970 3.2, 3.3).  utf8: UTF-8 may be quoted."""
    if preview is None:
        return b"NIL"
    octets = preview.encode("utf-8", "replace")
    return utf8_string(octets) if utf8 else string(octets)


def format_flags_changed(change: FlagsChanged) -> bytes:
    flags = flags_octets(change.bits, change.keywords)
    modseq = b"" if change.modseq is None else b"MODSEQ (%d) " % change.modseq
    if change.number is None:
        return b"* %d UIDFETCH (%bFLAGS %b)\r\n" % (change.uid, modseq, flags)
    return b"* %d FETCH (UID %d %bFLAGS %b)\r\n" % (change.number, change.uid, modseq, flags)


def format_box_flags(flags: BoxFlags) -> bytes:
    return b"* FLAGS " + flags_list(ALL_FLAGS, flags.keywords) + b"\r\n"
