"""COPY, MOVE and EXPUNGE: rows are made, moved and removed; posts are not touched (RFC 9051 6.4.3, 6.4.7, 6.4.8).

A copy into a box that has the post already is a second row all the same; only deliveries look for the post first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from opostd.model.flags import DELETED
from opostd.model.ids import BoxId, ModSeq, OwnerId, Uid
from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.delivery import INSERT
from opostd.store.locks import advance, lock
from opostd.store.run import Group, Tx, writes

_dp = schema.delivered_post


@dataclass(frozen=True, slots=True)
class Copied:
    """uidvalidity: of the target; pairs: UID in the source, UID in the target, both ascending."""

    uidvalidity: int
    pairs: tuple[tuple[Uid, Uid], ...]


@writes(Group.OWNER)
def copy(tx: Tx, owner: OwnerId, source: BoxId, target: BoxId, uids: Sequence[Uid], now: int) -> Copied:
    """Rows of these messages in another box of the owner, or in the same; all of them or none.

    Flags, keywords and INTERNALDATE stay; SAVEDATE is now.  UIDs that are gone are left out.  Raises NoSuchBox.
    """
    _lock_both(tx, owner, source, target)
    return _copied(tx, owner, source, target, uids, now)


@writes(Group.OWNER)
def move(tx: Tx, owner: OwnerId, source: BoxId, target: BoxId, uids: Sequence[Uid], now: int) -> Copied:
    """``copy``, and the messages leave the source; all of it or nothing.  Raises NoSuchBox."""
    _lock_both(tx, owner, source, target)
    copied = _copied(tx, owner, source, target, uids, now)
    _removed(tx, owner, source, [uid for uid, _ in copied.pairs], deleted_only=False)
    return copied


@writes(Group.OWNER)
def expunge(tx: Tx, owner: OwnerId, box: BoxId, uids: Sequence[Uid] | None, deleted_only: bool) -> list[Uid]:
    """Removes messages for good; the UIDs that are gone, ascending.

    uids: None is all; deleted_only: of these the ``\\Deleted``.  Raises NoSuchBox.
    """
    lock(tx, owner, box)
    return _removed(tx, owner, box, uids, deleted_only=deleted_only)


def _lock_both(tx: Tx, owner: OwnerId, source: BoxId, target: BoxId) -> None:
    for box in sorted({source, target}):
        lock(tx, owner, box)


def _copied(tx: Tx, owner: OwnerId, source: BoxId, target: BoxId, uids: Sequence[Uid], now: int) -> Copied:
    rows: list[sa.Row[*tuple[Any, ...]]] = []
    for page in chunks(uids):
        here = (_dp.c.owner_id == owner, _dp.c.box_id == source, _dp.c.uid.in_(page))
        rows += tx.execute(
            sa.select(_dp.c.uid, _dp.c.post_id, _dp.c.size, _dp.c.internaldate, _dp.c.bits, _dp.c.keywords).where(*here)
        ).all()
    rows.sort(key=lambda row: row.uid)
    if not rows:
        return Copied(lock(tx, owner, target).uidvalidity, ())
    taken = advance(tx, owner, target, uids=len(rows), modseqs=1)
    first = taken.uidnext - len(rows)
    new = [
        {
            "owner_id": owner,
            "box_id": target,
            "uid": uid,
            "modseq": taken.highestmodseq,
            "internaldate": row.internaldate,
            "savedate": now,
            "size": row.size,
            "bits": row.bits,
            "post_id": row.post_id,
            "keywords": row.keywords,
        }
        for uid, row in enumerate(rows, first)
    ]
    for page_of_rows in chunks(new):
        tx.execute(INSERT, page_of_rows)
    tx.hint(owner, target, taken.highestmodseq)
    return Copied(taken.uidvalidity, tuple((Uid(row.uid), Uid(uid)) for uid, row in enumerate(rows, first)))


def _removed(tx: Tx, owner: OwnerId, box: BoxId, uids: Sequence[Uid] | None, *, deleted_only: bool) -> list[Uid]:
    here = [_dp.c.owner_id == owner, _dp.c.box_id == box]
    if deleted_only:
        here.append(_dp.c.bits.bitwise_and(DELETED) != 0)
    gone: list[Uid] = []
    wanted = [here] if uids is None else [[*here, _dp.c.uid.in_(page)] for page in chunks(uids)]
    for conditions in wanted:
        gone += tx.execute(sa.delete(_dp).where(*conditions).returning(_dp.c.uid)).scalars()
    if not gone:
        return []
    gone.sort()
    modseq = advance(tx, owner, box, modseqs=1).highestmodseq
    remember_expunged(tx, owner, box, modseq, gone)
    tx.hint(owner, box, modseq)
    return gone


def remember_expunged(tx: Tx, owner: OwnerId, box: BoxId, modseq: ModSeq, uids: Sequence[Uid]) -> None:
    """For those who look later: these UIDs left with this change."""
    rows = [{"owner_id": owner, "box_id": box, "modseq": modseq, "uid": uid} for uid in uids]
    for page in chunks(rows):
        tx.execute(sa.insert(schema.expunged), page)
