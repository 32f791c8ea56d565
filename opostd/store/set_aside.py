"""Posts that one box refused when a subscription carried them: set aside, tried again, held at the end.

The row is written in the transaction that moves the watermark past the post, and goes in the one that puts the post
into the box: so the post is at every moment either pending, or set aside, or there, whoever dies when.  What must stay
true: it stops nothing that comes after it; the number of tries is fixed; nothing is dropped but by an administrator,
or with its box, or because the post was taken back.  Two agents at once: a lease gives a row to one of them, and under
the box's lock the row is there for the first only.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, PostId, Uid, post_id_text
from opostd.store import leasing, schema
from opostd.store.bulk import Key, move_watermarks
from opostd.store.carrying import put
from opostd.store.database import chunks
from opostd.store.dialect import insert_new
from opostd.store.leasing import MAX_ERROR_CHARS
from opostd.store.locks import advance, lock
from opostd.store.run import Group, Tx, reads, writes
from opostd.store.sourcing import Sources, of_target, source_key
from opostd.store.spooling import HELD_AT
from opostd.store.types import storable

FIRST_PAUSE_S = 1  # before the agent's first try: most faults of a database pass in seconds

log = logging.getLogger("opostd.store")

RowKey = tuple[OwnerId, BoxId, PostId]
First = tuple[Key, Uid]
"""Source and UID of a row."""

_aside = schema.set_aside
_KEY = (_aside.c.owner_id, _aside.c.box_id, _aside.c.post_id)
_THIS = (
    _aside.c.owner_id == sa.bindparam("a_owner"),
    _aside.c.box_id == sa.bindparam("a_box"),
    _aside.c.post_id == sa.bindparam("a_post"),
)
_COLUMNS = (
    *_KEY, _aside.c.source_box, _aside.c.attempts, _aside.c.next_at, _aside.c.created, _aside.c.last_error
)  # fmt: skip


def error_text(error: Exception) -> str:
    """An error in one line, as it is kept: its kind, and the database's own words without the statement."""
    said = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig is not None else error
    return storable(" ".join(f"{type(said).__name__}: {said}".split()))[:MAX_ERROR_CHARS]


@dataclass(frozen=True, slots=True)
class SetAside:
    """One post for one box.  attempts: carrying it was the first, with this lease counted."""

    owner: OwnerId
    box: BoxId
    post: PostId
    source: BoxId
    attempts: int
    next_at: int
    created: int
    last_error: str

    @property
    def key(self) -> RowKey:
        return self.owner, self.box, self.post

    @property
    def held(self) -> bool:
        return self.next_at >= HELD_AT


def _row(row: Sequence[Any]) -> SetAside:
    owner, box, post, source, *rest = row
    return SetAside(OwnerId(owner), BoxId(box), PostId(post), BoxId(source), *rest)


@reads(Group.OWNER)
def upcoming(tx: Tx, owner: OwnerId, box: BoxId) -> First | None:
    """The row of a source that would be carried next into a box; None where there is none."""
    found = _upcoming(tx, owner, box, 1)
    return None if found is None else (found[0], Uid(found[1][0][0]))


def _upcoming(tx: Tx, owner: OwnerId, box: BoxId, most: int) -> tuple[Key, list[tuple[Any, ...]]] | None:
    subscriptions, sources = of_target(tx, owner, box), Sources(tx)
    tops = sources.tops(subscriptions)
    for each in subscriptions:
        top = tops.get(source_key(each)) or 0
        rows = sources.rows(*source_key(each), each.watermark, top, most) if top > each.watermark else []
        if rows:
            return source_key(each), rows
    return None


@writes(Group.OWNER)
def begin(tx: Tx, owner: OwnerId, box: BoxId, first: First | None, most: int, error: Exception, now: int) -> int:
    """Sets aside what would be carried next into a box, at most so many posts of one source; how many.

    first: what was refused: where something else comes next by now, somebody has carried it, and nothing is done;
    None is whatever comes.  Raises NoSuchBox.
    """
    lock(tx, owner, box)
    found = _upcoming(tx, owner, box, most)
    if found is None or (first is not None and first != (found[0], found[1][0][0])):
        return 0
    (_, source), rows = found
    text = error_text(error)
    common = {
        "owner_id": owner, "box_id": box, "source_box": source, "attempts": 1, "next_at": now + FIRST_PAUSE_S,
        "created": now, "last_error": text,
    }  # fmt: skip
    new = [{**common, "post_id": PostId(post), "size": size, "internaldate": date} for _, post, size, date in rows]
    for page in chunks(new):
        insert_new(tx, _aside, page)
    move_watermarks(tx, [(owner, box)], source, rows[-1][0])
    for each in new[:3]:  # of a full mailbox there are many
        id_ = post_id_text(each["post_id"])
        log.warning("set aside id=%s owner=%d box=%d posts=%d: %s", id_, owner, box, len(new), text)
    return len(new)


