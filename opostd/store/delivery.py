"""Posts into boxes: commit 2 of design.md 4; charged to the owner of the box, but in a source box.

UIDs are taken from the box under its lock, so they become visible in the order of commits, and a delivery that runs
again finds its posts there: a post that the box has keeps its UID and costs no modseq.  One that may have been there
(``again``) is looked for among what has left the box, too: its reader may have moved or expunged it meanwhile.

Several boxes are one transaction of a few statements (``store.placing``), locked in ascending order; a box that
cannot take its posts keeps none of the others waiting.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from opostd.model.errors import NoSuchBox, OverQuota
from opostd.model.flags import UNCHARGED
from opostd.model.ids import SYSTEM_OWNER, BoxId, ModSeq, OwnerId, PostId, Uid
from opostd.model.records import UNLIMITED, Box, Quota
from opostd.store import quota, schema
from opostd.store.database import chunks
from opostd.store.dialect import NewRow
from opostd.store.placing import Charge, Key, charge_all, give_back, insert_all
from opostd.store.run import Group, Tx, writes

_gone = schema.expunged


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
    (found,) = deliver_many(tx, [(owner, box, posts)], now, default)
    if not isinstance(found, Delivered):
        raise found
    return found


@writes(Group.OWNER)
def deliver_many(
    tx: Tx, deliveries: Sequence[Order], now: int, default: Quota | None = UNLIMITED, *, new: bool = False
) -> list[Delivered | NoSuchBox | OverQuota]:
    """``deliver`` for several boxes in one transaction; in the place of a box that cannot take its posts, the error.

    The same box may stand there several times: its posts go in in the order given.  new: the same transaction keeps
    these posts, so that they are in no box yet, and none is looked for unless an earlier try may have put it there.
    """
    lots: dict[Key, _Lot] = {}
    for owner, box, posts in deliveries:
        lot = lots.setdefault((owner, box), _Lot((owner, box)))
        lot.posts += posts
    # Ascending, so that two of these never wait for each other.
    over = _put(tx, [lots[key] for key in sorted(lots)], now, default, new and not tx.again)
    results: list[Delivered | NoSuchBox | OverQuota] = []
    for at, (owner, box, posts) in enumerate(deliveries):
        lot = lots[owner, box]
        if owner not in over:
            results.append(lot.result(posts))
        elif len(deliveries) == 1:
            results.append(OverQuota("over quota"))
        else:  # what has room goes in, in the order given; its box is locked already
            results += deliver_many(tx, [deliveries[at]], now, default, new=new)
    return results


@dataclass(slots=True)
class _Lot:
    """What goes into one box.  box: None until it is locked; uids: of all its posts, in the end."""

    key: Key
    posts: list[Delivery] = field(default_factory=list)
    box: Box | None = None
    uids: dict[PostId, Uid] = field(default_factory=dict)
    fresh: dict[PostId, Delivery] = field(default_factory=dict)

    @property
    def bits(self) -> int:
        return UNCHARGED if self.key[0] == SYSTEM_OWNER else 0

    def charge(
        self, posts: Collection[Delivery], sign: int, modseqs: int, ids: Sequence[PostId] = ()
    ) -> Charge:  # fmt: skip
        octets, messages = (0, 0) if self.bits else (sum(each.size for each in posts), len(posts))
        return Charge(self.key, sign * octets, sign * messages, sign * len(posts), modseqs, ids)

    def result(self, posts: Sequence[Delivery]) -> Delivered | NoSuchBox:
        if self.box is None:
            return NoSuchBox("no such mailbox")
        fresh = len({each.post for each in posts} & self.fresh.keys())
        uids = tuple(self.uids[each.post] for each in posts)
        return Delivered(self.box.uidvalidity, uids, self.box.highestmodseq, fresh)


def _put(tx: Tx, lots: Sequence[_Lot], now: int, default: Quota | None, in_no_box: bool) -> set[OwnerId]:
    """Puts in what there is room for; the owners who have no room for all of theirs, and were given nothing.

    in_no_box: they are in none yet, but for what is ``again``.
    """
    # The locks first, with as many UIDs as may be needed; what is there already is given back.
    charges = [
        lot.charge(
            lot.posts, 1, 1, tuple(dict.fromkeys(each.post for each in lot.posts if each.again or not in_no_box))
        )
        for lot in lots
    ]
    charged = charge_all(tx, charges)
    limits: dict[OwnerId, quota.Own] = {}
    back: list[Charge] = []
    for lot in lots:
        if (found := charged.get(lot.key)) is None:
            continue
        lot.box, lot.uids = found.box, found.known
        doubtful = [each.post for each in lot.posts if (each.again or tx.again) and each.post not in lot.uids]
        if doubtful:
            lot.uids |= _left(tx, *lot.key, doubtful)
        lot.fresh = {each.post: each for each in lot.posts if each.post not in lot.uids}
        if lot.fresh:
            limits[lot.key[0]] = quota.Own(*found.limits)
        if len(lot.fresh) < len(lot.posts):
            all_of_it, new = lot.charge(lot.posts, 1, 1), lot.charge(lot.fresh.values(), 1, 1 if lot.fresh else 0)
            less = Charge(
                lot.key,
                new.octets - all_of_it.octets,
                new.messages - all_of_it.messages,
                new.uids - all_of_it.uids,
                new.modseqs - all_of_it.modseqs,
            )
            lot.box = replace(
                lot.box,
                uidnext=Uid(lot.box.uidnext + less.uids),
                highestmodseq=ModSeq(lot.box.highestmodseq + less.modseqs),
            )
            back.append(less)
    give_back(tx, back)
    over = set() if default is None else quota.exceeded(tx, limits, default)
    coming = [lot for lot in lots if lot.box is not None and lot.fresh]
    give_back(tx, [lot.charge(lot.fresh.values(), -1, -1) for lot in coming if lot.key[0] in over])
    rows: list[tuple[Key, ModSeq, NewRow]] = []
    for lot in coming:
        assert lot.box is not None
        if lot.key[0] in over:
            continue
        modseq = lot.box.highestmodseq
        for uid, (id_, each) in enumerate(lot.fresh.items(), lot.box.uidnext - len(lot.fresh)):
            lot.uids[id_] = Uid(uid)
            row = (uid, each.internaldate, each.size, each.bits | lot.bits, id_, " ".join(each.keywords))
            rows.append((lot.key, modseq, row))
        tx.hint(*lot.key, modseq)
    insert_all(tx, now, rows)
    return over


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
