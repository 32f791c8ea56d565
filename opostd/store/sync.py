"""Subscriptions: what a source box has that a target box lacks is carried over when the target is looked at.

A source's UIDs are handed out under its lock, so all up to ``uidnext - 1`` are committed and ``uid > watermark`` is a
prefix without gaps.  The watermark is read again after the target's lock, and moves no further than the last row that
was really handled (feasibility.md 2d: the naive form loses mail).  The source is never locked.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from opostd.model.errors import NoSuchBox, Unavailable
from opostd.model.ids import BoxId, OwnerId, PostId, Uid
from opostd.model.records import Box, Subscription
from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.delivery import known_uids
from opostd.store.dialect import insert_delivered
from opostd.store.locks import advance, read_box
from opostd.store.run import Group, Store, Tx, reads, writes

PAGE = 500  # rows carried in one transaction (rule 9)
# Boxes in one transaction: each costs about 0.4 ms, during which SQLite has no other writer, and somebody's delivery to
# one of these boxes waits.
BOXES = 100

log = logging.getLogger("opostd.store")

Key = tuple[OwnerId, BoxId]

_dp, _sub, _box = schema.delivered_post, schema.subscription, schema.box
_SUBSCRIPTIONS = sa.select(
    _sub.c.owner_id, _sub.c.target_box, _sub.c.source_owner, _sub.c.source_box, _sub.c.joined, _sub.c.watermark
)  # fmt: skip
_OF_TARGET = _SUBSCRIPTIONS.where(
    _sub.c.owner_id == sa.bindparam("owner"), _sub.c.target_box == sa.bindparam("target")
).order_by(_sub.c.source_box)
_TAILS = sa.select(_box.c.box_id, _box.c.uidnext).where(
    _box.c.owner_id == sa.bindparam("owner"), _box.c.box_id.in_(sa.bindparam("boxes", expanding=True))
)
_SOURCE_ROWS = (
    sa.select(_dp.c.uid, _dp.c.post_id, _dp.c.size, _dp.c.internaldate)
    .where(
        _dp.c.owner_id == sa.bindparam("owner"),
        _dp.c.box_id == sa.bindparam("box"),
        _dp.c.uid > sa.bindparam("after"),
        _dp.c.uid <= sa.bindparam("top"),
    )
    .order_by(_dp.c.uid)
    .limit(sa.bindparam("most"))
)
_TAIL = sa.select(_box.c.box_id, _box.c.uidnext).where(
    _box.c.owner_id == sa.bindparam("owner"), _box.c.box_id == sa.bindparam("source")
)
_THIS = (
    _sub.c.owner_id == sa.bindparam("s_owner"),
    _sub.c.target_box == sa.bindparam("s_target"),
    _sub.c.source_box == sa.bindparam("s_source"),
)
_MOVE_WATERMARK = sa.update(_sub).where(*_THIS).values(watermark=sa.bindparam("s_watermark"))
_FORGET = sa.delete(_sub).where(*_THIS)


@dataclass(frozen=True, slots=True)
class Carried:
    """rows: new in the target; more: a source has more than one page."""

    rows: int
    more: bool


async def bring_up(store: Store, owner: OwnerId, box: BoxId, *, now: int) -> int:
    """Carries into a box all that its sources have for it; how many rows that were.

    now: SAVEDATE of the rows; their INTERNALDATE is the source's.  Nothing new is one look and no write.  A box that
    is gone has no subscriptions: 0.  Raises NoSuchBox when it goes meanwhile.
    """
    if not await store.run(behind, owner, box):
        return 0
    return (await carry_pages(store, owner, box, now=now)).rows


async def carry_pages(store: Store, owner: OwnerId, box: BoxId, *, now: int, pages: int | None = None) -> Carried:
    """Carries into a box, which is known to be behind; at most so many pages, None for all.  Raises NoSuchBox."""
    rows, more, page = 0, True, 0
    while more and (pages is None or page < pages):
        carried = await store.run(carry, owner, box, now)
        rows, more, page = rows + carried.rows, carried.more, page + 1
    return Carried(rows, more)


async def carry_all(store: Store, keys: Sequence[Key], *, now: int) -> list[Key]:
    """A page, or a part of one, into each of these boxes, many boxes in a transaction; those that have more to come.

    A box that is gone is passed over.  One that cannot be carried into is logged, and does not stop the others.
    """
    late: list[Key] = []
    for part in chunks(sorted(set(keys)), BOXES):
        try:
            late += await store.run(carry_many, part, now)
        except Unavailable:
            raise
        except Exception as error:
            if len(part) == 1:
                log.exception("not carried owner=%d box=%d", *part[0], exc_info=error)
            else:  # whichever of them it was, the others are not to suffer
                for key in part:
                    late += await carry_all(store, [key], now=now)
    return late


@reads(Group.OWNER)
def peek(tx: Tx, owner: OwnerId, box: BoxId) -> tuple[Box, bool]:
    """The row of a box, and whether a source has something for it: what NOOP asks, in one look.  Raises NoSuchBox."""
    late = behind(tx, owner, box)
    return read_box(tx, owner, box), late


@reads(Group.OWNER)
def behind(tx: Tx, owner: OwnerId, box: BoxId) -> bool:
    """Whether a source has something for this box; without a lock."""
    found = of_target(tx, owner, box)
    tops = _tops(tx, found)
    return any(tops.get(_source(each), 0) > each.watermark for each in found)


@reads(Group.OWNER)
def live_behind(tx: Tx, keys: Sequence[Key]) -> list[Key]:
    """Those of the boxes that a source has something for: a statement for 500 owners, whatever the boxes' number."""
    wanted = set(keys)
    found: list[Subscription] = []
    for page in chunks(list(dict.fromkeys(owner for owner, _ in keys))):
        rows = (_subscription(row) for row in tx.execute(_SUBSCRIPTIONS.where(_sub.c.owner_id.in_(page))))
        found += [each for each in rows if (each.owner, each.target) in wanted]
    tops = _tops(tx, found)
    late = {(each.owner, each.target) for each in found if tops.get(_source(each), 0) > each.watermark}
    return [key for key in dict.fromkeys(keys) if key in late]


