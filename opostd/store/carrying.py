"""What sources have is put into many boxes, in one transaction and few statements.

Boxes whose subscriptions stand at the same place get the same posts, and share every statement but the lock.  What
must stay true: a box's lock comes before everything that is read of it; a watermark moves no further than the last
row that was really handled; a box has a post once.  The sources are never locked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from opostd.model.flags import UNCHARGED
from opostd.model.ids import BoxId, OwnerId, PostId, Uid
from opostd.model.records import Box, Subscription
from opostd.store.bulk import (
    Key,
    Placed,
    insert_for_all,
    known_posts,
    lock_all,
    move_watermarks,
    subscriptions_of,
    take,
)
from opostd.store.dialect import insert_delivered
from opostd.store.locks import advance
from opostd.store.placing import known_uids
from opostd.store.run import Tx
from opostd.store.sourcing import Sources, source_key, subscription_of

Standing = tuple[tuple[OwnerId, BoxId, Uid], ...]
"""Where the subscriptions of a box stand: source and watermark of each."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What has come into a box.

    box: as it is now; its highestmodseq is that of the posts, and its last UIDs are theirs.  more: a source has more.
    """

    box: Box
    posts: tuple[Placed, ...]
    more: bool

    @property
    def rows(self) -> int:
        return len(self.posts)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What boxes that stand at the same place get.  watermarks: by source."""

    posts: dict[PostId, tuple[int, int]]
    watermarks: list[tuple[BoxId, int]]
    more: bool


def carry_boxes(tx: Tx, keys: Sequence[Key], now: int, room: int, only: BoxId | None = None) -> dict[Key, Carried]:
    """Into each of these boxes at most ``room`` posts of its sources, or of ``only`` that one, by their UIDs.

    keys: ascending, each once; one that is gone is left out of what comes back.  now: SAVEDATE.  Raises LimitReached.
    """
    boxes = lock_all(tx, keys)  # what they protect is read from here on
    subscriptions: dict[Key, list[Subscription]] = {key: [] for key in boxes}
    for each in map(subscription_of, subscriptions_of(tx, (owner for owner, _ in boxes))):
        if (each.owner, each.target) in subscriptions and only in (None, each.source):
            subscriptions[each.owner, each.target].append(each)
    sources = Sources(tx)
    tops = sources.tops([each for those in subscriptions.values() for each in those])
    alike: dict[Standing, list[Key]] = {}
    for key, those in subscriptions.items():
        standing = tuple((*source_key(each), each.watermark) for each in those)
        alike.setdefault(standing, []).append(key)
    found: dict[Key, Carried] = {}
    for standing, members in alike.items():
        plan = _plan(sources, tops, standing, room)
        for source, watermark in plan.watermarks:
            move_watermarks(tx, members, source, watermark)
        found |= _put(tx, [boxes[key] for key in members], plan, now)
    return found


def _plan(sources: Sources, tops: dict[Key, int | None], standing: Standing, room: int) -> _Plan:
    posts: dict[PostId, tuple[int, int]] = {}
    watermarks: list[tuple[BoxId, int]] = []
    more = False
    for owner, source, watermark in standing:
        top = tops.get((owner, source))
        if top is None or top <= watermark:  # it is gone, or there is nothing
            continue
        if not room:
            more = True
            continue
        rows = sources.rows(owner, source, watermark, top, room)
        full = len(rows) == room
        for _, post, size, internaldate in rows:
            posts.setdefault(PostId(post), (size, internaldate))
        reached = rows[-1][0] if full else top  # messages that have left the source may stand at its end
        watermarks.append((source, reached))
        room -= len(rows)
        more = more or reached < top
    return _Plan(posts, watermarks, more)


def _put(tx: Tx, boxes: Sequence[Box], plan: _Plan, now: int) -> dict[Key, Carried]:
    """The plan's posts into boxes that are locked, with one modseq taken; it is given back where nothing is new."""
    keys = [(box.owner, box.box) for box in boxes]
    known = known_posts(tx, keys, list(plan.posts)) if plan.posts else {}
    alike: dict[frozenset[PostId], list[Box]] = {}
    for key, box in zip(keys, boxes, strict=True):
        alike.setdefault(frozenset(known.get(key, ())), []).append(box)
    found: dict[Key, Carried] = {}
    for there, those in alike.items():
        posts = tuple((post, *facts) for post, facts in plan.posts.items() if post not in there)
        now_there = take(tx, those, uids=len(posts)) if posts else take(tx, those, modseqs=-1)
        if posts:
            insert_for_all(tx, now_there, now, posts)
        for box in now_there:
            found[box.owner, box.box] = Carried(box, posts, plan.more)
            if posts:
                tx.hint(box.owner, box.box, box.highestmodseq)
    return found


def put(tx: Tx, owner: OwnerId, box: BoxId, posts: dict[PostId, tuple[int, int]], now: int) -> int:
    """Rows of those posts that the box has not, in the order given, charged to nobody; how many.

    posts: size and INTERNALDATE.  To be called under the box's lock, with one modseq taken, which is given back when
    there is nothing new.
    """
    known = known_uids(tx, owner, box, list(posts))
    fresh = {post: facts for post, facts in posts.items() if post not in known}
    if not fresh:
        advance(tx, owner, box, modseqs=-1)
        return 0
    taken = advance(tx, owner, box, uids=len(fresh))
    first = taken.uidnext - len(fresh)
    rows = [
        (uid, internaldate, size, UNCHARGED, post, "")
        for uid, (post, (size, internaldate)) in enumerate(fresh.items(), first)
    ]  # fmt: skip
    insert_delivered(tx, owner, box, taken.highestmodseq, now, rows)
    tx.hint(owner, box, taken.highestmodseq)
    return len(rows)
