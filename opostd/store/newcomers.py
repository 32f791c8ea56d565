"""What somebody who joins a source is given: everything from a point on, and what is pinned from before.

The point is the source's own UID under its lock's order, so that nothing falls between joining and posting.  What is
pinned comes at once, under the lock of the box; a box that has it already does not get it twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.errors import LimitReached, NoSuchPost
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, PostId, Uid
from opostd.store import schema
from opostd.store.carrying import put
from opostd.store.dialect import insert_new, inserted
from opostd.store.locks import advance
from opostd.store.run import Group, Tx, reads, writes
from opostd.store.sourcing import last_uid

MAX_PINNED = 50  # in a source: each newcomer gets them in one transaction, and nobody reads more than that at first
FROM_JOIN = -1  # ``source.history``; otherwise the time of the first post that newcomers get, 0 for all

_dp, _sub, _pinned, _source = schema.delivered_post, schema.subscription, schema.pinned, schema.source


@dataclass(frozen=True, slots=True)
class From:
    """Where a subscription begins.  uid: after it; date: the first post that is not older; neither: now."""

    uid: Uid | None = None
    date: int | None = None


NOW = From()
START = From(uid=Uid(0))


def start_uid(tx: Tx, source: BoxId, begin: From) -> Uid:
    """The source's UID after which a subscription that begins there has everything."""
    last = last_uid(tx, SYSTEM_OWNER, source) or Uid(0)
    if begin.uid is not None:
        return min(begin.uid, last)
    if begin.date is None:
        return last
    first = tx.execute(
        sa.select(sa.func.min(_dp.c.uid)).where(
            _dp.c.owner_id == SYSTEM_OWNER, _dp.c.box_id == source, _dp.c.internaldate >= begin.date
        )
    ).scalar()
    return last if first is None else Uid(first - 1)


def subscribe(
    tx: Tx, owner: OwnerId, target: BoxId, sources: Sequence[BoxId], now: int, since: From | None = None
) -> None:
    """Subscriptions of a box; those that are there stay as they are.  To be called under the box's lock.

    since: None is what each source's policy says.  A source that is still to be made has given no UID yet.
    """
    for each in sources:
        start = start_uid(tx, each, _policy(tx, each) if since is None else since)
        row = {
            "owner_id": owner,
            "target_box": target,
            "source_box": each,
            "joined": start,
            "watermark": start,
        }
        if inserted(tx, _sub, row) and start:
            _give_pinned(tx, owner, target, each, start, now)


def _policy(tx: Tx, source: BoxId) -> From:
    since = tx.execute(
        sa.select(_source.c.history).where(_source.c.owner_id == SYSTEM_OWNER, _source.c.box_id == source)
    ).scalar()
    if since is None or since == FROM_JOIN:
        return NOW
    return From(date=since) if since else START


def _give_pinned(tx: Tx, owner: OwnerId, target: BoxId, source: BoxId, until: Uid, now: int) -> None:
    """What is pinned up to this UID; what is after it comes with the rest."""
    uids = [uid for uid in _pins(tx, source) if uid <= until]
    if not uids:
        return
    rows = tx.execute(
        sa.select(_dp.c.post_id, _dp.c.size, _dp.c.internaldate)
        .where(_dp.c.owner_id == SYSTEM_OWNER, _dp.c.box_id == source, _dp.c.uid.in_(uids))
        .order_by(_dp.c.uid)
    )
    posts = {PostId(post): (size, internaldate) for post, size, internaldate in rows}
    advance(tx, owner, target, modseqs=1)
    put(tx, owner, target, posts, now)


@reads(Group.OWNER)
def pins(tx: Tx, source: BoxId) -> list[Uid]:
    """The UIDs of what is pinned, ascending; the post of one may have left the source."""
    return _pins(tx, source)


def _pins(tx: Tx, source: BoxId) -> list[Uid]:
    rows = tx.execute(
        sa.select(_pinned.c.uid)
        .where(_pinned.c.owner_id == SYSTEM_OWNER, _pinned.c.source_box == source)
        .order_by(_pinned.c.uid)
    )
    return [Uid(uid) for uid in rows.scalars()]


@writes(Group.OWNER)
def pin(tx: Tx, source: BoxId, uid: Uid) -> None:
    """Newcomers get this post of a source, too.  Raises NoSuchPost, LimitReached."""
    here = (_dp.c.owner_id == SYSTEM_OWNER, _dp.c.box_id == source, _dp.c.uid == uid)
    if tx.execute(sa.select(_dp.c.uid).where(*here)).first() is None:
        raise NoSuchPost(f"there is no post #{uid} in the group")
    known = _pins(tx, source)
    if uid not in known and len(known) >= MAX_PINNED:
        raise LimitReached(f"a group has at most {MAX_PINNED} pinned posts")
    insert_new(tx, _pinned, [{"owner_id": SYSTEM_OWNER, "source_box": source, "uid": uid}])


@writes(Group.OWNER)
def unpin(tx: Tx, source: BoxId, uid: Uid) -> None:
    """Who joins later does not get it any more; who has it keeps it.  No error where it was not pinned."""
    tx.execute(
        sa.delete(_pinned).where(
            _pinned.c.owner_id == SYSTEM_OWNER, _pinned.c.source_box == source, _pinned.c.uid == uid
        )
    )


@writes(Group.OWNER)
def set_history(tx: Tx, source: BoxId, since: int) -> None:
    """What newcomers get from now on: FROM_JOIN, or posts from that time on.  Nobody's mail is moved."""
    tx.execute(
        sa.update(_source).where(_source.c.owner_id == SYSTEM_OWNER, _source.c.box_id == source).values(history=since)
    )
