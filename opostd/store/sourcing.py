"""What sources have: the ends of source boxes and the rows in them, read without a lock.

A source's UIDs are handed out under its lock, so all up to ``uidnext - 1`` are committed and ``uid > watermark`` is a
prefix without gaps.  A value that is older than the lock of the box it is carried into is right all the same: what
came after it waits for the next look.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, Uid
from opostd.model.records import Subscription
from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.run import Tx

Key = tuple[OwnerId, BoxId]

_dp, _box, _sub = schema.delivered_post, schema.box, schema.subscription
_SUBSCRIPTIONS = sa.select(
    _sub.c.owner_id, _sub.c.target_box, _sub.c.source_box, _sub.c.joined, _sub.c.watermark
)  # fmt: skip
_OF_TARGET = _SUBSCRIPTIONS.where(
    _sub.c.owner_id == sa.bindparam("owner"), _sub.c.target_box == sa.bindparam("target")
).order_by(_sub.c.source_box)
_TAILS = sa.select(_box.c.box_id, _box.c.uidnext).where(
    _box.c.owner_id == sa.bindparam("owner"), _box.c.box_id.in_(sa.bindparam("boxes", expanding=True))
)
_POSTGRES_TAILS = sa.text("""
    SELECT box.box_id, box.uidnext FROM box
    WHERE box.owner_id = :owner AND box.box_id = ANY(CAST(:boxes AS bigint[]))""")
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


def tops(tx: Tx, sources: Collection[Key]) -> dict[Key, int]:
    """The last UID that each source has given; one that is gone is left out."""
    found: dict[Key, int] = {}
    for owner, boxes in _by_owner(sources).items():
        if len(boxes) == 1:  # `everyone`, which is all that most people have
            rows = tx.rows(_TAIL, {"owner": owner, "source": boxes[0]})
        elif tx.dialect == "postgresql":
            rows = tx.rows(_POSTGRES_TAILS, {"owner": owner, "boxes": boxes})
        else:
            rows = [row for page in chunks(boxes) for row in _tails(tx, owner, page)]
        found |= _ends(owner, rows)
    return found


def _by_owner(sources: Iterable[Key]) -> dict[OwnerId, list[BoxId]]:
    found: dict[OwnerId, list[BoxId]] = {}
    for owner, source in sorted(sources):
        found.setdefault(owner, []).append(source)
    return found


def _ends(owner: OwnerId, rows: Iterable[tuple[Any, ...]]) -> dict[Key, int]:
    return {(owner, BoxId(box)): uidnext - 1 for box, uidnext in rows}


def looked_at(
    tx: Tx, owner: OwnerId, box: BoxId, likely: Collection[Key], last: tuple[sa.Executable, Mapping[str, Any]]
) -> tuple[list[Subscription], dict[Key, int], list[tuple[Any, ...]]]:
    """PostgreSQL: the subscriptions of a box, the last UIDs that their sources have given, and the rows of ``last``.

    In this order.  likely: what the sources probably are: then that is one way there and back, else two.
    """
    by_owner = _by_owner(likely)
    subscriptions, *tails, rows = tx.rows_of(
        (_OF_TARGET, {"owner": owner, "target": box}),
        *((_TAIL, {"owner": each, "source": boxes[0]}) if len(boxes) == 1
          else (_POSTGRES_TAILS, {"owner": each, "boxes": boxes}) for each, boxes in by_owner.items()),
        last,
    )  # fmt: skip
    found = list(map(subscription_of, subscriptions))
    ends: dict[Key, int] = {}
    for each, there in zip(by_owner, tails, strict=True):
        ends |= _ends(each, there)
    others = set(map(source_key, found)).difference(likely)
    return found, ends | tops(tx, others) if others else ends, rows


def last_uid(tx: Tx, owner: OwnerId, source: BoxId) -> Uid | None:
    """The last UID that a source has given, 0 for none; None where there is no such box."""
    found = tops(tx, {(owner, source)})
    return Uid(found[owner, source]) if found else None


def _tails(tx: Tx, owner: OwnerId, sources: Sequence[BoxId]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in tx.execute(_TAILS, {"owner": owner, "boxes": list(sources)})]


def source_key(each: Subscription) -> Key:
    """Owner and box of the source."""
    return SYSTEM_OWNER, each.source


def subscription_of(row: Sequence[int]) -> Subscription:
    """The record of a row with all columns, in their order."""
    owner, target, source, joined, watermark = row
    return Subscription(OwnerId(owner), BoxId(target), BoxId(source), Uid(joined), Uid(watermark))


def of_target(tx: Tx, owner: OwnerId, box: BoxId) -> list[Subscription]:
    """The subscriptions of a box; to be read under its lock by whoever changes them."""
    return [subscription_of(row) for row in tx.rows(_OF_TARGET, {"owner": owner, "target": box})]