class _Sources:
    """What sources have, each read once in a transaction, however many boxes it is carried into.

    A value that is older than a box's lock is right all the same: what came after it waits for the next look.
    """

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._tops: dict[Key, int | None] = {}
        self._rows: dict[tuple[OwnerId, BoxId, int, int, int], list[tuple[Any, ...]]] = {}

    def tops(self, subscriptions: Sequence[Subscription]) -> dict[Key, int | None]:
        missing = [each for each in subscriptions if _source(each) not in self._tops]
        if missing:
            self._tops |= dict.fromkeys(map(_source, missing))
            self._tops |= _tops(self._tx, missing)
        return self._tops

    def rows(self, each: Subscription, top: int, most: int) -> list[tuple[Any, ...]]:
        key = (each.source_owner, each.source, each.watermark, top, most)
        if key not in self._rows:
            names = ("owner", "box", "after", "top", "most")
            self._rows[key] = self._tx.rows(_SOURCE_ROWS, dict(zip(names, key, strict=True)))
        return self._rows[key]


@writes(Group.OWNER)
def carry_many(tx: Tx, keys: Sequence[Key], now: int) -> list[Key]:
    """``carry`` for several boxes, ascending, in one transaction; those that have more to come.

    keys: 1 to BOXES.  PAGE rows in all, and each has its share: who was away for long keeps nobody waiting.  A box that
    is gone is passed over.
    """
    sources, share, late = _Sources(tx), PAGE // len(keys), list[Key]()
    for owner, box in keys:
        try:
            carried = _carry(tx, sources, owner, box, now, None, share)
        except NoSuchBox:  # said before anything was written
            continue
        if carried.more:
            late.append((owner, box))
    return late


@writes(Group.OWNER)
def carry(tx: Tx, owner: OwnerId, box: BoxId, now: int, only: BoxId | None = None) -> Carried:
    """One page of rows from the box's sources, or from ``only`` that one, by ascending UID of each.

    A post that the box has is not put there again.  A source that is gone, or not made yet, has nothing.  Raises
    NoSuchBox.
    """
    return _carry(tx, _Sources(tx), owner, box, now, only, PAGE)


