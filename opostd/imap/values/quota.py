"""What a user may have, and has (RFC 9208)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GetQuota:
    """root: as it is written; no root but ours is there."""

    root: bytes


@dataclass(frozen=True, slots=True)
class Resource:
    """name: as in QUOTA=RES-name.  usage, limit: in units of the resource (RFC 9208 5), 0 to 2**63-1."""

    name: bytes
    usage: int
    limit: int


@dataclass(frozen=True, slots=True)
class QuotaData:
    """``* QUOTA root (name usage limit ...)``; one resource at least."""

    root: bytes
    resources: tuple[Resource, ...]


@dataclass(frozen=True, slots=True)
class QuotaRoots:
    """``* QUOTAROOT mailbox root ...`` (RFC 9208 4.2.2)."""

    name: str
    roots: tuple[bytes, ...]
