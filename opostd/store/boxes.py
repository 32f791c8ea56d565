"""Boxes of an account: made, listed, renamed, deleted; and the names subscribed to (RFC 9051 6.3.4 to 6.3.11).

What changes an owner's list of boxes locks the account's row first, which also counts the UIDVALIDITYs: none is given
twice to one owner, so a name never comes back with an old one.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from opostd.model.errors import BadBoxName, BoxExists, LimitReached, NoSuchAddress, NoSuchBox, NotAllowed
from opostd.model.flags import DELETED, SEEN, UNCHARGED
from opostd.model.ids import BoxId, ModSeq, OwnerId, Uid
from opostd.model.new_ids import new_box_id
from opostd.model.records import Box
from opostd.store import acl, annotations, dismissed, moves, schema
from opostd.store.database import chunks
from opostd.store.dialect import insert_new
from opostd.store.locks import BOX_COLUMNS, box_of, lock, read_box, the_box
from opostd.store.names import INBOX, SHARED, below, canonical, check, is_shared, parents
from opostd.store.run import Group, Tx, reads, writes

DEFAULT_BOXES: tuple[tuple[str, str], ...] = (
    (INBOX, ""), ("Sent", "Sent"), ("Drafts", "Drafts"), ("Trash", "Trash"), ("Junk", "Junk"), ("Archive", "Archive")
)  # fmt: skip
"""Name and SPECIAL-USE role (RFC 6154) of what every account has from the start."""

MAX_BOXES = 10_000  # of one owner: LIST answers them all, and a client gone wrong makes them in a loop
MAX_LSUB = 20_000  # names need not be boxes (RFC 9051 6.3.7), so they have a limit of their own

_box, _lsub, _account = schema.box, schema.lsub, schema.account
_ALL = sa.select(*BOX_COLUMNS).where(_box.c.owner_id == sa.bindparam("owner")).order_by(_box.c.name)
_NAMED = sa.select(*BOX_COLUMNS).where(_box.c.owner_id == sa.bindparam("owner"), _box.c.name == sa.bindparam("name"))
_BY_ID = sa.select(*BOX_COLUMNS).where(
    _box.c.owner_id == sa.bindparam("owner"), _box.c.box_id.in_(sa.bindparam("boxes", expanding=True))
)
_dp = schema.delivered_post
_COUNTS = (
    sa.select(
        _dp.c.box_id,
        sa.func.count(),
        sa.func.sum(sa.case((_dp.c.bits.bitwise_and(SEEN) == 0, 1), else_=0)),
        sa.func.sum(sa.case((_dp.c.bits.bitwise_and(DELETED) != 0, 1), else_=0)),
        sa.func.sum(_dp.c.size),
        sa.func.max(_dp.c.uid),
        sa.func.sum(sa.case((_dp.c.bits.bitwise_and(DELETED | UNCHARGED) == DELETED, _dp.c.size), else_=0)),
    )
    .where(_dp.c.owner_id == sa.bindparam("owner"), _dp.c.box_id.in_(sa.bindparam("boxes", expanding=True)))
    .group_by(_dp.c.box_id)
)


def clock() -> int:
    """Seconds since 1970, where a caller gives none."""
    return int(time.time())


@dataclass(frozen=True, slots=True)
class Status:
    """What STATUS tells (RFC 9051 6.3.11).  size: octets of all messages; deleted: how many are ``\\Deleted``.

    deleted_storage: octets that the account would have less without these (RFC 9208 4.1.4).
    """

    box: BoxId
    messages: int
    unseen: int
    deleted: int
    uidnext: Uid
    uidvalidity: int
    highestmodseq: ModSeq
    size: int
    deleted_storage: int


@reads(Group.OWNER)
def box_named(tx: Tx, owner: OwnerId, name: str) -> Box:
    """The box of that name; INBOX in any case.  Raises NoSuchBox."""
    return the_box(tx.rows(*name_question(owner, name)))


def name_question(owner: OwnerId, name: str) -> tuple[sa.Executable, dict[str, Any]]:
    """What ``box_named`` asks, for whoever asks more with it.  Raises NoSuchBox for what can be no name."""
    if not _sane(name):
        raise NoSuchBox("no such mailbox")
    return _NAMED, {"owner": owner, "name": canonical(name)}


@reads(Group.OWNER)
def inboxes(tx: Tx, owners: Sequence[OwnerId]) -> dict[OwnerId, BoxId]:
    """The INBOX of each of the owners that is there: on PostgreSQL one way for all."""
    found = tx.rows_of(*((_NAMED, {"owner": owner, "name": INBOX}) for owner in owners))
    return {box.owner: box.box for rows in found for box in map(box_of, rows)}


def _sane(name: str) -> bool:
    """PostgreSQL refuses NUL and lone surrogates as text: such a box is not there."""
    return not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in name)


@reads(Group.OWNER)
def box_by_id(tx: Tx, owner: OwnerId, box: BoxId) -> Box:
    """Raises NoSuchBox."""
    return read_box(tx, owner, box)


@reads(Group.OWNER)
def boxes_by_id(tx: Tx, owner: OwnerId, ids: Sequence[BoxId]) -> list[Box]:
    """Those of an owner's boxes that are there, in no order."""
    return [box_of(row) for page in chunks(ids) for row in tx.execute(_BY_ID, {"owner": owner, "boxes": list(page)})]


