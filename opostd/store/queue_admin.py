"""What an administrator does with what waits: try it now, hold it, let it go on, drop it.

Both kinds at once: for boxes here and for addresses elsewhere.  What somebody is trying at this moment is left to them.
"""

from typing import Any

import sqlalchemy as sa

from opostd.model.ids import PostId
from opostd.store import schema
from opostd.store.run import Group, Tx, writes
from opostd.store.spooling import HELD_AT

TABLES = (schema.spool, schema.outgoing)


@writes(Group.POST)
def retry(tx: Tx, post: PostId | None, now: int) -> int:
    """Due now, but for what is held; how many rows.  post: None is all of them."""
    return _change(tx, post, now, held=False, next_at=now)


@writes(Group.POST)
def hold(tx: Tx, post: PostId | None, now: int) -> int:
    """Not tried until released; how many rows."""
    return _change(tx, post, now, held=False, next_at=HELD_AT)


@writes(Group.POST)
def release(tx: Tx, post: PostId | None, now: int) -> int:
    """What is held is due now, with all its tries before it; how many rows."""
    return _change(tx, post, now, held=True, next_at=now, attempts=0)


@writes(Group.POST)
def drop(tx: Tx, post: PostId | None, now: int) -> int:
    """Gone, and nobody is told; how many rows."""
    found = 0
    for table in TABLES:
        found += len(tx.execute(sa.delete(table).where(*_those(table, post, now)).returning(table.c.created)).all())
    return found


def _change(tx: Tx, post: PostId | None, now: int, *, held: bool, **values: int) -> int:
    found = 0
    for table in TABLES:
        kept = table.c.next_at >= HELD_AT if held else table.c.next_at < HELD_AT
        change = sa.update(table).where(kept, *_those(table, post, now)).values(**values)
        found += len(tx.execute(change.returning(table.c.created)).all())
    return found


def _those(table: sa.Table, post: PostId | None, now: int) -> list[Any]:
    free = [table.c.lease_until <= now]
    return free if post is None else [table.c.post_id == post, *free]
