"""The spool: what is accepted and not yet in its box; leased in batches, removed when done.

A lease ends by itself, so whoever dies loses nothing: the delivery that is then done again is idempotent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.ids import BoxId, OwnerId, PostId
from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.run import Group, Tx, reads, writes

Key = tuple[PostId, OwnerId, BoxId]
MAX_ERROR_CHARS = 500

_spool = schema.spool
_KEY = (_spool.c.post_id, _spool.c.owner_id, _spool.c.box_id)
_THIS = (
    _spool.c.post_id == sa.bindparam("s_post"),
    _spool.c.owner_id == sa.bindparam("s_owner"),
    _spool.c.box_id == sa.bindparam("s_box"),
)
_DELETE = sa.delete(_spool).where(*_THIS)


@dataclass(frozen=True, slots=True)
class Pending:
    """One post for one box.  attempts: with this lease counted; last_error: of the attempt before, or empty."""

    post: PostId
    owner: OwnerId
    box: BoxId
    source: bool
    attempts: int
    next_at: int
    created: int
    last_error: str

    @property
    def key(self) -> Key:
        return self.post, self.owner, self.box


_COLUMNS = (
    *_KEY, _spool.c.source, _spool.c.attempts, _spool.c.next_at, _spool.c.created, _spool.c.last_error
)  # fmt: skip


def _pending(row: Sequence[object]) -> Pending:
    post, owner, box, source, *rest = row
    return Pending(PostId(post), OwnerId(owner), BoxId(box), bool(source), *rest)  # type: ignore[arg-type]


@reads(Group.POST)
def depth(tx: Tx) -> int:
    """How many rows wait."""
    found: int = tx.execute(sa.select(sa.func.count()).select_from(_spool)).scalar_one()
    return found


@reads(Group.POST)
def waiting(tx: Tx, limit: int) -> list[Pending]:
    """What waits, the next to be tried first."""
    rows = tx.execute(sa.select(*_COLUMNS).order_by(_spool.c.next_at, *_KEY).limit(limit))
    return [_pending(tuple(row)) for row in rows]


@writes(Group.POST)
def lease(tx: Tx, now: int, lease_s: int, limit: int) -> list[Pending]:
    """Rows whose time has come and that nobody else has, for so many seconds; by age.

    Each counts as one attempt.  Several agents may ask at once: a row goes to one of them.
    """
    free = _spool.c.lease_until <= now
    chosen = tx.execute(
        sa.select(*_KEY).where(_spool.c.next_at <= now, free).order_by(_spool.c.next_at, *_KEY).limit(limit)
    )
    found: list[Pending] = []
    for page in chunks([tuple(row) for row in chosen]):
        # "free" again: who waited here for another agent's COMMIT finds the row leased, and leaves it.
        rows = tx.execute(
            sa.update(_spool)
            .where(sa.tuple_(*_KEY).in_(page), free)
            .values(lease_until=now + lease_s, attempts=_spool.c.attempts + 1)
            .returning(*_COLUMNS)
        )
        found += [_pending(tuple(row)) for row in rows]
    found.sort(key=lambda each: (each.next_at, each.key))
    return found


@writes(Group.POST)
def done(tx: Tx, keys: Sequence[Key]) -> None:
    """Removes rows that are in their boxes, or never will be; no error for one that is gone."""
    for page in chunks(keys):
        tx.execute(_DELETE, [_bound(key) for key in page])


@writes(Group.POST)
def retry_later(tx: Tx, key: Key, error: str, next_at: int) -> None:
    """The attempt failed: the next is at that time, and anybody's."""
    from opostd.store.types import storable

    text = storable(error)[:MAX_ERROR_CHARS]
    tx.execute(sa.update(_spool).where(*_THIS).values(last_error=text, next_at=next_at, lease_until=0), _bound(key))


def _bound(key: Key) -> dict[str, object]:
    post, owner, box = key
    return {"s_post": post, "s_owner": owner, "s_box": box}


@writes(Group.POST)
def drop_post(tx: Tx, post: PostId) -> int:
    """Removes all that waits of a post; how many rows that were."""
    return tx.execute(sa.delete(_spool).where(_spool.c.post_id == post)).rowcount