@reads(Group.OWNER)
def boxes(tx: Tx, owner: OwnerId) -> list[Box]:
    """All boxes of an owner; the order is the database's, by name."""
    return [box_of(row) for row in tx.execute(_ALL, {"owner": owner})]


@reads(Group.OWNER)
def status(tx: Tx, owner: OwnerId, box: BoxId) -> Status:
    """The box counted.  Raises NoSuchBox."""
    found = statuses(tx, owner, [box])
    if not found:
        raise NoSuchBox("no such mailbox")
    return found[0]


@reads(Group.OWNER)
def statuses(tx: Tx, owner: OwnerId, ids: Sequence[BoxId]) -> list[Status]:
    """Boxes of one owner, counted: two statements for 500 of them; one that is not there is left out.

    A message that comes between the two is counted, and UIDNEXT goes with it.
    """
    counts: dict[int, Sequence[int]] = {}
    found = boxes_by_id(tx, owner, ids)
    for page in chunks(ids):
        for box, *counted in tx.execute(_COUNTS, {"owner": owner, "boxes": list(page)}):
            counts[box] = [int(number) for number in counted]
    return [_status(each, *counts.get(each.box, (0, 0, 0, 0, 0, 0))) for each in found]


def _status(box: Box, messages: int, unseen: int, deleted: int, size: int, last: int, reclaimed: int) -> Status:
    uidnext = Uid(max(box.uidnext, last + 1))
    return Status(box.box, messages, unseen, deleted, uidnext, box.uidvalidity, box.highestmodseq, size, reclaimed)


# The tree


def uidvalidities(tx: Tx, owner: OwnerId, count: int, now: int) -> range:
    """Takes the lock of the owner's list of boxes, and that many UIDVALIDITYs.  Raises NoSuchAddress.

    They go with the clock, and on by one when the clock stands or goes back.
    """
    last = _account.c.uidvalidity
    start = sa.case((last < now, sa.literal(now, sa.BigInteger)), else_=last + 1)
    row = tx.execute(
        sa.update(_account)
        .where(_account.c.owner_id == owner)
        .values(uidvalidity=start + (count - 1 if count else 0))
        .returning(last)
    ).first()
    if row is None:
        raise NoSuchAddress("there is no such account")
    return range(row[0] - count + 1, row[0] + 1)


