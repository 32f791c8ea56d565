"""Sources, their members and subscriptions, step by step: one transaction of the owner group each.

``provision`` puts the steps together with the directory's.  A source is a box of the system account; members and
policy stand with it.  Somebody who reads it has a subscription with their own boxes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from opostd.model.errors import NoSuchAddress
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, PostId
from opostd.model.records import Joining, MemberRole, Moderation, PostPolicy, Recall, Source
from opostd.store import nesting, petitions, schema, tally
from opostd.store.boxes import box_named, insert_boxes, remove, uidvalidities
from opostd.store.database import chunks
from opostd.store.dialect import insert_new, inserted
from opostd.store.locks import lock
from opostd.store.names import INBOX
from opostd.store.newcomers import subscribe
from opostd.store.run import Group, Tx, reads, writes
from opostd.store.sync import carry, forget

ADMINISTRATORS = BoxId(0)
"""The member list of those who may write to `everyone`; no box has this id."""

_member, _source, _sub = schema.member, schema.source, schema.subscription
_SOURCE = sa.select(
    _source.c.owner_id,
    _source.c.box_id,
    _source.c.address,
    _source.c.title,
    _source.c.post,
    _source.c.history,
    _source.c.expiry_s,
    _source.c.bounces_to,
    _source.c.outside,
    _source.c.moderation,
    _source.c.joining,
    _source.c.archive,
    _source.c.archived_at,
    _source.c.brake,
    _source.c.sender_posts,
    _source.c.all_posts,
    _source.c.recall,
)
_SYSTEM = _source.c.owner_id == SYSTEM_OWNER
_OF_BOX = _SOURCE.where(_SYSTEM, _source.c.box_id == sa.bindparam("box", type_=sa.BigInteger))


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who reads a source, or may send to it.  address: their login when they joined."""

    owner: OwnerId
    address: str
    role: MemberRole


def _source_of(row: Any) -> Source:
    owner, box, address, title, post, history, expiry_s, bounces_to, outside = row[:9]
    moderation, joining, archive, archived_at, brake, sender_posts, all_posts, recall = row[9:]
    return Source(
        OwnerId(owner),
        BoxId(box),
        address,
        title,
        PostPolicy(post),
        history,
        expiry_s,
        bounces_to,
        bool(outside),
        Moderation(moderation),
        Joining(joining),
        archive,
        archived_at,
        brake,
        sender_posts,
        all_posts,
        Recall(recall),
    )


@reads(Group.OWNER)
def source(tx: Tx, box: BoxId) -> Source | None:
    """The policy of a source box."""
    rows = tx.rows(_OF_BOX, {"box": box})
    return _source_of(rows[0]) if rows else None


@reads(Group.OWNER)
def with_below(tx: Tx, box: BoxId) -> tuple[Source | None, list[BoxId]]:
    """A source, and all groups below it: what is asked for each post to it, so at once where there are none."""
    rows, inner = tx.rows_of((_OF_BOX, {"box": box}), (nesting.MEMBERS_OF_ONE, {"source": box}))
    return _source_of(rows[0]) if rows else None, nesting.below(tx, box) if inner else []


@reads(Group.OWNER)
def source_at(tx: Tx, address: str) -> Source | None:
    """The source that has, or had, this address."""
    row = tx.execute(_SOURCE.where(_SYSTEM, _source.c.address == address)).first()
    return None if row is None else _source_of(row)


@reads(Group.OWNER)
def sources(tx: Tx) -> list[Source]:
    """All sources, by address."""
    rows = tx.execute(_SOURCE.where(_SYSTEM).order_by(_source.c.address))
    return [_source_of(row) for row in rows]


@reads(Group.OWNER)
def newest(tx: Tx, source_box: BoxId, limit: int) -> list[PostId]:
    """The posts that came last into a source, the last first."""
    dp = schema.delivered_post
    rows = tx.execute(
        sa.select(dp.c.post_id)
        .where(dp.c.owner_id == SYSTEM_OWNER, dp.c.box_id == source_box)
        .order_by(dp.c.uid.desc())
        .limit(limit)
    )
    return [PostId(post) for post in rows.scalars()]


