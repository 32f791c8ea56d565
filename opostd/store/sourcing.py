"""What sources have: the ends of source boxes and the rows in them, read without a lock.

A source's UIDs are handed out under its lock, so all up to ``uidnext - 1`` are committed and ``uid > watermark`` is a
prefix without gaps.  A value that is older than the lock of the box it is carried into is right all the same: what
came after it waits for the next look.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from opostd.model.ids import BoxId, OwnerId, Uid
from opostd.model.records import Subscription
from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.run import Tx

Key = tuple[OwnerId, BoxId]

_dp, _box, _sub = schema.delivered_post, schema.box, schema.subscription
_SUBSCRIPTIONS = sa.select(
    _sub.c.owner_id, _sub.c.target_box, _sub.c.source_owner, _sub.c.source_box, _sub.c.joined, _sub.c.watermark
)  # fmt: skip
_OF_TARGET = _SUBSCRIPTIONS.where(
    _sub.c.owner_id == sa.bindparam("owner"), _sub.c.target_box == sa.bindparam("target")
).order_by(_sub.c.source_box)
_TAILS = sa.select(_box.c.box_id, _box.c.uidnext).where(
    _box.c.owner_id == sa.bindparam("owner"), _box.c.box_id.in_(sa.bindparam("boxes", expanding=True))
)
_TAIL = sa.select(_box.c.box_id, _box.c.uidnext).where(
    _box.c.owner_id == sa.bindparam("owner"), _box.c.box_id == sa.bindparam("source")
)
_ROWS = (
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


class Sources:
    """What sources have, each read once in a transaction, however many boxes it is carried into."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._tops: dict[Key, int | None] = {}
        self._rows: dict[tuple[int, ...], list[tuple[Any, ...]]] = {}

    def tops(self, subscriptions: Sequence[Subscription]) -> dict[Key, int | None]:
        """The last UID of each source; None for one that is gone."""
        missing = {source_key(each) for each in subscriptions} - self._tops.keys()
        if missing:
            self._tops |= dict.fromkeys(missing)
            self._tops |= tops(self._tx, missing)
        return self._tops

    def rows(self, owner: OwnerId, source: BoxId, after: int, top: int, most: int) -> list[tuple[Any, ...]]:
        """UID, post, octets and INTERNALDATE of what a source has after one UID up to another, by UID."""
        key = (owner, source, after, top, most)
        if key not in self._rows:
            names = ("owner", "box", "after", "top", "most")
            self._rows[key] = self._tx.rows(_ROWS, dict(zip(names, key, strict=True)))
        return self._rows[key]


def tops(tx: Tx, sources: set[Key]) -> dict[Key, int]:
    """The last UID that each source has given; one that is gone is left out."""
    by_owner: dict[OwnerId, set[BoxId]] = {}
    for owner, source in sources:
        by_owner.setdefault(owner, set()).add(source)
    found: dict[Key, int] = {}
    for owner, boxes in by_owner.items():
        if len(boxes) == 1:  # `everyone`, which is all that most people have
            rows = tx.rows(_TAIL, {"owner": owner, "source": next(iter(boxes))})
        else:
            rows = [row for page in chunks(sorted(boxes)) for row in _tails(tx, owner, page)]
        found |= {(owner, BoxId(box)): uidnext - 1 for box, uidnext in rows}
    return found


def last_uid(tx: Tx, owner: OwnerId, source: BoxId) -> Uid | None:
    """The last UID that a source has given, 0 for none; None where there is no such box."""
    found = tops(tx, {(owner, source)})
    return Uid(found[owner, source]) if found else None


def _tails(tx: Tx, owner: OwnerId, sources: Sequence[BoxId]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in tx.execute(_TAILS, {"owner": owner, "boxes": list(sources)})]


def source_key(each: Subscription) -> Key:
    """Owner and box of the source."""
    return each.source_owner, each.source


def subscription_of(row: Sequence[int]) -> Subscription:
    """The record of a row with all columns, in their order."""
    owner, target, source_owner, source, joined, watermark = row
    return Subscription(
        OwnerId(owner), BoxId(target), OwnerId(source_owner), BoxId(source), Uid(joined), Uid(watermark)
    )  # fmt: skip


def of_target(tx: Tx, owner: OwnerId, box: BoxId) -> list[Subscription]:
    """The subscriptions of a box; to be read under its lock by whoever changes them."""
    return [subscription_of(row) for row in tx.rows(_OF_TARGET, {"owner": owner, "target": box})]