def insert_boxes(tx: Tx, owner: OwnerId, named: Sequence[tuple[BoxId, str, str]], validities: range) -> None:
    """Rows of new boxes: id, name, role."""
    rows = [
        {"owner_id": owner, "box_id": id_, "name": name, "role": role, "uidvalidity": validity}
        for (id_, name, role), validity in zip(named, validities, strict=True)
    ]
    tx.execute(sa.insert(_box), rows)
    for id_, _, _ in named:
        tx.hint(owner, id_, 1)
    tx.hint(owner, BoxId(0), 0)


@writes(Group.OWNER)
def create(tx: Tx, owner: OwnerId, name: str, role: str = "", now: int | None = None) -> Box:
    """A new box, and those above it that are missing (RFC 9051 6.3.4).

    role: a SPECIAL-USE attribute without backslash, which one box of an owner may have.  It is shared as the nearest
    box above it is.  Raises BadBoxName, BoxExists, LimitReached.
    """
    name = canonical(name)
    _check_new(name)
    validities = uidvalidities(tx, owner, len(parents(name)) + 1, clock() if now is None else now)
    known = {each.name: each for each in boxes(tx, owner)}
    if name in known:
        raise BoxExists("there is a mailbox of that name already")
    if role and any(each.role == role for each in known.values()):
        raise BoxExists(f"another mailbox is \\{role} already")
    new = [(new_box_id(), above, "") for above in parents(name) if above not in known] + [(new_box_id(), name, role)]
    if len(known) + len(new) > MAX_BOXES:
        raise LimitReached(f"an account has at most {MAX_BOXES} mailboxes")
    insert_boxes(tx, owner, new, validities[-len(new) :])
    _inherit(tx, owner, name, known, [id_ for id_, _, _ in new])
    return read_box(tx, owner, new[-1][0])


def _check_new(name: str) -> None:
    check(name)
    if is_shared(name):
        raise BadBoxName(f"names below {SHARED} are those of what others share")


def _inherit(tx: Tx, owner: OwnerId, name: str, known: Mapping[str, Box], new: Sequence[BoxId]) -> None:
    """Rights to new boxes are those to the nearest that was there above them (RFC 4314 4)."""
    above = next((known[each] for each in reversed(parents(name)) if each in known), None)
    if above is not None and new:
        acl.inherit(tx, owner, above.box, new)


@writes(Group.OWNER)
def delete(tx: Tx, owner: OwnerId, name: str) -> BoxId:
    """Removes a box with what is in it; which it was.

    Those below it stay, and the name is then no more than a level of theirs.  Its name stays subscribed (RFC 9051
    6.3.5).  Raises NoSuchBox, NotAllowed for INBOX.
    """
    if canonical(name) == INBOX:
        raise NotAllowed("INBOX cannot be deleted")
    found = box_named(tx, owner, name)
    remove(tx, owner, found.box)
    return found.box


def remove(tx: Tx, owner: OwnerId, box: BoxId) -> None:
    """All rows of a box.  The row of the box goes first: a delivery that waits for its lock finds no box."""
    gone = tx.execute(
        sa.delete(_box).where(_box.c.owner_id == owner, _box.c.box_id == box).returning(_box.c.box_id)
    ).first()
    if gone is None:
        raise NoSuchBox("no such mailbox")
    acl.forget_box(tx, owner, box)
    dismissed.note_box(tx, owner, box)
    for table, column in (
        (schema.delivered_post, "box_id"),
        (schema.expunged, "box_id"),
        (schema.subscription, "target_box"),
        (schema.set_aside, "box_id"),
        (schema.annotation, "box_id"),
    ):
        tx.execute(sa.delete(table).where(table.c.owner_id == owner, table.c[column] == box))
    tx.hint(owner, box, 0)
    tx.hint(owner, BoxId(0), 0)


