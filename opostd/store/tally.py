"""How often something happened to a source lately: replies to a conversation, posts of one sender, all posts.

A row counts until its end, and is then begun anew; past its limit it is closed for a while, which all processes see.
The rows of one source are few: those that are over go with the next that is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.ids import SYSTEM_OWNER, BoxId
from opostd.store import schema
from opostd.store.dialect import insert_new
from opostd.store.run import Group, Tx, writes

_tally = schema.tally


@dataclass(frozen=True, slots=True)
class Limit:
    """what: is counted; limit: how often in window_s seconds, from the first on; pause_s: closed for so long after."""

    what: str
    limit: int
    window_s: int
    pause_s: int


@dataclass(frozen=True, slots=True)
class Full:
    """Over a limit, until that time.  fresh: this was the one that closed it, and the only one that is told so."""

    what: str
    until: int
    fresh: bool


@writes(Group.OWNER)
def count(tx: Tx, box: BoxId, limits: Sequence[Limit], now: int) -> list[Full]:
    """Counts once more for each of the limits; those that are reached.

    What is refused by one of them counts for the others all the same.
    """
    this = (_tally.c.owner_id == SYSTEM_OWNER, _tally.c.source_box == box)
    tx.execute(sa.delete(_tally).where(*this, _tally.c.ends <= now))
    found: list[Full] = []
    for each in sorted(limits, key=lambda limit: limit.what):
        key = {"owner_id": SYSTEM_OWNER, "source_box": box, "what": each.what}
        insert_new(tx, _tally, [{**key, "count": 0, "closed": False, "ends": now + each.window_s}])
        one = (*this, _tally.c.what == each.what)
        row = tx.execute(
            sa.update(_tally)
            .where(*one)
            .values(count=_tally.c.count + 1)
            .returning(_tally.c.count, _tally.c.closed, _tally.c.ends)
        ).one()
        times, closed, ends = row
        if closed:
            found.append(Full(each.what, ends, False))
        elif times > each.limit:
            tx.execute(sa.update(_tally).where(*one).values(closed=True, ends=now + each.pause_s))
            found.append(Full(each.what, now + each.pause_s, True))
    return found


@writes(Group.OWNER)
def forget(tx: Tx, box: BoxId) -> int:
    """All counts of a source begin anew; how many were closed."""
    return forget_source(tx, box)


def forget_source(tx: Tx, box: BoxId) -> int:
    """The step of ``forget``, and of removing a source."""
    rows = tx.execute(
        sa.delete(_tally)
        .where(_tally.c.owner_id == SYSTEM_OWNER, _tally.c.source_box == box)
        .returning(_tally.c.closed)
    )
    return sum(1 for closed in rows.scalars() if closed)
