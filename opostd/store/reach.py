"""How far a post has come: counted from our own rows, without pixels and receipts.

"Seen" means that the reader's mail program has set ``\\Seen``.  What a reader has deleted is known only as missing:
it was carried there, and is there no more.  Counts, never names.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.flags import FLAGGED, SEEN
from opostd.model.ids import SYSTEM_OWNER, BoxId, PostId, Uid
from opostd.store import schema
from opostd.store.run import Group, Tx, reads

MIN_READERS = 5  # of fewer, what "most have not read it" says of each is too much

_dp, _sub = schema.delivered_post, schema.subscription


@dataclass(frozen=True, slots=True)
class Place:
    """A source that has the post, under this UID.  posted: when it came there."""

    source: BoxId
    uid: Uid
    posted: int


@dataclass(frozen=True, slots=True)
class Reach:
    """People, each once.  subscribed: for whom a source has it; carried: into whose boxes it has come from there;
    have: who has it now, however it came; seen, flagged: of these; gone: carried, and there no more.
    """

    subscribed: int
    carried: int
    have: int
    seen: int
    flagged: int
    gone: int

    @property
    def pending(self) -> int:
        """Those who have not looked since."""
        return self.subscribed - self.carried


@reads(Group.OWNER)
def places(tx: Tx, post: PostId) -> list[Place]:
    """The sources that have the post."""
    rows = tx.execute(
        sa.select(_dp.c.box_id, _dp.c.uid, _dp.c.savedate)
        .where(_dp.c.owner_id == SYSTEM_OWNER, _dp.c.post_id == post)
        .order_by(_dp.c.box_id)
    )
    return [Place(BoxId(box), Uid(uid), savedate) for box, uid, savedate in rows]


@reads(Group.OWNER)
def reach(tx: Tx, post: PostId) -> Reach:
    """The counts of one post; goes over the subscriptions of its sources, and over the boxes that have it."""
    subscribed: set[int] = set()
    carried: set[int] = set()
    for place in places(tx, post):
        rows = tx.execute(
            sa.select(_sub.c.owner_id, _sub.c.watermark >= place.uid).where(
                _sub.c.source_owner == SYSTEM_OWNER, _sub.c.source_box == place.source, _sub.c.joined < place.uid
            )
        )
        for owner, has in rows:
            subscribed.add(owner)
            if has:
                carried.add(owner)
    flags: dict[int, int] = {}
    for owner, bits in tx.execute(
        sa.select(_dp.c.owner_id, _dp.c.bits).where(_dp.c.post_id == post, _dp.c.owner_id != SYSTEM_OWNER)
    ):
        flags[owner] = flags.get(owner, 0) | bits
    return Reach(
        subscribed=len(subscribed),
        carried=len(carried),
        have=len(flags),
        seen=sum(1 for bits in flags.values() if bits & SEEN),
        flagged=sum(1 for bits in flags.values() if bits & FLAGGED),
        gone=len(carried - flags.keys()),
    )


@reads(Group.OWNER)
def subscribers(tx: Tx, source: BoxId) -> int:
    """How many people read a source."""
    count: int = tx.execute(
        sa.select(sa.func.count(_sub.c.owner_id.distinct())).where(
            _sub.c.source_owner == SYSTEM_OWNER, _sub.c.source_box == source
        )
    ).scalar_one()
    return count
