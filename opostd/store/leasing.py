"""Rows that wait to be tried, leased to whoever tries them: the spool, what leaves, what a box refused.

What must stay true: a row goes to one agent, whoever asks at once; a lease ends by itself, so that whoever dies is
followed; each lease counts as one attempt.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from opostd.store.database import chunks
from opostd.store.run import Tx

CLOCK_S = 3600  # clocks of two machines differ by less: a lease that ends later than that was given by a wrong clock
PAGE = 250  # rows in a statement: a key is two or three values, and SQLite takes a thousand
MAX_ERROR_CHARS = 500


def is_free(lease_until: sa.Column[int], now: int, lease_s: int) -> sa.ColumnElement[bool]:
    """Nobody has it now: its lease has ended, or ends at a time that no clock which is right can have given it."""
    return sa.or_(lease_until <= now, lease_until > now + lease_s + CLOCK_S)


def lease(
    tx: Tx,
    table: sa.Table,
    columns: Sequence[sa.Column[Any]],
    now: int,
    lease_s: int,
    limit: int,
    *,
    where: Sequence[sa.ColumnElement[bool]] = (),
    first: Sequence[sa.ColumnElement[Any]] = (),
    owners: sa.Column[int] | None = None,
) -> list[tuple[Any, ...]]:
    """Rows whose time has come and that nobody else has, for so many seconds; in no order.

    columns: what is wanted of each.  The oldest are taken, or those that are first by ``first``; of a table that is
    sharded by owner, ``owners`` is that column, which has to stand in the statement.
    """
    key, free = tuple(table.primary_key.columns), is_free(table.c.lease_until, now, lease_s)
    # Only rows that are due are sorted: a few, but after an outage.
    due = sa.select(*key).where(table.c.next_at <= now, free, *where).order_by(*first, table.c.next_at, *key)
    found: list[tuple[Any, ...]] = []
    for page in chunks([tuple(row) for row in tx.execute(due.limit(limit))], PAGE):
        these = [sa.tuple_(*key).in_(page)]
        if owners is not None:
            these.append(owners.in_({row[key.index(owners)] for row in page}))
        # "free" again: who waited here for another agent's COMMIT finds the row leased, and leaves it.
        rows = tx.execute(
            sa.update(table)
            .where(*these, free)
            .values(lease_until=now + lease_s, attempts=table.c.attempts + 1)
            .returning(*columns)
        )
        found += [tuple(row) for row in rows]
    return found
