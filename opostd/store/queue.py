"""The spool: what is accepted and not yet in its box; leased in batches, removed when done.

A lease ends by itself, so whoever dies loses nothing: the delivery that is then done again is idempotent.  What was
tried often enough is held, not dropped: it waits for an administrator, and no lease takes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.ids import BoxId, OwnerId, PostId
from opostd.model.mailing import Mailing, Origin, Terms, Wish
from opostd.store import held, leasing, posts, schema
from opostd.store.database import chunks
from opostd.store.leasing import MAX_ERROR_CHARS
from opostd.store.run import Group, Tx, reads, writes
from opostd.store.spooling import HELD_AT, read_wishes
from opostd.store.types import storable

Key = tuple[PostId, OwnerId, BoxId]

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
    """One post for one box.  attempts: with this lease counted; last_error: of the attempt before, or empty.

    wishes: the recipients that led here.  warned: the sender has been told that it takes long.
    """

    post: PostId
    owner: OwnerId
    box: BoxId
    source: bool
    attempts: int
    next_at: int
    created: int
    last_error: str
    warned: bool
    origin: Origin
    wishes: tuple[Wish, ...]

    @property
    def key(self) -> Key:
        return self.post, self.owner, self.box

    @property
    def held(self) -> bool:
        return self.next_at >= HELD_AT


_COLUMNS = (
    *_KEY, _spool.c.source, _spool.c.attempts, _spool.c.next_at, _spool.c.created, _spool.c.last_error,
    _spool.c.warned, _spool.c.sender, _spool.c.envid, _spool.c.ret, _spool.c.wishes,
    _spool.c.require_tls,
)  # fmt: skip


def _pending(row: Sequence[object]) -> Pending:
    post, owner, box, source, attempts, next_at, created, last_error, warned, sender, envid, ret, *rest = row
    wishes, require_tls = rest
    return Pending(
        PostId(post),  # type: ignore[arg-type]
        OwnerId(owner),  # type: ignore[arg-type]
        BoxId(box),  # type: ignore[arg-type]
        bool(source),
        attempts,  # type: ignore[arg-type]
        next_at,  # type: ignore[arg-type]
        created,  # type: ignore[arg-type]
        last_error,  # type: ignore[arg-type]
        bool(warned),
        Origin(str(sender), str(envid), str(ret), Terms(bool(require_tls))),
        read_wishes(str(wishes)),
    )


@reads(Group.POST)
def depth(tx: Tx) -> int:
    """How many rows wait for a box here or a server elsewhere."""
    found = 0
    for table in (_spool, schema.outgoing):
        found += tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    return found


@reads(Group.POST)
def waiting(tx: Tx, limit: int) -> list[Pending]:
    """What waits for its box, the next to be tried first, what is held last."""
    rows = tx.execute(sa.select(*_COLUMNS).order_by(_spool.c.next_at, *_KEY).limit(limit))
    return [_pending(tuple(row)) for row in rows]


@reads(Group.POST)
def of_post(tx: Tx, post: PostId) -> list[Pending]:
    """The boxes that a post waits for."""
    rows = tx.execute(sa.select(*_COLUMNS).where(_spool.c.post_id == post).order_by(*_KEY))
    return [_pending(tuple(row)) for row in rows]


@writes(Group.POST)
def lease(tx: Tx, now: int, lease_s: int, limit: int) -> list[Pending]:
    """Rows whose time has come and that nobody else has, for so many seconds; by age.

    Each counts as one attempt.  Several agents may ask at once: a row goes to one of them.
    """
    rows = leasing.lease(tx, _spool, _COLUMNS, now, lease_s, limit)
    return sorted(map(_pending, rows), key=lambda each: (each.next_at, each.key))


@writes(Group.POST, may_be_lost=True)  # a row that comes back is looked for in its box, and is not there twice
def done(tx: Tx, keys: Sequence[Key]) -> None:
    """Removes rows that are in their boxes, or never will be; no error for one that is gone."""
    for page in chunks(keys):
        tx.later(_DELETE, *map(_bound, page))


@writes(Group.POST)
def done_and_told(tx: Tx, key: Key, reports: Sequence[Mailing], now: int) -> bool:
    """Removes a row and keeps the posts that tell of it: both or neither; False where it was gone, and was told of."""
    if tx.execute(_DELETE.returning(_spool.c.box_id), _bound(key)).first() is None:
        return False
    posts.accept(tx, reports, now)
    return True


@writes(Group.POST)
def retry_later(
    tx: Tx, key: Key, error: str, next_at: int, reports: Sequence[Mailing] = (), now: int = 0, *, warned: bool = False
) -> None:
    """The attempt failed: the next is at that time, and anybody's; at HELD_AT there is none.

    reports: what tells the sender, kept with it at ``now``.  warned: that it takes long was told.
    """
    values: dict[str, object] = {"last_error": storable(error)[:MAX_ERROR_CHARS], "next_at": next_at, "lease_until": 0}
    if warned:
        values["warned"] = True
    tx.execute(sa.update(_spool).where(*_THIS).values(**values), _bound(key))
    posts.accept(tx, reports, now)


def _bound(key: Key) -> dict[str, object]:
    post, owner, box = key
    return {"s_post": post, "s_owner": owner, "s_box": box}


@writes(Group.POST)
def drop_post(tx: Tx, post: PostId) -> int:
    """Removes all that waits of a post, for boxes here, addresses elsewhere, or moderators; how many rows that were."""
    found = held.forget_post(tx, post)
    for table in (_spool, schema.outgoing):
        found += tx.execute(sa.delete(table).where(table.c.post_id == post)).rowcount
    return found
