"""Hints between processes: "this box has changed", said after COMMIT, heard on the asyncio loop.

A hint that is lost costs time and never truth (promise 6), so a bus drops what it cannot send.  One bus belongs to
one owner database: datagrams between processes beside an SQLite file, LISTEN/NOTIFY on PostgreSQL.
"""

import asyncio
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from opostd.model.ids import BoxId, ModSeq, OwnerId
from opostd.model.records import BoxHint
from opostd.store.database import Database

EVERYTHING = BoxHint(OwnerId(0), BoxId(0), ModSeq(0))
"""Anything may have changed: after a gap, or where too much has changed to be named."""

Told = Callable[[Sequence[BoxHint]], None]

_HINT = struct.Struct(">QQQ")
SENDER_OCTETS = 8


class Bus(Protocol):
    """What carries hints to other processes."""

    async def start(self, loop: asyncio.AbstractEventLoop, told: Told) -> None:
        """Begins to hear; told is called on the loop.  May be called again, with another loop."""

    def publish(self, hints: Sequence[BoxHint]) -> None:
        """Tells the other processes; from any thread, without waiting for anybody, works without ``start`` too."""

    async def stop(self) -> None:
        """Ends hearing, on the loop of ``start``."""

    def close(self) -> None:
        """Sends what was published and frees everything; may be called again."""


def open_bus(database: Database) -> Bus:
    """The bus that fits the database."""
    from opostd.store.notify_postgres import PostgresBus
    from opostd.store.notify_sqlite import DatagramBus

    if database.is_sqlite:
        return DatagramBus(database.url.database)
    return PostgresBus(database.url)


def coalesced(hints: Iterable[BoxHint], most: int) -> list[BoxHint]:
    """Each box once, with its highest modseq; EVERYTHING when there are more than ``most``."""
    newest: dict[tuple[int, int], BoxHint] = {}
    for hint in hints:
        known = newest.get((hint.owner, hint.box))
        if known is None or known.modseq < hint.modseq:
            newest[hint.owner, hint.box] = hint
    return list(newest.values()) if len(newest) <= most else [EVERYTHING]


def packed(sender: bytes, hints: Iterable[BoxHint]) -> bytes:
    """The sender's 8 octets and 24 for each hint."""
    return sender + b"".join(_HINT.pack(hint.owner, hint.box, hint.modseq) for hint in hints)


def unpacked(message: bytes, own: bytes) -> list[BoxHint]:
    """The hints of a message; none of one's own; EVERYTHING where it makes no sense."""
    sender, rest = message[:SENDER_OCTETS], message[SENDER_OCTETS:]
    if sender == own:
        return []
    if len(sender) < SENDER_OCTETS or len(rest) % _HINT.size:
        return [EVERYTHING]
    return [BoxHint(OwnerId(owner), BoxId(box), ModSeq(modseq)) for owner, box, modseq in _HINT.iter_unpack(rest)]
