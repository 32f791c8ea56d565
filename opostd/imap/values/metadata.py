"""GETMETADATA, SETMETADATA and what they answer (RFC 5464)."""

from dataclasses import dataclass
from enum import Enum


class Depth(Enum):
    """How far below the entries that are named (RFC 5464 4.2.2)."""

    ENTRY = b"0"
    CHILDREN = b"1"
    ALL = b"INFINITY"


@dataclass(frozen=True, slots=True)
class GetMetadata:
    """name: of a mailbox, empty for the server.  entries: in lower case.  max_octets: of a value, or None."""

    name: str
    entries: tuple[str, ...]
    depth: Depth = Depth.ENTRY
    max_octets: int | None = None


@dataclass(frozen=True, slots=True)
class SetMetadata:
    """values: entry, in lower case, and its value; None: there is none any more."""

    name: str
    values: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class MetadataChanged:
    """``* METADATA mailbox entry entry ...``: these have changed, or are no more (RFC 5464 4.4.2)."""

    name: str
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetadataData:
    """``* METADATA mailbox (entry value ...)``; one at least.  None: the entry has no value."""

    name: str
    values: tuple[tuple[str, bytes | None], ...]
