"""What others share with somebody, under the names by which that reader sees it (RFC 2342, RFC 4314).

``Shared/anna@example.org/Projects`` is anna's box ``Projects``; ``Shared/team/2026`` is the box ``team/2026`` of an
account that is nobody's, which an administrator has made.  What must stay true: only boxes whose lists name the
reader are ever looked at, so that a box that is not shared, a user who shares nothing and a name that nobody has are
one and the same answer, after the same work; and whoever has nothing shared with them pays one look at an index.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.errors import BadBoxName, BoxExists, LacksRight, NoSuchBox, NotAllowed
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId
from opostd.model.new_ids import new_box_id, new_owner_id
from opostd.model.records import Account, AccountState, Box
from opostd.model.rights import NO_RIGHTS, Rights
from opostd.store import accounts, boxes, schema
from opostd.store.acl import MARKS, Key, groups_of, rights, rights_on
from opostd.store.database import chunks
from opostd.store.dialect import inserted, unindexed
from opostd.store.locks import BOX_COLUMNS, box_of
from opostd.store.names import INBOX, SEPARATOR, SHARED, canonical, check, level_of, parents
from opostd.store.run import Group, Tx, reads, writes

_box, _shared, _tree = schema.box, schema.shared, schema.shared_tree
_OWN_AND_MARKS = sa.select(
    _shared.c.owner_id, _shared.c.source_box, _shared.c.box_owner, _shared.c.box_id
).where(_shared.c.owner_id.in_((sa.bindparam("reader"), MARKS)))  # fmt: skip
_OF_GROUPS = sa.select(_shared.c.box_owner, _shared.c.box_id).where(
    _shared.c.owner_id == SYSTEM_OWNER, _shared.c.source_box.in_(sa.bindparam("groups", expanding=True))
)
_BOXES = sa.select(*BOX_COLUMNS).where(
    _box.c.owner_id.in_(sa.bindparam("owners", expanding=True)),
    unindexed(_box.c.box_id).in_(sa.bindparam("boxes", expanding=True)),
)
NO_BOX = "no such mailbox"


@dataclass(frozen=True, slots=True)
class SharedBox:
    """A box of another account.  name: as its readers see it; rights: what the one who asked has."""

    box: Box
    name: str
    rights: Rights


# Looking


@reads(Group.OWNER)
def visible(tx: Tx, reader: OwnerId) -> list[SharedBox]:
    """What others share with somebody and let them see (``l``)."""
    keys = _candidates(tx, reader)
    allowed = {key: each for key, each in rights_on(tx, reader, keys).items() if Rights.LOOKUP in each}
    if not allowed:
        return []
    owners = accounts.accounts_by_owner(tx, [owner for owner, _ in allowed])
    return [
        SharedBox(box, shown_name(owners[box.owner], box.name), allowed[box.owner, box.box])
        for box in _boxes(tx, list(allowed))
        if box.owner in owners
    ]


def _candidates(tx: Tx, reader: OwnerId) -> list[Key]:
    """Boxes of others whose lists name the reader, a group of theirs, or anyone."""
    rows = tx.rows(_OWN_AND_MARKS, {"reader": reader})
    keys = {(OwnerId(owner), BoxId(box)) for shard, _, owner, box in rows if shard != MARKS}
    marked = {BoxId(source) for shard, source, _, _ in rows if shard == MARKS}  # 0 is anyone
    groups = [*(marked & {0}), *(marked & groups_of(tx, reader) if marked - {0} else ())]
    for page in chunks(groups):
        keys |= {(OwnerId(owner), BoxId(box)) for owner, box in tx.execute(_OF_GROUPS, {"groups": list(page)})}
    return sorted(key for key in keys if key[0] != reader)


def _boxes(tx: Tx, keys: list[Key]) -> list[Box]:
    return [
        box_of(row)
        for page in chunks(keys)
        for row in tx.execute(_BOXES, {"owners": [owner for owner, _ in page], "boxes": [box for _, box in page]})
    ]


def shown_name(owner: Account, name: str) -> str:
    """The name of a box as others see it."""
    if owner.state is AccountState.SHARED:
        return SHARED + SEPARATOR + name
    return SEPARATOR.join((SHARED, level_of(owner.login), name))


@reads(Group.OWNER)
def found(tx: Tx, reader: OwnerId, name: str) -> SharedBox:
    """The box that a reader sees under a name, with their rights, which may be none.  Raises NoSuchBox."""
    owner, inner = _place(tx, reader, name)
    try:
        box = boxes.box_named(tx, owner, inner)
    except NoSuchBox:
        rights(tx, reader, owner, BoxId(0))  # as long as for one that is there
        raise
    return SharedBox(box, name, rights(tx, reader, owner, box.box))


def _place(tx: Tx, reader: OwnerId, name: str) -> tuple[OwnerId, str]:
    """Whose box a shown name would be, and its name there.  Raises NoSuchBox."""
    levels = name.split(SEPARATOR, 2)
    owners = accounts.accounts_by_owner(tx, [owner for owner, _ in _candidates(tx, reader)])
    for owner, account in owners.items() if levels[0] == SHARED and len(levels) > 1 else ():
        if account.state is AccountState.SHARED:
            if account.login == levels[1]:
                return owner, SEPARATOR.join(levels[1:])
        elif level_of(account.login) == levels[1] and len(levels) == 3:
            return owner, canonical(levels[2])
    raise NoSuchBox(NO_BOX)


def refuse(has: Rights, message: str = "no right to do this here") -> None:
    """Raises LacksRight to who may know of the box, NoSuchBox to who may not (RFC 4314 6)."""
    if Rights.LOOKUP in has:
        raise LacksRight(message)
    raise NoSuchBox(NO_BOX)


def demand(has: Rights, needed: Rights) -> None:
    """Raises what ``refuse`` does where a right is lacking."""
    if needed & ~has:
        refuse(has)


# Changing


@writes(Group.OWNER)
def create(tx: Tx, reader: OwnerId, name: str, now: int | None = None) -> Box:
    """A new box below one that lets the reader (``k``); it gets the list of that one, and belongs to its owner.

    Raises NoSuchBox where there is none above, LacksRight, BadBoxName, BoxExists, LimitReached.
    """
    owner, inner = _place(tx, reader, name)
    _check_parent(tx, reader, owner, inner)
    return boxes.create(tx, owner, inner, "", now)


def _check_parent(tx: Tx, reader: OwnerId, owner: OwnerId, inner: str) -> None:
    """The nearest box above must let the reader make boxes below it (RFC 4314 4)."""
    known = {box.name: box for box in boxes.boxes(tx, owner)}
    above = next((known[each] for each in reversed(parents(inner)) if each in known), None)
    demand(NO_RIGHTS if above is None else rights(tx, reader, owner, above.box), Rights.CREATE)


@writes(Group.OWNER)
def delete(tx: Tx, reader: OwnerId, name: str) -> Key:
    """Removes a box (``x``); which it was.  Raises NoSuchBox, LacksRight, NotAllowed."""
    box = _removable(tx, reader, name)
    boxes.remove(tx, box.owner, box.box)
    return box.owner, box.box


@writes(Group.OWNER)
def rename(tx: Tx, reader: OwnerId, old: str, new: str, now: int | None = None) -> None:
    """Renames a box (``x``) and those below it, within the boxes of its owner, to below one that lets (``k``).

    Lists stay with their boxes.  Raises NoSuchBox, LacksRight, NotAllowed, BadBoxName, BoxExists, LimitReached.
    """
    box = _removable(tx, reader, old)
    try:
        owner, inner = _place(tx, reader, new)
    except NoSuchBox:
        owner, inner = reader, ""
    if owner != box.owner:
        raise NotAllowed("a mailbox stays with its owner: copy the messages")
    check(inner)
    _check_parent(tx, reader, owner, inner)
    boxes.rename(tx, owner, box.name, inner, now)


def _removable(tx: Tx, reader: OwnerId, name: str) -> Box:
    seen = found(tx, reader, name)
    demand(seen.rights, Rights.REMOVE)
    if seen.box.name == INBOX or is_root(tx, seen.box):
        raise NotAllowed("this mailbox stays where it is")
    return seen.box


# Boxes that are nobody's


def is_root(tx: Tx, box: Box) -> bool:
    """Whether it is the box that an administrator made, which only they remove."""
    account = None if SEPARATOR in box.name else accounts.account(tx, box.owner)
    return account is not None and account.state is AccountState.SHARED


@dataclass(frozen=True, slots=True)
class Tree:
    """The boxes of an account that is nobody's.  name: of the first, and the first level of all their names."""

    name: str
    owner: OwnerId