@reads(Group.OWNER)
def members(tx: Tx, source_box: BoxId) -> list[Member]:
    """Who reads a source or is a named sender of it, by address; nobody is named for `everyone`."""
    rows = tx.execute(
        sa.select(_member.c.member_owner, _member.c.address, _member.c.role)
        .where(_member.c.owner_id == SYSTEM_OWNER, _member.c.source_box == source_box)
        .order_by(_member.c.address)
    )
    return [Member(OwnerId(owner), address, MemberRole(role)) for owner, address, role in rows]


@reads(Group.OWNER)
def role(tx: Tx, source_box: BoxId, owner: OwnerId) -> MemberRole:
    """What somebody is to a source; no bit where they are nothing."""
    found = tx.execute(
        sa.select(_member.c.role).where(
            _member.c.owner_id == SYSTEM_OWNER, _member.c.source_box == source_box, _member.c.member_owner == owner
        )
    ).scalar()
    return MemberRole(found or 0)


@reads(Group.OWNER)
def roles(tx: Tx, source_boxes: Sequence[BoxId], owner: OwnerId) -> dict[BoxId, MemberRole]:
    """What somebody is to each of these sources; one to which they are nothing is left out."""
    found: dict[BoxId, MemberRole] = {}
    for page in chunks(source_boxes):
        rows = tx.execute(
            sa.select(_member.c.source_box, _member.c.role).where(
                _member.c.owner_id == SYSTEM_OWNER, _member.c.source_box.in_(page), _member.c.member_owner == owner
            )
        )
        found.update((BoxId(box), MemberRole(bits)) for box, bits in rows)
    return found


@writes(Group.OWNER)
def ensure_account(tx: Tx, owner: OwnerId, login: str, now: int) -> None:
    """The system's account: nobody logs in."""
    insert_new(tx, schema.account, [{"owner_id": owner, "login": login, "name": "", "created": now, "admin": False}])


@writes(Group.OWNER)
def add_source(
    tx: Tx, box: BoxId, address: str, title: str, post: PostPolicy, readers: Sequence[tuple[OwnerId, str]], now: int
) -> bool:
    """A source box, its policy, and its readers' names; False where it is there already, which then stays as it is."""
    validities = uidvalidities(tx, SYSTEM_OWNER, 1, now)
    row = {"owner_id": SYSTEM_OWNER, "box_id": box, "address": address, "title": title, "post": int(post)}
    if not inserted(tx, _source, row):
        return tx.again  # made by a try before, whose COMMIT had no answer
    insert_boxes(tx, SYSTEM_OWNER, [(box, address, "")], validities)
    for owner, login in readers:
        add_role(tx, box, owner, login, MemberRole.READER)
    return True


SETTABLE = frozenset(
    {
        "title",
        "post",
        "expiry_s",
        "moderation",
        "joining",
        "archive",
        "archived_at",
        "brake",
        "sender_posts",
        "all_posts",
        "recall",
    }
)
"""Fields of a Source that ``change`` takes."""


@writes(Group.OWNER)
def change(tx: Tx, box: BoxId, field: str, value: int | str) -> None:
    """Another policy from now on.  field: of SETTABLE.  Raises NoSuchAddress."""
    assert field in SETTABLE
    changed = tx.execute(
        sa.update(_source).where(_SYSTEM, _source.c.box_id == box).values({field: value}).returning(_source.c.box_id)
    ).first()
    if changed is None:
        raise NoSuchAddress("there is no such group")


@reads(Group.OWNER)
def with_role(tx: Tx, source_box: BoxId, roles: MemberRole) -> list[Member]:
    """Who has one of these roles, by address."""
    rows = tx.execute(
        sa.select(_member.c.member_owner, _member.c.address, _member.c.role)
        .where(
            _member.c.owner_id == SYSTEM_OWNER,
            _member.c.source_box == source_box,
            _member.c.role.bitwise_and(int(roles)) != 0,
        )
        .order_by(_member.c.address)
    )
    return [Member(OwnerId(owner), address, MemberRole(role)) for owner, address, role in rows]


