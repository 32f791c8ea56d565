"""How far posts had come at some earlier time: counts of ``store.reach``, kept now and then by one process of all.

The times of a post lie further and further apart: an hour after it was posted, two, four, and so on.  So a curve is
some ten rows, whatever the number of readers, and who reads or deletes never waits for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields

import sqlalchemy as sa

from opostd.model.ids import SYSTEM_OWNER, BoxId, PostId, Uid
from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.dialect import insert_new
from opostd.store.reach import HOUR_S, Reach
from opostd.store.run import Group, Tx, reads, writes

PAGE = 500

_dp, _reached = schema.delivered_post, schema.reached
_NAMES = [each.name for each in fields(Reach)]


@dataclass(frozen=True, slots=True)
class Posted:
    """A post in a source.  posted: when it came there."""

    source: BoxId
    uid: Uid
    post: PostId
    posted: int


@reads(Group.OWNER)
def posted_since(tx: Tx, since: int, after: Posted | None = None) -> list[Posted]:
    """A page of what came into sources from that time on, by source and UID from ``after`` on."""
    here = sa.tuple_(_dp.c.box_id, _dp.c.uid) > (-1, 0) if after is None else (
        sa.tuple_(_dp.c.box_id, _dp.c.uid) > (after.source, after.uid)
    )  # fmt: skip
    rows = tx.execute(
        sa.select(_dp.c.box_id, _dp.c.uid, _dp.c.post_id, _dp.c.savedate)
        .where(_dp.c.owner_id == SYSTEM_OWNER, here, _dp.c.savedate >= since)
        .order_by(_dp.c.box_id, _dp.c.uid)
        .limit(PAGE)
    )
    return [Posted(BoxId(box), Uid(uid), PostId(post), savedate) for box, uid, post, savedate in rows]


@reads(Group.POST)
def last(tx: Tx, ids: Sequence[PostId]) -> dict[PostId, int]:
    """When each of these was last counted; those that never were are left out."""
    found: dict[PostId, int] = {}
    for page in chunks(ids):
        rows = tx.execute(
            sa.select(_reached.c.post_id, sa.func.max(_reached.c.at))
            .where(_reached.c.post_id.in_(page))
            .group_by(_reached.c.post_id)
        )
        found.update((PostId(post), at) for post, at in rows)
    return found


def due(rows: Sequence[Posted], last: Mapping[PostId, int], now: int) -> list[PostId]:
    """Those that are to be counted now: at twice the age at which they were counted last."""
    first: dict[PostId, int] = {}
    for each in rows:
        first[each.post] = min(each.posted, first.get(each.post, each.posted))
    return [
        post
        for post, posted in first.items()
        if now - posted >= (2 * (last[post] - posted) if post in last else HOUR_S) and now > last.get(post, 0)
    ]


@writes(Group.POST)
def keep(tx: Tx, post: PostId, at: int, counts: Reach) -> None:
    """What was counted at that time."""
    values = dict(zip(_NAMES, astuple(counts), strict=True))
    insert_new(tx, _reached, [{"post_id": post, "at": at, **values}])


@reads(Group.POST)
def of_post(tx: Tx, post: PostId) -> list[tuple[int, Reach]]:
    """What was counted of a post, by time."""
    columns = [_reached.c[name] for name in _NAMES]
    rows = tx.execute(
        sa.select(_reached.c.at, *columns).where(_reached.c.post_id == post).order_by(_reached.c.at)
    )  # fmt: skip
    return [(at, Reach(*counts)) for at, *counts in rows]
