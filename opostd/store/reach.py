"""How far a post has come: counted from our own rows, without pixels and receipts.

"Seen" means that the reader's mail program has set ``\\Seen``.  What a reader has deleted is known only as missing:
it was carried there, and is there no more.  When somebody has read it is not kept, only whether.  Counts, and names for
owners alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.flags import FLAGGED, SEEN
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, PostId, Uid
from opostd.store import schema
from opostd.store.run import Group, Tx, reads

HOUR_S, DAY_S = 3600, 86400
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


@dataclass(frozen=True, slots=True)
class Reader:
    """What a post is to one person.

    subscribed: a source that they read has it; carried: it has come into their box from there.  bits: the flags of all
    their rows together, None where they have none; saved: when the first of these came.
    """

    owner: OwnerId
    subscribed: bool
    carried: bool
    bits: int | None = None
    saved: int = 0

    @property
    def state(self) -> str:
        """In one word."""
        if self.bits is None:
            return "deleted" if self.carried else "pending"
        return "flagged" if self.bits & FLAGGED else "read" if self.bits & SEEN else "unread"


@reads(Group.OWNER)
def reach(tx: Tx, post: PostId) -> Reach:
    """The counts of one post; goes over the subscriptions of its sources, and over the boxes that have it."""
    found = _readers(tx, post)
    bits = [each.bits for each in found if each.bits is not None]
    return Reach(
        subscribed=sum(each.subscribed for each in found),
        carried=sum(each.carried for each in found),
        have=len(bits),
        seen=sum(1 for each in bits if each & SEEN),
        flagged=sum(1 for each in bits if each & FLAGGED),
        gone=sum(each.carried and each.bits is None for each in found),
    )


@reads(Group.OWNER)
def readers(tx: Tx, post: PostId) -> list[Reader]:
    """Person by person, by their ids: for whoever may know."""
    return sorted(_readers(tx, post), key=lambda each: each.owner)


def _readers(tx: Tx, post: PostId) -> list[Reader]:
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
    saved: dict[int, int] = {}
    for owner, bits, savedate in tx.execute(
        sa.select(_dp.c.owner_id, _dp.c.bits, _dp.c.savedate).where(
            _dp.c.post_id == post, _dp.c.owner_id != SYSTEM_OWNER
        )
    ):
        flags[owner] = flags.get(owner, 0) | bits
        saved[owner] = min(savedate, saved.get(owner, savedate))
    return [
        Reader(OwnerId(owner), owner in subscribed, owner in carried, flags.get(owner), saved.get(owner, 0))
        for owner in subscribed | flags.keys()
    ]


def over_time(found: Sequence[Reader]) -> list[tuple[int, int]]:
    """How many had it by when: the ends of hours, or of days (UTC) where it took longer than two, and counts so far.

    Of those who have it still.
    """
    times = sorted(each.saved for each in found if each.bits is not None)
    if not times:
        return []
    step = HOUR_S if times[-1] - times[0] <= 2 * DAY_S else DAY_S
    counts: dict[int, int] = {}
    for at, time in enumerate(times, 1):
        counts[(time // step + 1) * step] = at
    return list(counts.items())


@reads(Group.OWNER)
def subscribers(tx: Tx, source: BoxId) -> int:
    """How many people read a source."""
    count: int = tx.execute(
        sa.select(sa.func.count(_sub.c.owner_id.distinct())).where(
            _sub.c.source_owner == SYSTEM_OWNER, _sub.c.source_box == source
        )
    ).scalar_one()
    return count