@writes(Group.OWNER)
def set_bounces_to(tx: Tx, box: BoxId, address: str) -> None:
    """Where bounces of members elsewhere go; empty for its owners."""
    tx.execute(sa.update(_source).where(_SYSTEM, _source.c.box_id == box).values(bounces_to=address))


@writes(Group.OWNER)
def remove_source(tx: Tx, box: BoxId) -> None:
    """The source with its box and its members; again is no error.  Those who read it keep what they have."""
    tx.execute(sa.delete(_source).where(_SYSTEM, _source.c.box_id == box))
    for table in (_member, schema.pinned, schema.outside_member):
        tx.execute(sa.delete(table).where(table.c.owner_id == SYSTEM_OWNER, table.c.source_box == box))
    nesting.forget(tx, box)
    petitions.forget_source(tx, box)
    tally.forget_source(tx, box)
    there = tx.execute(
        sa.select(schema.box.c.box_id).where(schema.box.c.owner_id == SYSTEM_OWNER, schema.box.c.box_id == box)
    ).first()
    if there is not None:
        remove(tx, SYSTEM_OWNER, box)


@writes(Group.OWNER)
def add_role(tx: Tx, source_box: BoxId, owner: OwnerId, address: str, bit: MemberRole) -> None:
    """Gives somebody a role beside those they have."""
    key = {"owner_id": SYSTEM_OWNER, "source_box": source_box, "member_owner": owner}
    insert_new(tx, _member, [{**key, "address": address, "role": int(bit)}])
    tx.execute(
        sa.update(_member)
        .where(*(_member.c[name] == value for name, value in key.items()))
        .values(role=_member.c.role.bitwise_or(int(bit)))
    )


@writes(Group.OWNER)
def remove_role(tx: Tx, source_box: BoxId, owner: OwnerId, bit: MemberRole) -> None:
    """Takes a role away, and with the last one the membership."""
    this = (_member.c.owner_id == SYSTEM_OWNER, _member.c.source_box == source_box, _member.c.member_owner == owner)
    tx.execute(
        sa.update(_member).where(*this).values(role=_member.c.role.bitwise_and(~int(bit) & 0x7FFF))
    )  # fmt: skip
    tx.execute(sa.delete(_member).where(*this, _member.c.role == 0))


@writes(Group.OWNER)
def leave_lists(tx: Tx, owner: OwnerId) -> None:
    """Somebody belongs to nothing any more, and administers nothing."""
    tx.execute(sa.delete(_member).where(_member.c.owner_id == SYSTEM_OWNER, _member.c.member_owner == owner))
    petitions.forget_member(tx, owner)


@writes(Group.OWNER)
def join(tx: Tx, owner: OwnerId, source_box: BoxId, now: int) -> None:
    """A subscription of the owner's INBOX, with what the source's policy gives to newcomers.

    One to any box of theirs stays as it is.  now: SAVEDATE of what is pinned.  Raises NoSuchBox.
    """
    inbox = box_named(tx, owner, INBOX)
    lock(tx, owner, inbox.box)
    if _targets(tx, owner, source_box):
        return
    subscribe(tx, owner, inbox.box, [source_box], now)
    tx.hint(owner, inbox.box, inbox.highestmodseq)


@reads(Group.OWNER)
def targets(tx: Tx, owner: OwnerId, source_box: BoxId) -> list[BoxId]:
    """The boxes of an owner that a source is carried into."""
    return _targets(tx, owner, source_box)


def _targets(tx: Tx, owner: OwnerId, source_box: BoxId) -> list[BoxId]:
    rows = tx.execute(sa.select(_sub.c.target_box).where(_sub.c.owner_id == owner, _sub.c.source_box == source_box))
    return [BoxId(box) for box in rows.scalars()]


@writes(Group.OWNER)
def leave_step(tx: Tx, owner: OwnerId, target: BoxId, source_box: BoxId, now: int) -> bool:
    """Carries one page; with the last one the subscription ends, under the same lock.  Whether that is done."""
    carried = carry(tx, owner, target, now, source_box)
    if carried.more:
        return False
    forget(tx, owner, target, source_box)
    return True
