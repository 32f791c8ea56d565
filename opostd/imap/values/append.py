"""APPEND: messages for a box, one or several (RFC 9051 6.3.12; MULTIAPPEND: RFC 3502), or put together (CATENATE:
RFC 4469).  REPLACE: RFC 8508.
"""

from dataclasses import dataclass

from opostd.imap.values.fetch import Section
from opostd.imap.values.sets import SequenceSet
from opostd.model.flags import Flags


@dataclass(frozen=True, slots=True)
class Url:
    """A message, or a part of one, by its IMAP URL as it is written (RFC 5092)."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Catenate:
    """A message to be put together from texts and from what is here already (RFC 4469)."""

    parts: tuple[bytes | Url, ...]


@dataclass(frozen=True, slots=True)
class NewMessage:
    """internaldate: seconds since 1970 UTC, or None.  content: the message as it came, or what it is made of.

    utf8: it came as UTF8 data, for its header is UTF-8 (RFC 6855 4).
    """

    flags: Flags
    internaldate: int | None
    content: bytes | Catenate
    utf8: bool = False


@dataclass(frozen=True, slots=True)
class MessageUrl:
    """What a URL says.  name: of the box, or None for the selected one.  uidvalidity: None where it is not said."""

    name: str | None
    uidvalidity: int | None
    uid: int
    section: Section


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
