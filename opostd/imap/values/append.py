"""APPEND: messages for a box, one or several (RFC 9051 6.3.12; MULTIAPPEND: RFC 3502).  REPLACE: RFC 8508."""

from dataclasses import dataclass

from opostd.imap.values.sets import SequenceSet
from opostd.model.flags import Flags


@dataclass(frozen=True, slots=True)
class NewMessage:
    """internaldate: seconds since 1970 UTC, or None.  octets: the message as it came.  utf8: it came as UTF8 data,
    for its header is UTF-8 (RFC 6855 4)."""

    flags: Flags
    internaldate: int | None
    octets: bytes
    utf8: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """messages: one or more; they go in in this order, all of them or none."""

    name: str
    messages: tuple[NewMessage, ...]


@dataclass(frozen=True, slots=True)
class Replace:
    """number: of the one message that goes; the new one comes into the box ``name``."""

    number: SequenceSet
    name: str
    message: NewMessage
    by_uid: bool
