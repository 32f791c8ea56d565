"""Who has looked at their mail lately: the agent carries for them, and leaves the idle alone.

A row for each owner who ever looked within the time that counts, written once a day: a SELECT costs nothing more.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from opostd.model.ids import OwnerId
from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.dialect import insert_new
from opostd.store.run import Group, Tx, reads, writes

_active = schema.active


@writes(Group.OWNER)
def note(tx: Tx, owners: Sequence[OwnerId], now: int) -> None:
    """These have looked at their mail."""
    for page in chunks(sorted(set(owners))):
        tx.execute(sa.update(_active).where(_active.c.owner_id.in_(page)).values(seen=now))
        insert_new(tx, _active, [{"owner_id": owner, "seen": now} for owner in page])


@reads(Group.OWNER)
def owners(tx: Tx, after: int, end: int, since: int, limit: int) -> list[OwnerId]:
    """Who has looked since that time, ascending; of those above one id and below another."""
    rows = tx.execute(
        sa.select(_active.c.owner_id)
        .where(_active.c.owner_id > after, _active.c.owner_id < end, _active.c.seen >= since)
        .order_by(_active.c.owner_id)
        .limit(limit)
    )
    return [OwnerId(owner) for owner in rows.scalars()]


@reads(Group.OWNER)
def seen(tx: Tx, owner: OwnerId) -> int | None:
    """When somebody last looked, to the day or so; None where that is not known."""
    found: int | None = tx.execute(sa.select(_active.c.seen).where(_active.c.owner_id == owner)).scalar()
    return found


@writes(Group.OWNER)
def forget(tx: Tx, after: int, end: int, before: int) -> None:
    """Who has not looked since that time is idle; of those above one id and below another."""
    tx.execute(sa.delete(_active).where(_active.c.owner_id > after, _active.c.owner_id < end, _active.c.seen < before))
