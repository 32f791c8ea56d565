"""Posts of sources that somebody has deleted for good without having read them: what ``store.reach`` tells of them.

A row is written where the message itself goes, in the same transaction, and only for such a message: whoever deletes
what they have read, or their own mail, pays nothing.  Moving is not deleting; what is taken back or ends is not
deleted by its reader.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from opostd.model.flags import SEEN, UNCHARGED
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, PostId
from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.ranges import IN_BOX, ONE_RANGE
from opostd.store.run import Group, Tx, writes

_dp, _dismissed = schema.delivered_post, schema.dismissed
UNREAD = _dp.c.bits.bitwise_and(SEEN | UNCHARGED) == UNCHARGED
"""As ``counts``, but for the owner."""
_ROW = ("owner_id", "post_id")


def _note(*where: sa.ColumnElement[bool]) -> dict[str, sa.Executable]:
    """By dialect: notes those of the messages that count."""
    rows = sa.select(_dp.c.owner_id, sa.type_coerce(_dp.c.post_id, sa.types.NULLTYPE)).where(*where, UNREAD)
    return {
        name: dialect.insert(_dismissed).from_select(_ROW, rows).on_conflict_do_nothing()
        for name, dialect in (("postgresql", postgresql), ("sqlite", sqlite))
    }


_RANGE, _BOX = _note(*ONE_RANGE), _note(*IN_BOX)


def counts(owner: OwnerId, bits: int) -> bool:
    """Whether a message with these bits is to be noted when it goes."""
    return bits & (SEEN | UNCHARGED) == UNCHARGED and owner != SYSTEM_OWNER


def note(tx: Tx, ranges: Sequence[Mapping[str, Any]]) -> None:
    """Messages that are about to go.  ranges: of UIDs of a box, parameters of ``ONE_RANGE``."""
    tx.count_many(_RANGE[tx.dialect], ranges)


def note_box(tx: Tx, owner: OwnerId, box: BoxId) -> None:
    """All messages of a box that is about to go."""
    if owner != SYSTEM_OWNER:
        tx.count(_BOX[tx.dialect], {"owner": owner, "box": box})


@writes(Group.OWNER)
def forget(tx: Tx, ids: Sequence[PostId]) -> None:
    """Of posts that nobody has any more nothing is told."""
    for page in chunks(ids):
        tx.execute(sa.delete(_dismissed).where(_dismissed.c.post_id.in_(page)))
