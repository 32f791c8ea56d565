"""Members of a group who are elsewhere: each gets a copy by mail, under a return path of their own.

The token in that return path is all that a bounce is known by (VERP), so it is random, and nobody can pause a member
who was not told it.  What must stay true: a source's ``outside`` is set as long as it has such members, for who sends
to a group without them is not to pay for the question.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from opostd.model.errors import LimitReached
from opostd.model.ids import SYSTEM_OWNER, BoxId
from opostd.store import schema
from opostd.store.dialect import inserted
from opostd.store.run import Group, Tx, reads, writes

MAX_OUTSIDE = 2000  # of one group: each is a row in the transaction that keeps a message
DAY_S = 86400
FORGIVEN_S = 30 * DAY_S  # a bounce that long after the one before is the first again

_out, _source = schema.outside_member, schema.source
_COLUMNS = (
    _out.c.source_box, _out.c.address, _out.c.token, _out.c.bounces, _out.c.bounced, _out.c.paused
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OutsideMember:
    """bounces: days on which mail to them came back; bounced: when it last was counted; paused: they get none."""

    source: BoxId
    address: str
    token: str
    bounces: int
    bounced: int
    paused: bool


def _this(source: BoxId, address: str) -> tuple[Any, ...]:
    return _out.c.owner_id == SYSTEM_OWNER, _out.c.source_box == source, _out.c.address == address


def _member(row: Any) -> OutsideMember:
    source, address, token, bounces, bounced, paused = row
    return OutsideMember(BoxId(source), address, token, bounces, bounced, bool(paused))


@writes(Group.OWNER)
def add(tx: Tx, source: BoxId, address: str, token: str) -> bool:
    """Whether the address is new to the source.  token: random, for its return path.  Raises LimitReached."""
    # The row of the source is the lock of its list.
    tx.execute(
        sa.update(_source).where(_source.c.owner_id == SYSTEM_OWNER, _source.c.box_id == source).values(outside=True)
    )
    known = members(tx, source)
    if any(each.address.lower() == address.lower() for each in known):
        return False
    if len(known) >= MAX_OUTSIDE:
        raise LimitReached(f"a group has at most {MAX_OUTSIDE} members elsewhere")
    row = {"owner_id": SYSTEM_OWNER, "source_box": source, "address": address, "token": token}
    return inserted(tx, _out, row)


@writes(Group.OWNER)
def remove(tx: Tx, source: BoxId, address: str) -> bool:
    """Whether it was a member."""
    this = (_source.c.owner_id == SYSTEM_OWNER, _source.c.box_id == source)
    tx.execute(sa.update(_source).where(*this).values(outside=_source.c.outside))
    known = members(tx, source)
    gone = [each for each in known if each.address.lower() == address.lower()]
    for each in gone:
        tx.execute(sa.delete(_out).where(*_this(source, each.address)))
    if len(gone) == len(known):
        tx.execute(sa.update(_source).where(*this).values(outside=False))
    return bool(gone)


@reads(Group.OWNER)
def members(tx: Tx, source: BoxId) -> list[OutsideMember]:
    """All of one source, by address."""
    rows = tx.execute(
        sa.select(*_COLUMNS)
        .where(_out.c.owner_id == SYSTEM_OWNER, _out.c.source_box == source)
        .order_by(_out.c.address)
    )
    return [_member(row) for row in rows]


@reads(Group.OWNER)
def reading(tx: Tx, sources: Sequence[BoxId]) -> list[tuple[str, OutsideMember]]:
    """Those of several sources who are not paused, each with the source's address; in the order of the sources."""
    rows = tx.execute(
        sa.select(_source.c.address, *_COLUMNS)
        .join(_out, (_out.c.owner_id == _source.c.owner_id) & (_out.c.source_box == _source.c.box_id))
        .where(_source.c.owner_id == SYSTEM_OWNER, _out.c.source_box.in_(sources), _out.c.paused.is_(False))
    )
    order = {box: at for at, box in enumerate(sources)}
    found = [(str(row[0]), _member(row[1:])) for row in rows]
    return sorted(found, key=lambda each: (order[each[1].source], each[1].address))


@reads(Group.OWNER)
def of_token(tx: Tx, token: str) -> OutsideMember | None:
    """Whose return path it is in."""
    row = tx.execute(sa.select(*_COLUMNS).where(_out.c.owner_id == SYSTEM_OWNER, _out.c.token == token)).first()
    return None if row is None else _member(row)


@writes(Group.OWNER)
def count_bounce(tx: Tx, token: str, now: int, pause_after: int) -> OutsideMember | None:
    """The member as it is now, where the bounce counted: the first of a day, of somebody who is not paused."""
    began = sa.case((_out.c.bounced < now - FORGIVEN_S, 1), else_=_out.c.bounces + 1)
    row = tx.execute(
        sa.update(_out)
        .where(
            _out.c.owner_id == SYSTEM_OWNER,
            _out.c.token == token,
            _out.c.paused.is_(False),
            _out.c.bounced <= now - DAY_S,
        )
        .values(bounces=began, bounced=now, paused=began >= pause_after)
        .returning(*_COLUMNS)
    ).first()
    return None if row is None else _member(row)


@writes(Group.OWNER)
def resume(tx: Tx, source: BoxId, address: str) -> bool:
    """Mail goes to them again, and the count begins anew; whether they are a member."""
    known = [each for each in members(tx, source) if each.address.lower() == address.lower()]
    for each in known:
        tx.execute(sa.update(_out).where(*_this(source, each.address)).values(bounces=0, bounced=0, paused=False))
    return bool(known)
