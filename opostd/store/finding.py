"""Messages of one owner found without a look at the whole box: the newest of a box, and the rows of one post."""

import sqlalchemy as sa

from opostd.model.flags import SEEN
from opostd.model.ids import BoxId, ModSeq, OwnerId, PostId, Uid
from opostd.model.records import DeliveredPost
from opostd.store import schema
from opostd.store.by_post import is_post
from opostd.store.run import Group, Tx, reads

_dp = schema.delivered_post
_COLUMNS = (
    _dp.c.uid, _dp.c.modseq, _dp.c.post_id, _dp.c.bits, _dp.c.keywords, _dp.c.internaldate, _dp.c.savedate, _dp.c.size,
)  # fmt: skip


def _row(
    uid: int, modseq: int, post: bytes, bits: int, keywords: str, date: int, saved: int, size: int
) -> DeliveredPost:
    return DeliveredPost(Uid(uid), ModSeq(modseq), PostId(post), bits, tuple(keywords.split()), date, saved, size)


@reads(Group.OWNER)
def newest(
    tx: Tx, owner: OwnerId, box: BoxId, *, before: int | None, limit: int, unread: bool = False
) -> list[DeliveredPost]:
    """Messages of a box by descending UID, below ``before`` if given, at most so many."""
    query = sa.select(*_COLUMNS).where(_dp.c.owner_id == owner, _dp.c.box_id == box)
    if before is not None:
        query = query.where(_dp.c.uid < before)
    if unread:
        query = query.where(_dp.c.bits.bitwise_and(SEEN) == 0)
    return [_row(*row) for row in tx.execute(query.order_by(_dp.c.uid.desc()).limit(limit))]


@reads(Group.OWNER)
def of_post(tx: Tx, owner: OwnerId, post: PostId) -> list[tuple[BoxId, DeliveredPost]]:
    """The rows that an owner has of a post, by box and UID.

    A broadcast has as many rows as readers: on SQLite, which does not know that, the owner's own are gone through.
    """
    same = is_post(post)
    if tx.dialect == "sqlite":
        same = sa.func.coalesce(_dp.c.post_id, _dp.c.post_id) == post  # no index has this
    rows = tx.execute(
        sa.select(_dp.c.box_id, *_COLUMNS).where(_dp.c.owner_id == owner, same).order_by(_dp.c.box_id, _dp.c.uid)
    )
    return [(BoxId(box), _row(*row)) for box, *row in rows]
