"""Posts that nobody holds any more, removed in two passes (distributed.md 3).

A pass takes posts of a certain age in pages, asks the owners which of them are in a box, and the spool which are on
their way.  What nobody has is noted; a later pass that finds the same removes it.  Between the passes lies more time
than any row can be on its way from one box to another::

    ids = candidates(before, after, 100)
    ids -= referenced(ids)             # the one statement that goes over all owners
    note(ids, now)                     # first pass; forgets what is referenced again
    remove(ids, noted_before=now - GAP_S)   # second pass
"""

from collections.abc import Sequence

import sqlalchemy as sa

from opostd.model.ids import PostId
from opostd.store import schema, search_index
from opostd.store.by_post import among, is_among
from opostd.store.database import chunks
from opostd.store.dialect import insert_new
from opostd.store.run import Group, Tx, reads, writes

PAGE = 100
GAP_S = 24 * 3600

_post, _spool, _outgoing, _reap, _dp = schema.post, schema.spool, schema.outgoing, schema.reap, schema.delivered_post
_aside = schema.set_aside
_ASIDE = sa.select(_aside.c.post_id).where(_aside.c.post_id.in_(sa.bindparam("ids", expanding=True))).distinct()
_DELIVERED = {dialect: sa.select(_dp.c.post_id).where(which).distinct() for dialect, which in is_among().items()}


def oldest_id_after(seconds: int) -> PostId:
    """The smallest UUIDv7 of that moment: ids sort by the time of acceptance (RFC 9562 5.7)."""
    return PostId((seconds * 1000).to_bytes(6, "big") + bytes(10))


@reads(Group.POST)
def candidates(tx: Tx, before: int, after: PostId | None = None, limit: int = PAGE) -> list[PostId]:
    """Posts accepted before that time, by id from ``after`` on."""
    conditions = [_post.c.id < oldest_id_after(before)]
    if after is not None:
        conditions.append(_post.c.id > after)
    ids = tx.execute(sa.select(_post.c.id).where(*conditions).order_by(_post.c.id).limit(limit)).scalars().all()
    return [PostId(id_) for id_ in ids]


@reads(Group.OWNER)
def referenced(tx: Tx, ids: Sequence[PostId]) -> set[PostId]:
    """Those of the posts that are in some box, a source's too, or set aside for one."""
    found: set[PostId] = set()
    for page in chunks(ids):
        for query, asked in ((_DELIVERED[tx.dialect], among(tx.dialect, page)), (_ASIDE, {"ids": list(page)})):
            found.update(PostId(id_) for id_ in tx.execute(query, asked).scalars())
    return found


@writes(Group.POST)
def note(tx: Tx, unreferenced: Sequence[PostId], in_use: Sequence[PostId], now: int) -> None:
    """Remembers since when a post is in no box; forgets it where it is in one again."""
    for page in chunks(in_use):
        tx.execute(sa.delete(_reap).where(_reap.c.post_id.in_(page)))
    for page in chunks(_not_spooled(tx, unreferenced)):
        insert_new(tx, _reap, [{"post_id": id_, "found": now} for id_ in page])


@reads(Group.POST)
def ripe(tx: Tx, unreferenced: Sequence[PostId], noted_before: int) -> list[PostId]:
    """Those of the posts that ``remove`` would delete."""
    found: list[PostId] = []
    for page in chunks(_not_spooled(tx, unreferenced)):
        noted = tx.execute(sa.select(_reap.c.post_id).where(_reap.c.post_id.in_(page), _reap.c.found < noted_before))
        found += [PostId(id_) for id_ in noted.scalars()]
    return found


@writes(Group.POST)
def remove(tx: Tx, unreferenced: Sequence[PostId], noted_before: int) -> list[PostId]:
    """Deletes those posts that were noted before that time, and wait for nobody; which those are."""
    gone: list[PostId] = []
    for page in chunks(_not_spooled(tx, unreferenced)):
        noted = tx.execute(
            sa.delete(_reap).where(_reap.c.post_id.in_(page), _reap.c.found < noted_before).returning(_reap.c.post_id)
        )
        ids = [PostId(id_) for id_ in noted.scalars()]
        search_index.forget(tx, ids)
        tx.execute(sa.delete(schema.reached).where(schema.reached.c.post_id.in_(ids)))
        for table in (schema.post_body, schema.post):
            tx.execute(sa.delete(table).where(table.c.id.in_(ids)))
        gone += ids
    return gone


def _not_spooled(tx: Tx, ids: Sequence[PostId]) -> list[PostId]:
    waiting: set[bytes] = set()
    for page in chunks(ids):
        for table in (_spool, _outgoing, schema.held):
            waiting.update(tx.execute(sa.select(table.c.post_id).where(table.c.post_id.in_(page))).scalars())
    return [id_ for id_ in ids if id_ not in waiting]
