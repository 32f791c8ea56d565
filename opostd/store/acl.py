"""Who else may do what with a box: entries of its access control list (RFC 4314), kept with the box.

An entry names a person by their account, a group by its source box: ids that are never given again, so whoever gets
an address after somebody gets none of their rights.  Beside each entry stands a row of ``shared`` on the shard of
whom it names, by which ``store.shared`` finds the box; what it says is nothing, the entry is the truth.  Of a group
and of anyone there is a mark besides, under an owner that nobody is: a reader finds in one look whether any of their
groups has been given something.  A mark stays, or one that is set and removed at once could be lost.  Every change
counts as one of the box (a modseq), so that sessions that have it open look at their rights again, hint or no hint.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.errors import LimitReached
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId
from opostd.model.records import MemberRole
from opostd.model.rights import (
    ALL_RIGHTS,
    ANYONE,
    NO_RIGHTS,
    Change,
    Entry,
    Grantee,
    GranteeKind,
    Rights,
    changed,
    effective,
)
from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.dialect import insert_new, inserted, unindexed
from opostd.store.locks import advance
from opostd.store.run import Group, Tx, reads, writes

MARKS = OwnerId(0)  # the owner of marks in ``shared``
MAX_BOXES_TO_ONE = 2000  # of one owner for one grantee: all that is shared with somebody stands in their LIST
MAX_ENTRIES = 200  # of one box: past it a group is the right thing, and each is read whenever the box is looked at

_acl, _shared, _member, _nested = schema.acl, schema.shared, schema.member, schema.nested
_account, _source = schema.account, schema.source
_ENTRIES = sa.select(_acl.c.kind, _acl.c.who, _acl.c.granted, _acl.c.denied).where(
    _acl.c.owner_id == sa.bindparam("owner"), _acl.c.box_id == sa.bindparam("box")
)
_OF_BOXES = sa.select(
    _acl.c.owner_id, _acl.c.box_id, _acl.c.kind, _acl.c.who, _acl.c.granted, _acl.c.denied
).where(
    _acl.c.owner_id.in_(sa.bindparam("owners", expanding=True)),
    unindexed(_acl.c.box_id).in_(sa.bindparam("boxes", expanding=True)),
)  # fmt: skip
_GROUPS = sa.select(_member.c.source_box, _member.c.role).where(
    _member.c.owner_id == SYSTEM_OWNER, _member.c.member_owner == sa.bindparam("reader")
)

Key = tuple[OwnerId, BoxId]


@dataclass(frozen=True, slots=True)
class Named:
    """An entry as GETACL shows it.  name: a login, the address of a group, or ``anyone``."""

    name: str
    granted: Rights
    denied: Rights


# What somebody may do


@reads(Group.OWNER)
def rights(tx: Tx, reader: OwnerId, owner: OwnerId, box: BoxId) -> Rights:
    """What a reader may do with a box; nothing where it is not there."""
    if reader == owner:
        return ALL_RIGHTS
    found = entries(tx, owner, box)
    return effective(found, grantees(tx, reader, found))


def rights_on(tx: Tx, reader: OwnerId, keys: Sequence[Key]) -> dict[Key, Rights]:
    """``rights`` for boxes of others, in few statements."""
    found: dict[Key, list[Entry]] = {key: [] for key in keys}
    for page in chunks(keys):
        owners, boxes = {owner for owner, _ in page}, [box for _, box in page]
        for owner, box, *entry in tx.execute(_OF_BOXES, {"owners": list(owners), "boxes": boxes}):
            found[owner, box].append(_entry(*entry))
    names = grantees(tx, reader, [each for several in found.values() for each in several])
    return {key: effective(several, names) for key, several in found.items()}


def entries(tx: Tx, owner: OwnerId, box: BoxId) -> list[Entry]:
    """The list of one box, in no order."""
    return [_entry(*row) for row in tx.rows(_ENTRIES, {"owner": owner, "box": box})]


def _entry(kind: int, who: int, granted: int, denied: int) -> Entry:
    return Entry(Grantee(GranteeKind(kind), who), Rights(granted), Rights(denied))


def grantees(tx: Tx, reader: OwnerId, found: Sequence[Entry]) -> frozenset[Grantee]:
    """Those that stand for a reader; groups only where one of the entries is about a group."""
    names = {Grantee(GranteeKind.PERSON, reader), ANYONE}
    if any(each.grantee.kind is GranteeKind.GROUP for each in found):
        names |= {Grantee(GranteeKind.GROUP, group) for group in groups_of(tx, reader)}
    return frozenset(names)


def groups_of(tx: Tx, reader: OwnerId) -> set[BoxId]:
    """The source boxes of the groups that somebody reads, and of those that these are members of."""
    rows = tx.rows(_GROUPS, {"reader": reader})
    found = {BoxId(box) for box, role in rows if box and role & MemberRole.READER}
    level = sorted(found)
    while level:  # each group once, so a circle ends
        above = tx.execute(
            sa.select(_nested.c.source_box).where(_nested.c.owner_id == SYSTEM_OWNER, _nested.c.member_box.in_(level))
        )
        level = sorted({BoxId(box) for box in above.scalars()} - found)
        found.update(level)
    return found


@reads(Group.OWNER)
def named(tx: Tx, owner: OwnerId, box: BoxId) -> list[Named]:
    """The list of one box with names; what names somebody who is gone is left out."""
    found = entries(tx, owner, box)
    people = [each.grantee.who for each in found if each.grantee.kind is GranteeKind.PERSON]
    groups = [each.grantee.who for each in found if each.grantee.kind is GranteeKind.GROUP]
    names: dict[Grantee, str] = {ANYONE: "anyone"}
    if people:
        rows = tx.execute(sa.select(_account.c.owner_id, _account.c.login).where(_account.c.owner_id.in_(people)))
        names |= {Grantee(GranteeKind.PERSON, who): login for who, login in rows}
    if groups:
        rows = tx.execute(
            sa.select(_source.c.box_id, _source.c.address).where(
                _source.c.owner_id == SYSTEM_OWNER, _source.c.box_id.in_(groups)
            )
        )
        names |= {Grantee(GranteeKind.GROUP, who): address for who, address in rows}
    shown = [Named(names[each.grantee], each.granted, each.denied) for each in found if each.grantee in names]
    return sorted(shown, key=lambda each: each.name)


# Changes


@writes(Group.OWNER)
def change(
    tx: Tx, owner: OwnerId, box: BoxId, grantee: Grantee, how: Change, given: Rights, *, denied: bool = False
) -> None:
    """SETACL: what a grantee is granted, or denied.  Without either there is no entry.

    Raises NoSuchBox, LimitReached.
    """
    modseq = advance(tx, owner, box, modseqs=1).highestmodseq  # the lock: two changes of one entry both count
    known = {each.grantee: each for each in entries(tx, owner, box)}
    old = known.get(grantee, Entry(grantee, NO_RIGHTS))
    if denied:
        new = Entry(grantee, old.granted, changed(old.denied, how, given))
    else:
        new = Entry(grantee, changed(old.granted, how, given), old.denied)
    if grantee not in known and (new.granted or new.denied) and len(known) >= MAX_ENTRIES:
        raise LimitReached(f"a mailbox has at most {MAX_ENTRIES} entries in its list: make a group")
    _put(tx, owner, box, [new])
    tx.hint(owner, box, modseq)


def inherit(tx: Tx, owner: OwnerId, parent: BoxId, children: Sequence[BoxId]) -> None:
    """New boxes get the list of the box above them (RFC 4314 4)."""
    found = entries(tx, owner, parent)
    for child in children if found else ():
        _put(tx, owner, child, found)


def _put(tx: Tx, owner: OwnerId, box: BoxId, new: Sequence[Entry]) -> None:
    for each in new:
        this = {"owner_id": owner, "box_id": box, "kind": int(each.grantee.kind), "who": each.grantee.who}
        tx.execute(sa.delete(_acl).where(*(_acl.c[name] == value for name, value in this.items())))
        if not each.granted and not each.denied:
            _delete_pointer(tx, owner, box, each.grantee)
            continue
        tx.execute(sa.insert(_acl), {**this, "granted": int(each.granted), "denied": int(each.denied)})
        _point(tx, owner, box, each.grantee)


def _point(tx: Tx, owner: OwnerId, box: BoxId, grantee: Grantee) -> None:
    pointer = _pointer(owner, box, grantee)
    if not inserted(tx, _shared, pointer):
        return
    prefix = (_shared.c[name] == pointer[name] for name in ("owner_id", "source_box", "box_owner"))
    if tx.execute(sa.select(sa.func.count()).select_from(_shared).where(*prefix)).scalar_one() > MAX_BOXES_TO_ONE:
        raise LimitReached(f"at most {MAX_BOXES_TO_ONE} mailboxes are shared with one person or group")
    if grantee.kind is not GranteeKind.PERSON:
        insert_new(tx, _shared, [_mark(grantee)])


def _mark(grantee: Grantee) -> dict[str, int]:
    """The row that says that something is shared with a group, or with anyone."""
    return {"owner_id": MARKS, "source_box": grantee.who, "box_owner": 0, "box_id": 0}


def _pointer(owner: OwnerId, box: BoxId, grantee: Grantee) -> dict[str, int]:
    """The row of ``shared`` that goes with an entry."""
    person = grantee.kind is GranteeKind.PERSON
    reader, source = (grantee.who, 0) if person else (SYSTEM_OWNER, grantee.who)
    return {"owner_id": reader, "source_box": source, "box_owner": owner, "box_id": box}


def _delete_pointer(tx: Tx, owner: OwnerId, box: BoxId, grantee: Grantee) -> None:
    where = (_shared.c[name] == value for name, value in _pointer(owner, box, grantee).items())
    tx.execute(sa.delete(_shared).where(*where))


def forget_box(tx: Tx, owner: OwnerId, box: BoxId) -> None:
    """A box goes, and its list with it (RFC 4314 4); its row is gone already, so nobody adds to the list."""
    for each in entries(tx, owner, box):
        _delete_pointer(tx, owner, box, each.grantee)
    tx.execute(sa.delete(_acl).where(_acl.c.owner_id == owner, _acl.c.box_id == box))


@reads(Group.OWNER)
def boxes_naming(tx: Tx, grantee: Grantee) -> list[Key]:
    """The boxes whose lists have an entry of a grantee."""
    pointer = _pointer(OwnerId(0), BoxId(0), grantee)
    rows = tx.execute(
        sa.select(_shared.c.box_owner, _shared.c.box_id).where(
            _shared.c.owner_id == pointer["owner_id"], _shared.c.source_box == pointer["source_box"]
        )
    )
    return [(OwnerId(owner), BoxId(box)) for owner, box in rows]


@writes(Group.OWNER)
def forget_grantee(tx: Tx, owner: OwnerId, box: BoxId, grantee: Grantee) -> None:
    """The entry of somebody who is removed goes; again is no error."""
    _put(tx, owner, box, [Entry(grantee, NO_RIGHTS)])


@writes(Group.OWNER)
def forget_mark(tx: Tx, grantee: Grantee) -> None:
    """A group is removed, and nothing is shared with it any more."""
    where = (_shared.c[name] == value for name, value in _mark(grantee).items())
    tx.execute(sa.delete(_shared).where(*where))
