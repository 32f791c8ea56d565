"""How far a post has come: counted from our own rows, without pixels and receipts.

"Seen" means that the reader's mail program has set ``\\Seen``.  What a reader has deleted is known as missing: it was
carried there, and is there no more; whether they had read it stands in ``dismissed``.  When somebody has read it is not
kept, only whether; counts are, now and then (``store.reached``).  Counts, and names for owners alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from opostd.model.flags import FLAGGED, SEEN
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, PostId, Uid
from opostd.store import schema
from opostd.store.by_post import is_post
from opostd.store.run import Group, Tx, reads

HOUR_S, DAY_S = 3600, 86400
MIN_READERS = 5  # of fewer, what "most have not read it" says of each is too much

_dp, _sub, _unread = schema.delivered_post, schema.subscription, schema.dismissed


@dataclass(frozen=True, slots=True)
class Place:
    """A source that has the post, under this UID.  posted: when it came there."""

    source: BoxId
    uid: Uid
    posted: int


@dataclass(frozen=True, slots=True)
class Reach:
    """People, each once.  subscribed: for whom a source has it; carried: into whose boxes it has come from there;
    have: who has it now, however it came; seen, flagged: of these; gone: carried, and there no more; dismissed: of
    these, who deleted it without having read it.
    """

    subscribed: int
    carried: int
    have: int
    seen: int
    flagged: int
    gone: int
    dismissed: int = 0

    @property
    def pending(self) -> int:
        """Those who have not looked since."""
        return self.subscribed - self.carried


@reads(Group.OWNER)
def places(tx: Tx, post: PostId) -> list[Place]:
    """The sources that have the post."""
    rows = tx.execute(
        sa.select(_dp.c.box_id, _dp.c.uid, _dp.c.savedate)
        .where(_dp.c.owner_id == SYSTEM_OWNER, is_post(post))
        .order_by(_dp.c.box_id)
    )
    return [Place(BoxId(box), Uid(uid), savedate) for box, uid, savedate in rows]


@dataclass(frozen=True, slots=True)
class Reader:
    """What a post is to one person.

    subscribed: a source that they read has it; carried: it has come into their box from there.  bits: the flags of all
    their rows together, None where they have none; saved: when the first of these came.  dismissed: they have deleted
    it without having read it.
    """

    owner: OwnerId
    subscribed: bool
    carried: bool
    bits: int | None = None
    saved: int = 0
    dismissed: bool = False

    @property
    def state(self) -> str:
        """In a word or two."""
        if self.bits is None:
            return "deleted unread" if self.dismissed else "deleted" if self.carried else "pending"
        return "flagged" if self.bits & FLAGGED else "read" if self.bits & SEEN else "unread"


@reads(Group.OWNER)
def reach(tx: Tx, post: PostId) -> Reach:
    """The counts of one post; goes over the subscriptions of its sources, and over the boxes that have it.

    The database counts: of a broadcast to a million nothing but the counts comes here.
    """
    ways = [
        _each(_sub.c.owner_id, subscribed=sa.literal(1), carried=sa.case((_sub.c.watermark >= place.uid, 1), else_=0))
        .where(_sub.c.source_box == place.source, _sub.c.joined < place.uid)
        for place in places(tx, post)
    ]  # fmt: skip
    has = _each(
        _dp.c.owner_id,
        have=sa.literal(1),
        seen=_dp.c.bits.bitwise_and(SEEN),
        flagged=sa.case((_dp.c.bits.bitwise_and(FLAGGED) != 0, 1), else_=0),
    ).where(is_post(post), _dp.c.owner_id != SYSTEM_OWNER)
    unread = _each(_unread.c.owner_id, dismissed=sa.literal(1)).where(_unread.c.post_id == post)
    rows = sa.union_all(*ways, has, unread).subquery()
    maxima = [sa.func.max(rows.c[name]).label(name) for name in _FACTS]
    people = sa.select(rows.c.owner_id, *maxima).group_by(rows.c.owner_id).subquery()
    missing = sa.case((people.c.carried > people.c.have, 1), else_=0)
    sums = (
        *(people.c[name] for name in _FACTS[:-1]), missing, sa.case((people.c.dismissed > people.c.have, 1), else_=0)
    )  # fmt: skip
    return Reach(*(int(each or 0) for each in tx.execute(sa.select(*map(sa.func.sum, sums))).one()))


_FACTS = ("subscribed", "carried", "have", "seen", "flagged", "dismissed")


def _each(owner: sa.Column[int], **facts: sa.ColumnElement[int]) -> sa.Select[*tuple[Any, ...]]:
    """What a table knows of each owner: these facts, of the others nothing."""
    return sa.select(owner.label("owner_id"), *(facts.get(name, sa.literal(0)).label(name) for name in _FACTS))


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
                _sub.c.source_box == place.source, _sub.c.joined < place.uid
            )
        )
        for owner, has in rows:
            subscribed.add(owner)
            if has:
                carried.add(owner)
    flags: dict[int, int] = {}
    saved: dict[int, int] = {}
    for owner, bits, savedate in tx.execute(
        sa.select(_dp.c.owner_id, _dp.c.bits, _dp.c.savedate).where(is_post(post), _dp.c.owner_id != SYSTEM_OWNER)
    ):
        flags[owner] = flags.get(owner, 0) | bits
        saved[owner] = min(savedate, saved.get(owner, savedate))
    unread = set(tx.execute(sa.select(_unread.c.owner_id).where(_unread.c.post_id == post)).scalars())
    return [
        Reader(
            OwnerId(owner), owner in subscribed, owner in carried, flags.get(owner), saved.get(owner, 0),
            owner in unread and owner not in flags,
        )
        for owner in subscribed | flags.keys()
    ]  # fmt: skip


@reads(Group.OWNER)
def arrivals(tx: Tx, post: PostId) -> list[tuple[int, int]]:
    """How many people's it has become by when: the ends of hours, or of days, as ``over_time`` has them.

    Of those who have it still.
    """
    first = (
        sa.select(sa.func.min(_dp.c.savedate).label("saved"))
        .where(is_post(post), _dp.c.owner_id != SYSTEM_OWNER)
        .group_by(_dp.c.owner_id)
        .subquery()
    )
    hour = (first.c.saved - first.c.saved % HOUR_S).label("hour")
    return over_time((int(at), count) for at, count in tx.execute(sa.select(hour, sa.func.count()).group_by(hour)))


def over_time(hours: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Counts so far at the ends of hours, or of days (UTC) where it took longer than two.

    hours: beginnings of hours, each once, and how many came in it.
    """
    found = sorted(hours)
    if not found:
        return []
    step = HOUR_S if found[-1][0] - found[0][0] <= 2 * DAY_S else DAY_S
    counts: dict[int, int] = {}
    so_far = 0
    for hour, count in found:
        so_far += count
        counts[(hour // step + 1) * step] = so_far
    return list(counts.items())


@reads(Group.OWNER)
def subscribers(tx: Tx, source: BoxId) -> int:
    """How many people read a source."""
    count: int = tx.execute(
        sa.select(sa.func.count(_sub.c.owner_id.distinct())).where(_sub.c.source_box == source)
    ).scalar_one()
    return count
