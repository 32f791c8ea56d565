"""Who asks to join or to leave a source, and is not yet what they ask for: confirmed by a letter, or let in.

A petition goes UNCONFIRMED, then WAITING where somebody has to let them in, then GRANTED; whoever grants it says so
here first, does it, and removes the row, so that what broke off in between is done by the next who looks.  Everything
here stands with the source: it goes with it, and with the person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import sqlalchemy as sa

from opostd.model.errors import LimitReached
from opostd.model.ids import NOBODY, SYSTEM_OWNER, BoxId, OwnerId
from opostd.store import schema
from opostd.store.dialect import insert_new
from opostd.store.run import Group, Tx, reads, writes

AT_ONCE = 100
MAX_OPEN = 1000  # petitions of one source: more is somebody who writes for others

_p, _t = schema.petition, schema.petition_token
_COLUMNS = (
    _p.c.source_box, _p.c.address, _p.c.member_owner, _p.c.leaves, _p.c.state, _p.c.told, _p.c.created, _p.c.expires,
)  # fmt: skip


class State(IntEnum):
    """How far a petition has come."""

    UNCONFIRMED = 0  # a letter with a token is under way to the address
    WAITING = 1  # for an owner or moderator
    GRANTED = 2


@dataclass(frozen=True, slots=True)
class Petition:
    """owner: the account that the address leads to, NOBODY where they are elsewhere.  leaves: they want to leave.

    told: its owners know of one that waits.
    """

    source: BoxId
    address: str
    owner: OwnerId
    leaves: bool
    state: State
    told: bool
    created: int
    expires: int


@dataclass(frozen=True, slots=True)
class PetitionToken:
    """What lets one owner or moderator decide in a letter.  digest: of the token."""

    moderator: OwnerId
    digest: str


def _petition(row: Sequence[Any]) -> Petition:
    source, address, owner, leaves, state, told, created, expires = row
    return Petition(
        BoxId(source), address, OwnerId(owner), bool(leaves), State(state), bool(told), created, expires
    )  # fmt: skip


def _this(table: sa.Table, source: BoxId, address: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.owner_id == SYSTEM_OWNER, table.c.source_box == source, table.c.address == address


@writes(Group.OWNER)
def begin(tx: Tx, petition: Petition, digest: str) -> bool:
    """Whether it is new: one of the same kind that is not over stays as it is.

    digest: of the token that confirms it, or empty.  Raises LimitReached.
    """
    source = schema.source  # its row is the lock of the list
    locked = tx.execute(
        sa.update(source)
        .where(source.c.owner_id == SYSTEM_OWNER, source.c.box_id == petition.source)
        .values(joining=source.c.joining)
        .returning(source.c.box_id)
    ).first()
    if locked is None:  # the group is going: nobody will ask for this
        return False
    this = _this(_p, petition.source, petition.address)
    row = tx.execute(sa.select(*_COLUMNS).where(*this)).first()
    known = None if row is None else _petition(row)
    if known is not None and known.leaves == petition.leaves and known.expires > petition.created:
        if known.state >= petition.state:
            return False
    if known is None and _count(tx, petition.source) >= MAX_OPEN:
        raise LimitReached("too many ask to join this group")
    _remove(tx, petition.source, petition.address)
    insert_new(tx, _p, [{
        "owner_id": SYSTEM_OWNER, "source_box": petition.source, "address": petition.address,
        "member_owner": petition.owner, "leaves": petition.leaves, "state": int(petition.state), "told": petition.told,
        "digest": digest, "created": petition.created, "expires": petition.expires,
    }])  # fmt: skip
    return True


def _count(tx: Tx, source: BoxId) -> int:
    found: int = tx.execute(
        sa.select(sa.func.count()).select_from(_p).where(_p.c.owner_id == SYSTEM_OWNER, _p.c.source_box == source)
    ).scalar_one()
    return found


@reads(Group.OWNER)
def waiting(tx: Tx, source: BoxId | None = None) -> list[Petition]:
    """What waits for owners and moderators, of one source or of all, the oldest first."""
    query = sa.select(*_COLUMNS).where(_p.c.owner_id == SYSTEM_OWNER, _p.c.state == int(State.WAITING))
    query = query.order_by(_p.c.created, _p.c.source_box, _p.c.address).limit(MAX_OPEN)
    return [_petition(row) for row in tx.execute(query if source is None else query.where(_p.c.source_box == source))]


@reads(Group.OWNER)
def petition(tx: Tx, source: BoxId, address: str) -> Petition | None:
    """What this address asks of a source."""
    row = tx.execute(sa.select(*_COLUMNS).where(*_this(_p, source, address))).first()
    return None if row is None else _petition(row)


@reads(Group.OWNER)
def unfinished(tx: Tx, now: int, before: int) -> list[Petition]:
    """Those whose time is over, and those from before that time that are granted and not done, or not told of."""
    rows = tx.execute(
        sa.select(*_COLUMNS)
        .where(
            _p.c.owner_id == SYSTEM_OWNER,
            sa.or_(
                _p.c.expires <= now,
                sa.and_(_p.c.created < before, _p.c.state == int(State.GRANTED)),
                sa.and_(_p.c.created < before, _p.c.state == int(State.WAITING), _p.c.told == sa.false()),
            ),
        )
        .limit(AT_ONCE)
    )
    return [_petition(row) for row in rows]


@writes(Group.OWNER)
def confirm(tx: Tx, source: BoxId, digest: str, owner: OwnerId | None, now: int) -> Petition | None:
    """The token of a source's petition has come back: it waits from now on, once.  None where there is none.

    owner: who has logged in to send it, if anybody: of another's petition the token counts for nothing.
    """
    whose = () if owner is None else (_p.c.member_owner.in_([NOBODY, owner]),)
    row = tx.execute(
        sa.update(_p)
        .where(
            _p.c.owner_id == SYSTEM_OWNER,
            _p.c.source_box == source,
            _p.c.digest == digest,
            _p.c.state == int(State.UNCONFIRMED),
            _p.c.expires > now,
            *whose,
        )
        .values(state=int(State.WAITING), digest="")
        .returning(*_COLUMNS)
    ).first()
    return None if row is None else _petition(row)


@writes(Group.OWNER)
def grant(tx: Tx, source: BoxId, address: str) -> Petition | None:
    """One that waits is granted, once; None where it was decided already."""
    row = tx.execute(
        sa.update(_p)
        .where(*_this(_p, source, address), _p.c.state == int(State.WAITING))
        .values(state=int(State.GRANTED))
        .returning(*_COLUMNS)
    ).first()
    tx.execute(sa.delete(_t).where(*_this(_t, source, address)))
    return None if row is None else _petition(row)


@writes(Group.OWNER)
def refuse(tx: Tx, source: BoxId, address: str) -> bool:
    """One that waits is removed; False where it was decided already."""
    gone = tx.execute(
        sa.delete(_p).where(*_this(_p, source, address), _p.c.state == int(State.WAITING)).returning(_p.c.address)
    ).first()
    if gone is not None:
        tx.execute(sa.delete(_t).where(*_this(_t, source, address)))
    return gone is not None


@writes(Group.OWNER)
def remove(tx: Tx, source: BoxId, address: str) -> bool:
    """It is done, or its time is over; whether it was there."""
    return _remove(tx, source, address)


def _remove(tx: Tx, source: BoxId, address: str) -> bool:
    tx.execute(sa.delete(_t).where(*_this(_t, source, address)))
    return tx.execute(sa.delete(_p).where(*_this(_p, source, address)).returning(_p.c.address)).first() is not None


@writes(Group.OWNER)
def note_told(tx: Tx, source: BoxId, address: str, tokens: Sequence[PetitionToken]) -> bool:
    """Those who decide are told with these tokens, once: False where somebody else has told them."""
    told = tx.execute(
        sa.update(_p)
        .where(*_this(_p, source, address), _p.c.state == int(State.WAITING), _p.c.told == sa.false())
        .values(told=True)
        .returning(_p.c.address)
    ).first()
    if told is None:
        return False
    key = {"owner_id": SYSTEM_OWNER, "source_box": source, "address": address}
    insert_new(tx, _t, [{**key, "moderator": each.moderator, "digest": each.digest} for each in tokens])
    return True


@reads(Group.OWNER)
def by_token(tx: Tx, source: BoxId, digest: str) -> tuple[Petition, OwnerId] | None:
    """What a token decides, and whose it is."""
    row = tx.execute(
        sa.select(_t.c.address, _t.c.moderator).where(
            _t.c.owner_id == SYSTEM_OWNER, _t.c.source_box == source, _t.c.digest == digest
        )
    ).first()
    if row is None:
        return None
    found = tx.execute(sa.select(*_COLUMNS).where(*_this(_p, source, row[0]))).first()
    return None if found is None else (_petition(found), OwnerId(row[1]))


def forget_source(tx: Tx, source: BoxId) -> None:
    """The source is removed, and what is asked of it."""
    for table in (_t, _p):
        tx.execute(sa.delete(table).where(table.c.owner_id == SYSTEM_OWNER, table.c.source_box == source))


def forget_member(tx: Tx, owner: OwnerId) -> None:
    """Somebody is removed, and what they asked."""
    asked = tx.execute(
        sa.select(_p.c.source_box, _p.c.address).where(_p.c.owner_id == SYSTEM_OWNER, _p.c.member_owner == owner)
    ).all()
    for source, address in asked:
        _remove(tx, BoxId(source), address)
    tx.execute(sa.delete(_t).where(_t.c.owner_id == SYSTEM_OWNER, _t.c.moderator == owner))
