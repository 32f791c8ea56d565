"""Posts into boxes: commit 2 of design.md 4; charged to the owner of the box, but in a source box.

UIDs are taken from the box under its lock, so they become visible in the order of commits, and a delivery that runs
again finds its posts there: a post that the box has keeps its UID and costs no modseq.  One that may have been there
(``again``) is looked for among what has left the box, too: its reader may have moved or expunged it meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.errors import NoSuchBox, OverQuota
from opostd.model.flags import UNCHARGED
from opostd.model.ids import SYSTEM_OWNER, BoxId, ModSeq, OwnerId, PostId, Uid
from opostd.model.records import UNLIMITED, Quota
from opostd.store import quota, schema
from opostd.store.database import chunks
from opostd.store.dialect import among, insert_delivered
from opostd.store.locks import charge
from opostd.store.run import Group, Tx, writes

_dp, _gone = schema.delivered_post, schema.expunged
_KNOWN = {
    dialect: sa.select(_dp.c.post_id, _dp.c.uid).where(
        _dp.c.owner_id == sa.bindparam("owner", type_=sa.BigInteger),
        _dp.c.box_id == sa.bindparam("box", type_=sa.BigInteger),
        ids,
    )
    for dialect, ids in among(_dp.c.post_id).items()
}

_KNOWN_ONE = sa.select(_dp.c.post_id, _dp.c.uid).where(
    _dp.c.owner_id == sa.bindparam("owner"), _dp.c.box_id == sa.bindparam("box"), _dp.c.post_id == sa.bindparam("id")
)
FEW = 8  # posts that SQLite finds one by one sooner than as a list


@dataclass(frozen=True, slots=True)
class Delivery:
    """A post on its way into a box.  size: its octets; bits, keywords: the flags it arrives with (APPEND).

    again: an earlier try may have put it there, and whoever tried could not say.
    """

    post: PostId
    size: int
    internaldate: int
    bits: int = 0
    keywords: tuple[str, ...] = ()
    again: bool = False


Order = tuple[OwnerId, BoxId, Sequence[Delivery]]
"""What is to be put into one box."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """uids: of each post, in the order given; modseq: of the box now; fresh: how many were not there before."""

    uidvalidity: int
    uids: tuple[Uid, ...]
    modseq: ModSeq
    fresh: int


@writes(Group.OWNER)
def deliver(
    tx: Tx, owner: OwnerId, box: BoxId, posts: Sequence[Delivery], now: int, default: Quota | None = UNLIMITED
) -> Delivered:
    """Puts posts into one box, all of them or none.

    posts: 1 to 500; one that the box has keeps its UID (the lowest, where COPY has made several rows of it).  now:
    their SAVEDATE.  default: limits of an account that has none of its own; None is that no limit is looked at.
    Raises NoSuchBox, LimitReached; OverQuota, with all that was taken given back.
    """
    free = UNCHARGED if owner == SYSTEM_OWNER else 0
    octets, messages = (0, 0) if free else (sum(each.size for each in posts), len(posts))
    # The lock first, with as many UIDs as may be needed; what is there already is given back.
    taken, *own = charge(tx, owner, box, octets, messages, uids=len(posts), modseqs=1)
    uids = known_uids(tx, owner, box, [each.post for each in posts])
    doubtful = [each.post for each in posts if (each.again or tx.again) and each.post not in uids]
    if doubtful:
        uids |= _left(tx, owner, box, doubtful)
    fresh = {each.post: each for each in posts if each.post not in uids}
    given_back = len(posts) - len(fresh)
    if given_back:
        fresh_octets, fresh_messages = (0, 0) if free else (sum(each.size for each in fresh.values()), len(fresh))
        taken, *own = charge(
            tx, owner, box, fresh_octets - octets, fresh_messages - messages,
            uids=-given_back, modseqs=0 if fresh else -1,
        )  # fmt: skip
        octets, messages = fresh_octets, fresh_messages
    if fresh and default is not None:
        try:
            quota.check(tx, owner, quota.Own(*own), default)
        except OverQuota:
            charge(tx, owner, box, -octets, -messages, uids=-len(fresh), modseqs=-1)
            raise
    first = taken.uidnext - len(fresh)
    uids.update((id_, Uid(uid)) for uid, id_ in enumerate(fresh, first))
    if fresh:
        rows = [
            (uids[id_], each.internaldate, each.size, each.bits | free, id_, " ".join(each.keywords))
            for id_, each in fresh.items()
        ]
        insert_delivered(tx, owner, box, taken.highestmodseq, now, rows)
        tx.hint(owner, box, taken.highestmodseq)
    return Delivered(taken.uidvalidity, tuple(uids[each.post] for each in posts), taken.highestmodseq, len(fresh))


@writes(Group.OWNER)
def deliver_many(
    tx: Tx, deliveries: Sequence[Order], now: int, default: Quota = UNLIMITED
) -> list[Delivered | NoSuchBox | OverQuota]:
    """``deliver`` for several boxes in one transaction; in the place of a box that cannot take its posts, the error.

    The same box may stand there several times: its posts go in in the order given.
    """
    results: dict[int, Delivered | NoSuchBox | OverQuota] = {}
    # Ascending, so that two of these never wait for each other; stable, so that a box keeps its order.
    for at in sorted(range(len(deliveries)), key=lambda at: deliveries[at][:2]):
        owner, box, posts = deliveries[at]
        try:
            results[at] = deliver(tx, owner, box, posts, now, default)
        except (NoSuchBox, OverQuota) as error:  # with nothing written, or nothing left of it
            results[at] = error
    return [results[at] for at in range(len(deliveries))]


def _left(tx: Tx, owner: OwnerId, box: BoxId, ids: Sequence[PostId]) -> dict[PostId, Uid]:
    """The UIDs under which posts were in the box, that have left it.  Goes through all that left: rare, slow."""
    found: dict[PostId, Uid] = {}
    for page in chunks(ids):
        rows = tx.execute(
            sa.select(_gone.c.post_id, _gone.c.uid).where(
                _gone.c.owner_id == owner, _gone.c.box_id == box, _gone.c.post_id.in_(page)
            )
        )
        found.update((PostId(post), Uid(uid)) for post, uid in rows)
    return found


def known_uids(tx: Tx, owner: OwnerId, box: BoxId, ids: Sequence[PostId]) -> dict[PostId, Uid]:
    """The UIDs of those posts that the box has; to be read under its lock."""
    found: dict[PostId, Uid] = {}
    if tx.dialect == "sqlite" and len(ids) <= FEW:
        rows = [row for id_ in ids for row in tx.rows(_KNOWN_ONE, {"owner": owner, "box": box, "id": id_})]
        for id_, uid in sorted(rows, key=lambda row: -row[1]):
            found[PostId(id_)] = Uid(uid)
        return found
    for page in chunks(ids):
        for row in tx.execute(_KNOWN[tx.dialect], {"owner": owner, "box": box, "ids": list(page)}):
            post, uid = PostId(row[0]), Uid(row[1])
            found[post] = min(uid, found.get(post, uid))
    return found