@writes(Group.OWNER)
def rename(tx: Tx, owner: OwnerId, old: str, new: str, now: int | None = None) -> None:
    """Renames a box and those below it, with the names subscribed to; boxes above the new name are made.

    INBOX stays, empty, and its messages go to the new box (RFC 9051 6.3.6).  Raises NoSuchBox, BoxExists, BadBoxName.
    """
    old, new, now = canonical(old), canonical(new), clock() if now is None else now
    if old == INBOX:
        _rename_inbox(tx, owner, new, now)
        return
    _check_new(new)
    validities = uidvalidities(tx, owner, len(parents(new)), now)
    known = {each.name: each for each in boxes(tx, owner)}
    moving = [each for each in known.values() if each.name == old or below(each.name, old)]
    if not moving:
        raise NoSuchBox("no such mailbox")
    if below(new, old):
        raise BadBoxName("a mailbox cannot go below itself")
    staying = known.keys() - {each.name for each in moving}
    renamed = {each.name: new + each.name[len(old) :] for each in moving}
    if new in known or not staying.isdisjoint(renamed.values()):
        raise BoxExists("there is a mailbox of that name already")
    for name in renamed.values():
        check(name)
    missing = [(new_box_id(), above, "") for above in parents(new) if above not in staying]
    if len(known) + len(missing) > MAX_BOXES:
        raise LimitReached(f"an account has at most {MAX_BOXES} mailboxes")
    for each in moving:
        tx.execute(
            sa.update(_box)
            .where(_box.c.owner_id == owner, _box.c.box_id == each.box)
            .values(name=renamed[each.name])
        )  # fmt: skip
        tx.hint(owner, each.box, each.highestmodseq)
    if missing:
        insert_boxes(tx, owner, missing, validities[-len(missing) :])
        _inherit(tx, owner, new, {each: known[each] for each in staying}, [id_ for id_, _, _ in missing])
    _rename_lsub(tx, owner, old, new)
    tx.hint(owner, BoxId(0), 0)


def _rename_inbox(tx: Tx, owner: OwnerId, new: str, now: int) -> None:
    made = create(tx, owner, new, "", now)
    inbox = box_named(tx, owner, INBOX)
    for id_ in sorted((made.box, inbox.box)):
        lock(tx, owner, id_)
    annotations.copy(tx, owner, inbox.box, made.box)
    uids = tx.execute(
        sa.select(_dp.c.uid).where(_dp.c.owner_id == owner, _dp.c.box_id == inbox.box).order_by(_dp.c.uid)
    ).scalars()
    moves.move(tx, owner, inbox.box, made.box, [Uid(uid) for uid in uids], now)


def _rename_lsub(tx: Tx, owner: OwnerId, old: str, new: str) -> None:
    for name in lsub_names(tx, owner):
        if name == old or below(name, old):
            lsub_remove(tx, owner, name)
            insert_new(tx, _lsub, [{"owner_id": owner, "name": new + name[len(old) :]}])


# Subscribed names


@writes(Group.OWNER)
def lsub_add(tx: Tx, owner: OwnerId, name: str) -> None:
    """Subscribes to a name, which need not be a box.  Raises BadBoxName, LimitReached."""
    name = canonical(name)
    check(name)
    count = tx.execute(sa.select(sa.func.count()).select_from(_lsub).where(_lsub.c.owner_id == owner)).scalar_one()
    if count >= MAX_LSUB:
        raise LimitReached(f"an account subscribes to at most {MAX_LSUB} names")
    insert_new(tx, _lsub, [{"owner_id": owner, "name": name}])
    tx.hint(owner, BoxId(0), 0)


@writes(Group.OWNER)
def lsub_remove(tx: Tx, owner: OwnerId, name: str) -> None:
    """No error where it was not subscribed to (RFC 9051 6.3.8)."""
    if _sane(name):
        tx.execute(sa.delete(_lsub).where(_lsub.c.owner_id == owner, _lsub.c.name == canonical(name)))
        tx.hint(owner, BoxId(0), 0)


@reads(Group.OWNER)
def lsub_names(tx: Tx, owner: OwnerId) -> list[str]:
    """The names subscribed to."""
    found = tx.execute(sa.select(_lsub.c.name).where(_lsub.c.owner_id == owner).order_by(_lsub.c.name))
    return list(found.scalars())