def _carry(tx: Tx, sources: _Sources, owner: OwnerId, box: BoxId, now: int, only: BoxId | None, room: int) -> Carried:
    advance(tx, owner, box, modseqs=1)  # the lock; what it protects is read from here on
    subscriptions = [each for each in of_target(tx, owner, box) if only in (None, each.source)]
    tops = sources.tops(subscriptions)
    fresh: dict[PostId, tuple[int, int]] = {}
    more = False
    for each in subscriptions:
        top = tops.get(_source(each))
        if top is None or top <= each.watermark:
            continue
        if room:
            rows = sources.rows(each, top, room)
            full = len(rows) == room
            for _, post, size, internaldate in rows:
                fresh.setdefault(PostId(post), (size, internaldate))
            watermark = rows[-1][0] if full else top  # messages that have left the source may stand at its end
            tx.count(_MOVE_WATERMARK, {**_bound(each), "s_watermark": watermark})
            room -= len(rows)
            more = more or watermark < top
        else:
            more = True
    return Carried(put(tx, owner, box, fresh, now), more)


def put(tx: Tx, owner: OwnerId, box: BoxId, posts: dict[PostId, tuple[int, int]], now: int) -> int:
    """Rows of those posts that the box has not, in the order given; how many.

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
        (uid, internaldate, size, 0, post, "")
        for uid, (post, (size, internaldate)) in enumerate(fresh.items(), first)
    ]  # fmt: skip
    insert_delivered(tx, owner, box, taken.highestmodseq, now, rows)
    tx.hint(owner, box, taken.highestmodseq)
    return len(rows)


def forget(tx: Tx, owner: OwnerId, target: BoxId, source: BoxId) -> None:
    """Ends a subscription; under the target's lock."""
    tx.execute(_FORGET, {"s_owner": owner, "s_target": target, "s_source": source})


def last_uid(tx: Tx, owner: OwnerId, source: BoxId) -> Uid | None:
    """The last UID that a source has given, 0 for none; None where there is no such box."""
    row = tx.execute(_TAILS, {"owner": owner, "boxes": [source]}).first()
    return None if row is None else Uid(row.uidnext - 1)


def of_target(tx: Tx, owner: OwnerId, box: BoxId) -> list[Subscription]:
    """The subscriptions of a box; to be read under its lock by whoever changes them."""
    return [_subscription(row) for row in tx.rows(_OF_TARGET, {"owner": owner, "target": box})]


def _subscription(row: Sequence[int]) -> Subscription:
    owner, target, source_owner, source, joined, watermark = row
    return Subscription(
        OwnerId(owner), BoxId(target), OwnerId(source_owner), BoxId(source), Uid(joined), Uid(watermark)
    )  # fmt: skip


def _source(each: Subscription) -> tuple[OwnerId, BoxId]:
    return each.source_owner, each.source


def _tops(tx: Tx, subscriptions: Sequence[Subscription]) -> dict[tuple[OwnerId, BoxId], int]:
    """The last UID of each source; a source that is gone is left out."""
    by_owner: dict[OwnerId, set[BoxId]] = {}
    for each in subscriptions:
        by_owner.setdefault(each.source_owner, set()).add(each.source)
    found: dict[tuple[OwnerId, BoxId], int] = {}
    for owner, sources in by_owner.items():
        if len(sources) == 1:  # `everyone`, which is all that most people have
            rows = tx.rows(_TAIL, {"owner": owner, "source": next(iter(sources))})
        else:
            rows = [row for page in chunks(sorted(sources)) for row in _tails(tx, owner, page)]
        found |= {(owner, BoxId(box)): uidnext - 1 for box, uidnext in rows}
    return found


def _tails(tx: Tx, owner: OwnerId, sources: Sequence[BoxId]) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in tx.execute(_TAILS, {"owner": owner, "boxes": list(sources)})]


def _bound(each: Subscription) -> dict[str, int]:
    return {"s_owner": each.owner, "s_target": each.target, "s_source": each.source}
