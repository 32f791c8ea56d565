"""The owners in parts, each of which one agent at a time carries for.

An agent leases a share, renews the lease while it works, and notes how far it has come; the lease of one that has
died ends, and another begins the share anew: what is carried already is found carried.  A share is due when something
was posted since it was last done, which is told by one number, or when that was long ago.
"""

import sqlalchemy as sa

from opostd.model.ids import SYSTEM_OWNER
from opostd.store import schema
from opostd.store.dialect import insert_new
from opostd.store.leasing import CLOCK_S, is_free
from opostd.store.run import Group, Tx, reads, writes

REAPER, GAUGE = 1000, 1001  # the numbers of works that are not divided
SHARES = 8  # more than anybody runs agents; each costs two transactions

_share, _box = schema.agent_share, schema.box
_LAST_OWNER = 2**63  # above every owner's id, which are random


def bounds(share: int) -> tuple[int, int]:
    """The owners of a share: above the first of these ids, below the second."""
    width = _LAST_OWNER // SHARES
    return max(SYSTEM_OWNER, share * width - 1), min((share + 1) * width, _LAST_OWNER - 1)


@reads(Group.OWNER)
def generation(tx: Tx) -> int:
    """A number that becomes another whenever something is posted to any source."""
    found: int | None = tx.execute(
        sa.select(sa.func.sum(_box.c.uidnext)).where(_box.c.owner_id == SYSTEM_OWNER)
    ).scalar()
    return int(found or 0)


@writes(Group.OWNER)
def lease(tx: Tx, holder: int, now: int, lease_s: int, generation: int, done_after: int) -> int | None:
    """A share that is due, for so many seconds, or None where there is none that nobody has.

    holder: a number of one's own.  generation: as read before.  A share that was last done before ``done_after`` is due
    in any case.
    """
    free = is_free(_share.c.lease_until, now, lease_s)
    rows = tx.execute(
        sa.select(_share.c.share, _share.c.reached, _share.c.reached_at, _share.c.lease_until)
        .where(_share.c.owner_id == SYSTEM_OWNER, _share.c.share < SHARES)
        .order_by(_share.c.reached_at, _share.c.share)
    ).all()
    if len(rows) < SHARES:
        insert_new(tx, _share, [{"owner_id": SYSTEM_OWNER, "share": number} for number in range(SHARES)])
        return lease(tx, holder, now, lease_s, generation, done_after)
    for share, reached, reached_at, lease_until in rows:
        if now < lease_until <= now + lease_s + CLOCK_S or (reached == generation and reached_at >= done_after):
            continue
        taken = tx.execute(
            sa.update(_share)
            .where(_share.c.owner_id == SYSTEM_OWNER, _share.c.share == share, free)
            .values(holder=holder, lease_until=now + lease_s)
            .returning(_share.c.share)
        )
        if taken.first() is not None:
            return int(share)
    return None


@writes(Group.OWNER)
def lease_alone(tx: Tx, work: int, holder: int, now: int, lease_s: int, done_after: int) -> bool:
    """A work of which there is one, for so many seconds; false where somebody has it, or it was done since then."""
    insert_new(tx, _share, [{"owner_id": SYSTEM_OWNER, "share": work}])
    taken = tx.execute(
        sa.update(_share)
        .where(
            _share.c.owner_id == SYSTEM_OWNER,
            _share.c.share == work,
            is_free(_share.c.lease_until, now, lease_s),
            sa.or_(_share.c.reached_at <= done_after, _share.c.reached_at > now + CLOCK_S),
        )
        .values(holder=holder, lease_until=now + lease_s)
        .returning(_share.c.share)
    )
    return taken.first() is not None


@writes(Group.OWNER)
def renew(tx: Tx, share: int, holder: int, now: int, lease_s: int) -> bool:
    """The lease goes on for so many seconds from now; false where somebody else has it."""
    return _change(tx, share, holder, lease_until=now + lease_s)


@writes(Group.OWNER)
def done(tx: Tx, share: int, holder: int, generation: int, now: int) -> bool:
    """The share is given back; all of its owners have what there was at that generation."""
    return _change(tx, share, holder, lease_until=0, reached=generation, reached_at=now)


@writes(Group.OWNER)
def give_back(tx: Tx, share: int, holder: int) -> bool:
    """The share is given back as it was."""
    return _change(tx, share, holder, lease_until=0)


def _change(tx: Tx, share: int, holder: int, **values: int) -> bool:
    this = (_share.c.owner_id == SYSTEM_OWNER, _share.c.share == share, _share.c.holder == holder)
    changed = tx.execute(sa.update(_share).where(*this).values(**values).returning(_share.c.share))
    return changed.first() is not None
