"""The METADATA response, with values or without (RFC 5464 4.4.1, 4.4.2, 5)."""

import re

from opostd.imap.format.strings import literal, mailbox, string
from opostd.imap.values.metadata import MetadataChanged, MetadataData

_PLAIN = re.compile(rb"[A-Za-z0-9/._-]+")


def format_metadata(data: MetadataData, utf8: bool = False) -> bytes:
    """Values as strings; with NUL in them as literal8; NIL where there is none."""
    values = b" ".join([b"%b %b" % (_entry(entry.encode("ascii")), _value(value)) for entry, value in data.values])
    return b"* METADATA %b (%b)\r\n" % (mailbox(data.name, utf8), values)


def format_metadata_changed(data: MetadataChanged, utf8: bool = False) -> bytes:
    """Names of entries alone."""
    entries = b" ".join([_entry(entry.encode("ascii")) for entry in data.entries])
    return b"* METADATA %b %b\r\n" % (mailbox(data.name, utf8), entries)


def _entry(name: bytes) -> bytes:
    return name if _PLAIN.fullmatch(name) else string(name)


def _value(value: bytes | None) -> bytes:
    if value is None:
        return b"NIL"
    return b"~" + literal(value) if b"\0" in value else string(value)
