"""One reader's subscriptions: looked at, pointed at another box, given history.

``joined`` is the source's UID after which a reader has everything; ``watermark`` the one up to which it is carried.
History, the posts from before, is carried from the newest page to the oldest, and ``joined`` goes down with each
page: so it may be asked for later, breaks off without harm, and what the reader has deleted does not come back.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, PostId, Uid
from opostd.model.records import Source, Subscription
from opostd.store import schema
from opostd.store.by_post import is_post
from opostd.store.carrying import put
from opostd.store.dialect import insert_new
from opostd.store.locks import advance, lock
from opostd.store.newcomers import From, start_uid, subscribe
from opostd.store.run import Group, Tx, reads, writes
from opostd.store.sourcing import of_target
from opostd.store.sync import PAGE, carry, forget

_dp, _sub = schema.delivered_post, schema.subscription


@reads(Group.OWNER)
def of_owner(tx: Tx, owner: OwnerId) -> list[Subscription]:
    """All subscriptions of an owner, by target and source."""
    rows = tx.execute(
        sa.select(_sub.c.owner_id, _sub.c.target_box, _sub.c.source_box, _sub.c.joined, _sub.c.watermark)
        .where(_sub.c.owner_id == owner)
        .order_by(_sub.c.target_box, _sub.c.source_box)
    )
    return [Subscription(OwnerId(a), BoxId(b), BoxId(c), Uid(d), Uid(e)) for a, b, c, d, e in rows]


@reads(Group.OWNER)
def pending(tx: Tx, each: Subscription) -> tuple[int, int | None]:
    """How many posts of the source are still to be carried, and when the oldest of them came."""
    count, oldest = tx.execute(
        sa.select(sa.func.count(), sa.func.min(_dp.c.internaldate))
        .select_from(_dp)
        .where(_dp.c.owner_id == SYSTEM_OWNER, _dp.c.box_id == each.source, _dp.c.uid > each.watermark)
    ).one()
    return count, oldest


@reads(Group.OWNER)
def ways(tx: Tx, owner: OwnerId, post: PostId, known: Sequence[Source]) -> list[tuple[Source, Uid]]:
    """The sources by which a post reached, or will reach, an owner; known: all sources."""
    by_box = {source.box: source for source in known}
    held = tx.execute(
        sa.select(_dp.c.box_id, _dp.c.uid).where(_dp.c.owner_id == SYSTEM_OWNER, is_post(post)).order_by(_dp.c.box_id)
    )
    joined = {each.source: each.joined for each in of_owner(tx, owner)}
    return [
        (by_box[BoxId(box)], Uid(uid))
        for box, uid in held
        if BoxId(box) in joined and uid > joined[BoxId(box)] and BoxId(box) in by_box
    ]


@writes(Group.OWNER)
def begin(tx: Tx, owner: OwnerId, target: BoxId, source: BoxId, since: From | None, now: int) -> None:
    """A subscription of this box; one that is there keeps its points.  since: None is the source's policy.

    Raises NoSuchBox.
    """
    box = lock(tx, owner, target)
    subscribe(tx, owner, target, [source], now, since)
    tx.hint(owner, target, box.highestmodseq)


@writes(Group.OWNER)
def history_step(tx: Tx, owner: OwnerId, target: BoxId, source: BoxId, since: From, now: int) -> tuple[int, bool]:
    """A page of posts from before the reader joined, the newest of them; how many, and whether there are more.

    now: their SAVEDATE.  Raises NoSuchBox.
    """
    advance(tx, owner, target, modseqs=1)  # the lock
    found = [each for each in of_target(tx, owner, target) if each.source == source]
    start = start_uid(tx, source, since)
    if not found or start >= found[0].joined:
        advance(tx, owner, target, modseqs=-1)
        return 0, False
    rows = tx.execute(
        sa.select(_dp.c.uid, _dp.c.post_id, _dp.c.size, _dp.c.internaldate)
        .where(_dp.c.owner_id == SYSTEM_OWNER, _dp.c.box_id == source, _dp.c.uid > start, _dp.c.uid <= found[0].joined)
        .order_by(_dp.c.uid.desc())
        .limit(PAGE)
    ).all()
    more = len(rows) == PAGE
    joined = rows[-1].uid - 1 if more else start
    tx.execute(
        sa.update(_sub)
        .where(_sub.c.owner_id == owner, _sub.c.target_box == target, _sub.c.source_box == source)
        .values(joined=joined)
    )
    return put(tx, owner, target, {PostId(row.post_id): (row.size, row.internaldate) for row in rows[::-1]}, now), more


@writes(Group.OWNER)
def move_step(tx: Tx, owner: OwnerId, old: BoxId, new: BoxId, source: BoxId, now: int) -> bool:
    """Carries a page into the old box; with the last one the subscription points at the new box.  Whether it does.

    What is in the old box stays there.  Raises NoSuchBox.
    """
    for box in sorted({old, new}):
        lock(tx, owner, box)
    if carry(tx, owner, old, now, source).more:
        return False
    found = [each for each in of_target(tx, owner, old) if each.source == source]
    forget(tx, owner, old, source)
    for each in found:
        row = {
            "owner_id": owner,
            "target_box": new,
            "source_box": source,
            "joined": each.joined,
            "watermark": each.watermark,
        }
        insert_new(tx, _sub, [row])
    tx.hint(owner, new, 0)
    return True
