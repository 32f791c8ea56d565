"""A box as it is, and what has happened in it since a modseq.

The row of the box is read before the rows in it: a change that comes between is seen with a modseq above the box's,
and seen again by the next look, so nothing is missed (imap/state/snapshot.py relies on it).  ``expunged`` is never
trimmed, so ``since`` may be any earlier modseq of the box, 0 for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from opostd.model.ids import BoxId, ModSeq, OwnerId, PostId, Uid
from opostd.model.records import Box, DeliveredPost
from opostd.store import schema
from opostd.store.bulk import modseq_rows
from opostd.store.database import chunks
from opostd.store.locks import read_box
from opostd.store.run import Group, Tx, reads

_dp, _gone = schema.delivered_post, schema.expunged
_IN_BOX = (_dp.c.owner_id == sa.bindparam("owner"), _dp.c.box_id == sa.bindparam("box"))
_ROWS = sa.select(
    _dp.c.uid, _dp.c.modseq, _dp.c.post_id, _dp.c.bits, _dp.c.keywords, _dp.c.internaldate, _dp.c.savedate, _dp.c.size
).where(*_IN_BOX, _dp.c.modseq > sa.bindparam("since")).order_by(_dp.c.uid)  # fmt: skip
_SAVEDATES = sa.select(_dp.c.uid, _dp.c.savedate).where(
    *_IN_BOX, _dp.c.uid >= sa.bindparam("first"), _dp.c.uid <= sa.bindparam("last")
)
_POST = sa.select(_dp.c.post_id).where(*_IN_BOX, _dp.c.uid == sa.bindparam("uid"))
_GONE = (
    sa.select(_gone.c.uid)
    .where(
        _gone.c.owner_id == sa.bindparam("owner"),
        _gone.c.box_id == sa.bindparam("box"),
        _gone.c.modseq > sa.bindparam("since"),
    )
    .order_by(_gone.c.uid)
)


@dataclass(frozen=True, slots=True)
class Changes:
    """rows: new and changed messages by ascending UID; gone: UIDs that have left.  A UID in both has left."""

    box: Box
    rows: tuple[DeliveredPost, ...]
    gone: tuple[Uid, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """rows: all messages by ascending UID."""

    box: Box
    rows: tuple[DeliveredPost, ...]


@reads(Group.OWNER)
def changes(tx: Tx, owner: OwnerId, box: BoxId, since: ModSeq) -> Changes:
    """What has happened since; nothing more than the box is read when nothing has.  Raises NoSuchBox."""
    found = read_box(tx, owner, box)
    if found.highestmodseq <= since:
        return Changes(found, (), ())
    rows = _delivered(tx, owner, box, since)
    return Changes(found, rows, tuple(gone(tx, owner, box, since)))


@reads(Group.OWNER)
def savedates(tx: Tx, owner: OwnerId, box: BoxId, first: int, last: int) -> dict[int, int]:
    """When the messages from one UID to another were put into this box, by UID: few ask for it (RFC 8514)."""
    rows = tx.execute(_SAVEDATES, {"owner": owner, "box": box, "first": first, "last": last})
    return {uid: saved for uid, saved in rows}


@reads(Group.OWNER)
def gone(tx: Tx, owner: OwnerId, box: BoxId, since: ModSeq) -> list[Uid]:
    """The UIDs that have left a box since, ascending."""
    return [Uid(row[0]) for row in tx.rows(_GONE, {"owner": owner, "box": box, "since": since})]


@reads(Group.OWNER)
def post_of(tx: Tx, owner: OwnerId, box: BoxId, uid: Uid) -> PostId | None:
    """The post under one UID, or None where the box has it not."""
    found = tx.execute(_POST, {"owner": owner, "box": box, "uid": uid}).scalar()
    return None if found is None else PostId(found)


@reads(Group.OWNER)
def modseqs(tx: Tx, keys: Sequence[tuple[OwnerId, BoxId]]) -> dict[tuple[OwnerId, BoxId], ModSeq]:
    """The highest modseq of each of these boxes, in few statements; one that is gone is left out."""
    found: dict[tuple[OwnerId, BoxId], ModSeq] = {}
    for page in chunks(keys):
        rows = modseq_rows(tx, page)
        found |= {(OwnerId(owner), BoxId(id_)): ModSeq(modseq) for owner, id_, modseq in rows}
    return found


@reads(Group.OWNER)
def listing(tx: Tx, owner: OwnerId, box: BoxId) -> Listing:
    """The whole box, row by row.  Raises NoSuchBox."""
    found = read_box(tx, owner, box)
    return Listing(found, _delivered(tx, owner, box, ModSeq(0)))


def _delivered(tx: Tx, owner: OwnerId, box: BoxId, since: ModSeq) -> tuple[DeliveredPost, ...]:
    rows = _fetched(tx.execute(_ROWS, {"owner": owner, "box": box, "since": since}))
    return tuple(
        DeliveredPost(Uid(uid), ModSeq(modseq), PostId(post), bits, tuple(keywords.split()), internal, saved, size)
        for uid, modseq, post, bits, keywords, internal, saved, size in rows
    )


def _fetched(result: "sa.CursorResult[*tuple[Any, ...]]") -> Sequence[Sequence[Any]]:
    """The driver's own tuples: no type in them needs a conversion, and Row objects cost as much as the query."""
    assert result.cursor is not None
    rows: Sequence[Sequence[Any]] = result.cursor.fetchall()
    result.close()
    return rows