@writes(Group.OWNER)
def lease(tx: Tx, now: int, lease_s: int, limit: int) -> list[SetAside]:
    """Rows whose time has come and that nobody else has, for so many seconds; by age.  Each counts as one attempt."""
    rows = leasing.lease(tx, _aside, _COLUMNS, now, lease_s, limit, owners=_aside.c.owner_id)
    return sorted(map(_row, rows), key=lambda each: (each.next_at, each.post))


@writes(Group.OWNER)
def put_in(tx: Tx, owner: OwnerId, box: BoxId, post: PostId, now: int) -> bool:
    """The post goes into its box, and its row goes: both or neither.  False where there is nothing to be done.

    A post that was taken back meanwhile goes nowhere.  Raises NoSuchBox, and whatever the box says to it.
    """
    advance(tx, owner, box, modseqs=1)
    row = tx.execute(
        sa.delete(_aside).where(*_THIS).returning(_aside.c.size, _aside.c.internaldate), _bound((owner, box, post))
    ).first()
    if row is None or _taken_back(tx, post, now):
        advance(tx, owner, box, modseqs=-1)
        return False
    return put(tx, owner, box, {post: (row.size, row.internaldate)}, now) > 0


def _taken_back(tx: Tx, post: PostId, now: int) -> bool:
    w = schema.withdrawal
    found = tx.execute(
        sa.select(w.c.begins).where(w.c.owner_id == SYSTEM_OWNER, w.c.post_id == post, w.c.begins <= now)
    )
    return found.first() is not None


@writes(Group.OWNER)
def later(tx: Tx, key: RowKey, error: str, next_at: int) -> None:
    """The attempt failed: the next is at that time, and anybody's; at HELD_AT there is none.  error: error_text."""
    values = {"last_error": error, "next_at": next_at, "lease_until": 0}
    tx.execute(sa.update(_aside).where(*_THIS).values(**values), _bound(key))


@writes(Group.OWNER)
def forget(tx: Tx, key: RowKey) -> None:
    """The row goes, and its post with it; no error for one that is gone."""
    tx.execute(sa.delete(_aside).where(*_THIS), _bound(key))


def _bound(key: RowKey) -> dict[str, object]:
    return dict(zip(("a_owner", "a_box", "a_post"), key, strict=True))


# For people


@reads(Group.OWNER)
def waiting(tx: Tx, limit: int, post: PostId | None = None) -> list[SetAside]:
    """What is set aside, or of it one post; the next to be tried first, what is held last."""
    conditions = [_aside.c.next_at > 0] if post is None else [_aside.c.next_at > 0, _aside.c.post_id == post]
    rows = tx.execute(sa.select(*_COLUMNS).where(*conditions).order_by(_aside.c.next_at, *_KEY).limit(limit))
    return [_row(row) for row in rows]


@reads(Group.OWNER)
def counts(tx: Tx, owner: OwnerId) -> dict[tuple[BoxId, BoxId], int]:
    """How many posts of each source are set aside for each box of an owner: by box and source."""
    rows = tx.execute(
        sa.select(_aside.c.box_id, _aside.c.source_box, sa.func.count())
        .where(_aside.c.owner_id == owner)
        .group_by(_aside.c.box_id, _aside.c.source_box)
    )
    return {(BoxId(box), BoxId(source)): count for box, source, count in rows}


@writes(Group.OWNER)
def change(tx: Tx, keys: Sequence[RowKey], now: int, values: dict[str, int]) -> int:
    """Sets columns of rows that nobody tries at this moment; how many."""
    free, done = _aside.c.lease_until <= now, 0
    for key in keys:
        statement = sa.update(_aside).where(*_THIS, free).values(values).returning(_aside.c.created)
        done += len(tx.execute(statement, _bound(key)).all())
    return done


@writes(Group.OWNER)
def drop(tx: Tx, keys: Sequence[RowKey], now: int) -> int:
    """Rows that nobody tries at this moment go, and their posts do not come into these boxes; how many."""
    done = 0
    for key in keys:
        statement = sa.delete(_aside).where(*_THIS, _aside.c.lease_until <= now).returning(_aside.c.created)
        done += len(tx.execute(statement, _bound(key)).all())
    return done