@reads(Group.OWNER)
def trees(tx: Tx) -> list[Tree]:
    """All of them, by name."""
    rows = tx.execute(sa.select(_tree.c.name, _tree.c.tree_owner).where(_tree.c.owner_id == SYSTEM_OWNER))
    return sorted((Tree(name, OwnerId(owner)) for name, owner in rows), key=lambda each: each.name)


@reads(Group.OWNER)
def tree(tx: Tx, name: str) -> Tree | None:
    owner = tx.execute(
        sa.select(_tree.c.tree_owner).where(_tree.c.owner_id == SYSTEM_OWNER, _tree.c.name == name)
    ).scalar()
    return None if owner is None else Tree(name, OwnerId(owner))


@writes(Group.OWNER)
def add_tree(tx: Tx, name: str, now: int) -> Box:
    """An account that is nobody's, and its first box, which nobody sees yet.  Raises BadBoxName, BoxExists."""
    check(name)
    if SEPARATOR in name or "@" in name or name.upper() == INBOX or name == SHARED:
        raise BadBoxName("the first level of a shared mailbox is one level without @, not INBOX and not Shared")
    owner = new_owner_id()
    if not inserted(tx, _tree, {"owner_id": SYSTEM_OWNER, "name": name, "tree_owner": owner}):
        raise BoxExists(f"{SHARED}/{name} is there already")
    state = int(AccountState.SHARED)
    row = {"owner_id": owner, "login": name, "name": "", "state": state, "admin": False, "created": now}
    tx.execute(sa.insert(schema.account), row)
    box = new_box_id()
    boxes.insert_boxes(tx, owner, [(box, name, "")], boxes.uidvalidities(tx, owner, 1, now))
    return boxes.box_by_id(tx, owner, box)


@writes(Group.OWNER)
def remove_tree(tx: Tx, name: str) -> None:
    """The account with all its boxes and what is in them; posts that others have stay theirs.  Raises NoSuchBox."""
    gone = tree(tx, name)
    if gone is None:
        raise NoSuchBox(f"there is no {SHARED}/{name}")
    tx.execute(sa.delete(_tree).where(_tree.c.owner_id == SYSTEM_OWNER, _tree.c.name == name))
    for box in boxes.boxes(tx, gone.owner):
        boxes.remove(tx, gone.owner, box.box)
    tx.execute(sa.delete(schema.account).where(schema.account.c.owner_id == gone.owner))
