"""The box lock: an UPDATE of the box's row, first of all statements of a transaction.

``UPDATE .. RETURNING`` and never ``SELECT .. FOR UPDATE``: on a distributed engine the latter breaks while a shard
moves (distributed.md 0.4).  The lock is held until COMMIT, so the UIDs that it hands out become visible in order.
Several boxes are locked in ascending (owner, box).
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from opostd.model.errors import LimitReached, NoSuchBox
from opostd.model.ids import BoxId, ModSeq, OwnerId, Uid
from opostd.model.records import Box
from opostd.store.run import Tx
from opostd.store.schema import account, box

LAST_UID = 2**32 - 1  # RFC 9051 2.3.1.1
NO_UIDS = "the mailbox has given all its UIDs: move its messages to a new one"

_COLUMNS = (
    box.c.owner_id, box.c.box_id, box.c.name, box.c.role, box.c.uidvalidity, box.c.uidnext, box.c.highestmodseq
)  # fmt: skip

BOX_COLUMNS = _COLUMNS
"""What ``box_of`` reads, in its order."""

_THIS_BOX = (box.c.owner_id == sa.bindparam("b_owner"), box.c.box_id == sa.bindparam("b_box"))
ADVANCE = (
    sa.update(box)
    .where(*_THIS_BOX)
    .values(
        uidnext=box.c.uidnext + sa.bindparam("b_uids"),
        highestmodseq=box.c.highestmodseq + sa.bindparam("b_modseqs"),
    )
    .returning(*_COLUMNS)
)
"""Of ``advance``, for whoever takes several boxes; a lock where the numbers are 0."""

GIVE_BACK = (
    sa.update(box)
    .where(*_THIS_BOX)
    .values(
        uidnext=box.c.uidnext + sa.bindparam("b_uids"),
        highestmodseq=box.c.highestmodseq + sa.bindparam("b_modseqs"),
        charged_octets=box.c.charged_octets + sa.bindparam("b_octets", type_=sa.BigInteger),
        charged_messages=box.c.charged_messages + sa.bindparam("b_messages", type_=sa.BigInteger),
    )
)
"""Of a box that is locked, where nothing is asked."""

CHARGE = GIVE_BACK.returning(
    *_COLUMNS,
    *(
        sa.select(limit).where(account.c.owner_id == sa.bindparam("b_owner")).scalar_subquery()
        for limit in (account.c.quota_octets, account.c.quota_messages)
    ),
)
"""Of ``charge``, for whoever charges several boxes: BOX_COLUMNS, and the account's own two limits."""

_READ = sa.select(*_COLUMNS).where(*_THIS_BOX)


def box_of(row: Any) -> Box:
    """The record of a row with BOX_COLUMNS."""
    owner, id_, name, role, uidvalidity, uidnext, highestmodseq = row
    return Box(OwnerId(owner), BoxId(id_), name, role, uidvalidity, Uid(uidnext), ModSeq(highestmodseq))


def read_box(tx: Tx, owner: OwnerId, box_id: BoxId) -> Box:
    """The box as it is, without its lock.  Raises NoSuchBox."""
    return the_box(tx.rows(*box_question(owner, box_id)))


def box_question(owner: OwnerId, box_id: BoxId) -> tuple[sa.Executable, dict[str, int]]:
    """What ``read_box`` asks, for whoever asks more with it; ``the_box`` is the answer."""
    return _READ, {"b_owner": owner, "b_box": box_id}


def the_box(rows: Sequence[tuple[Any, ...]]) -> Box:
    """The box that was asked for.  Raises NoSuchBox."""
    if not rows:
        raise NoSuchBox("no such mailbox")
    return box_of(rows[0])


def advance(tx: Tx, owner: OwnerId, box_id: BoxId, *, uids: int = 0, modseqs: int = 0) -> Box:
    """Takes the lock, and so many UIDs and modseqs; the box afterwards: its last ``uids`` UIDs are the caller's.

    Negative numbers give back what was taken in this transaction.  Raises NoSuchBox, and LimitReached rather than
    begin the UIDs anew.
    """
    rows = tx.rows(ADVANCE, {"b_owner": owner, "b_box": box_id, "b_uids": uids, "b_modseqs": modseqs})
    if not rows:
        raise NoSuchBox("no such mailbox")
    return checked_uids(box_of(rows[0]), uids)


def charge(
    tx: Tx, owner: OwnerId, box_id: BoxId, octets: int, messages: int, *, uids: int = 0, modseqs: int = 0
) -> tuple[Box, int | None, int | None]:
    """``advance``, and so many octets and messages more (or less) that count; and the account's own two limits."""
    given = {"b_uids": uids, "b_modseqs": modseqs, "b_octets": octets, "b_messages": messages}
    rows = tx.rows(CHARGE, {"b_owner": owner, "b_box": box_id, **given})
    if not rows:
        raise NoSuchBox("no such mailbox")
    *found, own_octets, own_messages = rows[0]
    return checked_uids(box_of(found), uids), own_octets, own_messages


def checked_uids(found: Box, uids: int) -> Box:
    """The box after so many UIDs were taken.  Raises LimitReached."""
    if uids > 0 and found.uidnext > LAST_UID:  # uidnext itself must be a number that a client can be told
        raise LimitReached(NO_UIDS)
    return found


def lock(tx: Tx, owner: OwnerId, box_id: BoxId) -> Box:
    """Takes the lock and changes nothing.  Raises NoSuchBox."""
    return advance(tx, owner, box_id)
