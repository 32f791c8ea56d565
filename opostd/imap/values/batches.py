"""UIDBATCHES (RFC 10022): ranges of UIDs that part a mailbox into batches of as many messages."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UidBatches:
    """size: messages in a batch.  batches: the first and the last that are asked for, from 1; None is all."""

    size: int
    batches: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class BatchData:
    """``* UIDBATCHES (TAG "a") high:low,...``: descending, of all UIDs from the highest that is there down to 1."""

    tag: bytes
    ranges: tuple[tuple[int, int], ...]
