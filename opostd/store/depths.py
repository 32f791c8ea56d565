"""How much waits, and how long already: counted when somebody asks, and never on the way of a message."""

from dataclasses import dataclass

import sqlalchemy as sa

from opostd.store import schema
from opostd.store.run import Group, Tx, reads
from opostd.store.spooling import HELD_AT


@dataclass(frozen=True, slots=True)
class Depth:
    """waiting: what is tried again by itself; held: what somebody must decide; oldest: when the first of the waiting
    was accepted, seconds since 1970, or 0."""

    waiting: int
    held: int
    oldest: int


@reads(Group.POST)
def of_posts(tx: Tx) -> dict[str, Depth]:
    """``local``: for boxes here; ``outgoing``: for other servers; ``moderation``: for a moderator."""
    moderated = tx.execute(sa.select(sa.func.count()).select_from(schema.held)).scalar_one()
    return {
        "local": _depth(tx, schema.spool),
        "outgoing": _depth(tx, schema.outgoing),
        "moderation": Depth(0, moderated, 0),
    }


@reads(Group.OWNER)
def set_aside(tx: Tx) -> Depth:
    """Posts that a box refused when a subscription carried them."""
    return _depth(tx, schema.set_aside)


def _depth(tx: Tx, table: sa.Table) -> Depth:
    tried = table.c.next_at < HELD_AT
    every, waiting, oldest = tx.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(sa.case((tried, 1), else_=0)), 0),
            sa.func.min(sa.case((tried, table.c.created))),
        )
    ).one()
    return Depth(int(waiting), every - int(waiting), oldest or 0)
