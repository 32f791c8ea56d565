"""Who is logged in with a browser: kept here, so that each process knows it, and a log-out counts at once.

A session is known by a token that only the browser has; here is its digest.  ``mark`` is a digest of the password's
secret at the log-in: a changed password ends the session whoever changes it (security.md 1.6).
"""

import sqlalchemy as sa

from opostd.model.ids import OwnerId
from opostd.store import schema
from opostd.store.dialect import insert_new
from opostd.store.run import Group, Tx, reads, writes

MAX_SESSIONS = 50  # of one account: browsers that never log out; the oldest goes

_session = schema.session


@writes(Group.OWNER)
def begin(tx: Tx, owner: OwnerId, digest: str, mark: str, now: int, ends: int) -> None:
    """A new session; those of the owner that are over go."""
    mine = _session.c.owner_id == owner
    tx.execute(sa.delete(_session).where(mine, _session.c.ends <= now))
    rows = tx.execute(sa.select(_session.c.digest).where(mine).order_by(_session.c.ends.desc(), _session.c.digest))
    for oldest in rows.scalars().all()[MAX_SESSIONS - 1 :]:
        tx.execute(sa.delete(_session).where(mine, _session.c.digest == oldest))
    insert_new(tx, _session, [{"owner_id": owner, "digest": digest, "mark": mark, "ends": ends}])


@reads(Group.OWNER)
def mark(tx: Tx, owner: OwnerId, digest: str, now: int) -> str | None:
    """The mark of a session that is not over; None where there is none."""
    found: str | None = tx.execute(
        sa.select(_session.c.mark).where(
            _session.c.owner_id == owner, _session.c.digest == digest, _session.c.ends > now
        )
    ).scalar()
    return found


@writes(Group.OWNER)
def end(tx: Tx, owner: OwnerId, digest: str) -> None:
    """No error where there is none."""
    tx.execute(sa.delete(_session).where(_session.c.owner_id == owner, _session.c.digest == digest))
