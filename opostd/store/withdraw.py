"""A post is taken back: out of its sources at once, and out of the boxes that have it.

The source's row goes first, in the transaction that notes the withdrawal: from then on no box that is brought up to
date can take it, and no UID is spent on it.  Then the rows in readers' boxes go, under each box's lock, some hundred
owners in a transaction; a client in IDLE sees them go.

What must stay true: a box that was being brought up to date at that very moment, or a delivery that was in some
process's memory, may still put the post there.  So the sweep is done again, until longer has passed than any
transaction or lease can last; after the last sweep no row that the policy is for is left.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.errors import NoSuchBox, NoSuchPost
from opostd.model.flags import FLAGGED, SEEN, UNCHARGED
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, PostId, Uid, post_id_text
from opostd.model.records import Withdraw
from opostd.store import posts, queue, schema
from opostd.store.by_post import is_post
from opostd.store.database import chunks
from opostd.store.dialect import inserted
from opostd.store.locks import advance, charge
from opostd.store.names import INBOX
from opostd.store.run import Group, Store, Tx, reads, writes
from opostd.store.types import PostIdType

log = logging.getLogger("opostd.store")

PAGE = 250  # boxes locked in one transaction
NEVER = 2**62
# After the first sweep, again so many seconds after the beginning: the retries of a transaction last 30 s, and a
# lease of the spool 120 s.
AGAIN_S = (1, 5, 15, 45, 150, 300)
DUE_AT_ONCE = 20

_dp, _w = schema.delivered_post, schema.withdrawal
_FIELDS = (_w.c.post_id, _w.c.policy, _w.c.begins, _w.c.next_at, _w.c.removed, _w.c.removed_seen, _w.c.kept,
           _w.c.kept_seen, _w.c.by)  # fmt: skip
_HELD = sa.select(_dp.c.owner_id, _dp.c.box_id, _dp.c.uid, _dp.c.bits).where(
    is_post(sa.bindparam("post", type_=PostIdType()))
)
_THIS = (_w.c.owner_id == SYSTEM_OWNER, _w.c.post_id == sa.bindparam("w_post"))


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """removed, kept: rows in readers' boxes; *_seen: of these, read ones.  next_at: of the next sweep, or NEVER.

    by: the login of who has taken it back; empty: whoever runs the server, or its end has come.
    """

    post: PostId
    policy: Withdraw
    begins: int
    next_at: int
    removed: int
    removed_seen: int
    kept: int
    kept_seen: int
    by: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Held:
    """A post in a box."""

    owner: OwnerId
    box: BoxId
    uid: Uid
    bits: int


async def recall(store: Store, post: PostId, policy: Withdraw, now: int, by: str = "") -> Withdrawal:
    """Takes a post back now; what the first sweep found.  Again is no error: the wider of the policies holds.

    by: whose doing it is, empty for whoever runs the server.  Raises NoSuchPost.
    """
    await begin_recall(store, post, policy, now, by)
    return await swept(store, post, now)


async def begin_recall(store: Store, post: PostId, policy: Withdraw, now: int, by: str = "") -> None:
    """From now on nobody gets it; ``swept`` takes it from those who have it, or the agent does.  Raises NoSuchPost."""
    if post not in await store.run(posts.facts, [post]):
        raise NoSuchPost(f"there is no post {post_id_text(post)}")
    await store.run(queue.drop_post, post)  # what is not in its box yet need not come
    await store.run(begin, post, policy, now, by)


async def swept(store: Store, post: PostId, now: int) -> Withdrawal:
    """The first sweep, and what it found."""
    found = await sweep(store, post, now)
    log.info(
        "recalled id=%s by=%s policy=%s boxes=%d read=%d removed=%d", post_id_text(post), found.by or "administrator",
        found.policy.name.lower(), found.removed + found.kept, found.removed_seen + found.kept_seen, found.removed,
    )  # fmt: skip
    return found


async def expire(store: Store, post: PostId, end: int | None) -> None:
    """A post comes to its end at that time, or never; it then leaves boxes where it was neither flagged nor moved.

    Nothing changes for one that is taken back already.
    """
    await store.run(set_end, post, end)


@writes(Group.OWNER)
def set_end(tx: Tx, post: PostId, end: int | None) -> None:
    """The step of ``expire``."""
    waiting = (*_THIS, _w.c.policy == int(Withdraw.UNTOUCHED), _w.c.next_at == _w.c.begins)
    if end is None:
        tx.execute(sa.delete(_w).where(*waiting), {"w_post": post})
        return
    row = {"owner_id": SYSTEM_OWNER, "post_id": post, "policy": int(Withdraw.UNTOUCHED), "begins": end, "next_at": end}
    if not inserted(tx, _w, row):
        tx.execute(sa.update(_w).where(*waiting).values(begins=end, next_at=end), {"w_post": post})


async def sweep(store: Store, post: PostId, now: int) -> Withdrawal:
    """Takes the post out of every box that has it now, and says when to look again."""
    found = await store.run(withdrawal, post)
    if found is None:
        raise NoSuchPost(f"{post_id_text(post)} is not taken back")
    begins = max(found.begins, now) if found.next_at == found.begins else found.begins  # its end came a while ago
    held = sorted(await store.run(holders, post))
    readers = [each for each in held if each.owner != SYSTEM_OWNER]
    wanted = [each for each in held if each.owner == SYSTEM_OWNER or _may_go(found.policy, each.bits)]
    gone: list[Held] = []
    for page in chunks(wanted, PAGE):
        gone += await store.run(take, page, found.policy)
    gone = [each for each in gone if each.owner != SYSTEM_OWNER]
    seen = _seen(gone)
    next_at = next((begins + each for each in AGAIN_S if begins + each > now), NEVER)
    await store.run(note, post, begins, len(gone), seen, len(readers) - len(gone), _seen(readers) - seen, next_at)
    noted = await store.run(withdrawal, post)
    return noted or found


def _seen(rows: Sequence[Held]) -> int:
    return sum(1 for each in rows if each.bits & SEEN)


def _may_go(policy: Withdraw, bits: int) -> bool:
    if policy is Withdraw.UNREAD:
        return not bits & SEEN
    return policy is Withdraw.ALL or not bits & FLAGGED


@reads(Group.OWNER)
def withdrawal(tx: Tx, post: PostId) -> Withdrawal | None:
    """What is known of a post that is taken back."""
    row = tx.execute(sa.select(*_FIELDS).where(*_THIS), {"w_post": post}).first()
    return None if row is None else _withdrawal(row)


def _withdrawal(row: Sequence[int]) -> Withdrawal:
    post, policy, *numbers = row
    return Withdrawal(PostId(post), Withdraw(policy), *numbers)  # type: ignore[arg-type]


@reads(Group.OWNER)
def due(tx: Tx, now: int) -> list[PostId]:
    """Posts whose next sweep is due, the oldest first."""
    rows = tx.execute(
        sa.select(_w.c.post_id)
        .where(_w.c.owner_id == SYSTEM_OWNER, _w.c.next_at <= now)
        .order_by(_w.c.next_at)
        .limit(DUE_AT_ONCE)
    )
    return [PostId(post) for post in rows.scalars()]


@writes(Group.OWNER)
def begin(tx: Tx, post: PostId, policy: Withdraw, now: int, by: str = "") -> None:
    """Notes the withdrawal, and takes the post out of every source."""
    row = {"owner_id": SYSTEM_OWNER, "post_id": post, "policy": int(policy), "begins": now, "next_at": now, "by": by}
    if not inserted(tx, _w, row):
        wider = sa.case((_w.c.policy < int(policy), _w.c.policy), else_=int(policy))
        tx.execute(sa.update(_w).where(*_THIS).values(policy=wider, begins=now, next_at=now, by=by), {"w_post": post})
    rows = tx.execute(_HELD.where(_dp.c.owner_id == SYSTEM_OWNER), {"post": post})
    _take(tx, sorted(Held(*each) for each in rows), policy)


@reads(Group.OWNER)
def holders(tx: Tx, post: PostId) -> list[Held]:
    """Every row of a post: the one statement that goes over all owners."""
    return [
        Held(OwnerId(owner), BoxId(box), Uid(uid), bits) for owner, box, uid, bits in tx.execute(_HELD, {"post": post})
    ]


@writes(Group.OWNER)
def take(tx: Tx, rows: Sequence[Held], policy: Withdraw) -> list[Held]:
    """Removes those of the rows that the policy is for, as they are under their boxes' locks; which those were.

    rows: ascending, at most 500.
    """
    return _take(tx, rows, policy)


def _take(tx: Tx, rows: Sequence[Held], policy: Withdraw) -> list[Held]:
    if policy is Withdraw.UNTOUCHED:
        rows = _where_delivered(tx, rows)
    modseqs = {}
    for owner, box in sorted({(each.owner, each.box) for each in rows}):
        try:
            modseqs[owner, box] = advance(tx, owner, box, modseqs=1).highestmodseq
        except NoSuchBox:  # deleted meanwhile, and the row with it
            continue
    keys = [(each.owner, each.box, each.uid) for each in rows if (each.owner, each.box) in modseqs]
    if not keys:
        return []
    conditions: list[sa.ColumnElement[bool]] = [
        _dp.c.owner_id.in_({owner for owner, _, _ in keys}),
        sa.tuple_(_dp.c.owner_id, _dp.c.box_id, _dp.c.uid).in_(keys),
    ]
    if policy is not Withdraw.ALL:
        bit = SEEN if policy is Withdraw.UNREAD else FLAGGED
        conditions.append(sa.or_(_dp.c.owner_id == SYSTEM_OWNER, _dp.c.bits.bitwise_and(bit) == 0))
    deleted = tx.execute(
        sa.delete(_dp)
        .where(*conditions)
        .returning(_dp.c.owner_id, _dp.c.box_id, _dp.c.uid, _dp.c.bits, _dp.c.size, _dp.c.post_id)
    ).all()
    posts = {Held(OwnerId(owner), BoxId(box), Uid(uid), bits): post for owner, box, uid, bits, _, post in deleted}
    gone = sorted(posts)
    for owner, box, _, bits, size, _ in sorted(deleted):
        if not bits & UNCHARGED:
            charge(tx, owner, box, -size, -1)
    left = [
        {
            "owner_id": each.owner,
            "box_id": each.box,
            "modseq": modseqs[each.owner, each.box],
            "uid": each.uid,
            "post_id": posts[each],
        }
        for each in gone
    ]
    for page in chunks(left):
        tx.execute(sa.insert(schema.expunged), page)
    for owner, box in dict.fromkeys((each.owner, each.box) for each in gone):
        tx.hint(owner, box, modseqs[owner, box])
    return gone


def _where_delivered(tx: Tx, rows: Sequence[Held]) -> list[Held]:
    """Those of the rows that are where delivery puts posts: the INBOX, and boxes that a source is carried into."""
    box, sub = schema.box, schema.subscription
    owners = sorted({each.owner for each in rows})
    inboxes = tx.execute(sa.select(box.c.owner_id, box.c.box_id).where(box.c.owner_id.in_(owners), box.c.name == INBOX))
    targets = tx.execute(sa.select(sub.c.owner_id, sub.c.target_box).where(sub.c.owner_id.in_(owners)))
    places = {(owner, place) for found in (inboxes, targets) for owner, place in found}
    return [each for each in rows if each.owner == SYSTEM_OWNER or (each.owner, each.box) in places]


@writes(Group.OWNER)
def note(
    tx: Tx, post: PostId, begins: int, removed: int, removed_seen: int, kept: int, kept_seen: int, next_at: int
) -> None:
    """What a sweep has done, and when the next is due."""
    tx.execute(
        sa.update(_w)
        .where(*_THIS)
        .values(
            begins=begins,
            removed=_w.c.removed + removed,
            removed_seen=_w.c.removed_seen + removed_seen,
            kept=kept,
            kept_seen=kept_seen,
            next_at=next_at,
        ),
        {"w_post": post},
    )
