"""Groups in groups: what is sent to the outer one goes into the source of each below it, too.

One row for each group, whatever the number of their members; who reads several of them has the post once all the
same.  A circle is refused when it would be closed, with the way round named; the walk down ends even if there is one.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from opostd.model.errors import GroupCycle, LimitReached
from opostd.model.ids import SYSTEM_OWNER, BoxId
from opostd.store import schema
from opostd.store.dialect import insert_new
from opostd.store.run import Group, Tx, reads, writes

MAX_BELOW = 200  # groups below one: each is a row of a transaction, and 250 boxes go into one (intake/deliver.py)

_nested, _source = schema.nested, schema.source
_PAIRS = (
    sa.select(_nested.c.source_box, _nested.c.member_box)
    .where(_nested.c.owner_id == SYSTEM_OWNER)
    .order_by(_nested.c.source_box, _nested.c.member_box)
)
_MEMBERS = _PAIRS.where(_nested.c.source_box.in_(sa.bindparam("sources", expanding=True)))
MEMBERS_OF_ONE = _PAIRS.where(_nested.c.source_box == sa.bindparam("source", type_=sa.BigInteger))


@reads(Group.OWNER)
def members(tx: Tx, source: BoxId) -> list[BoxId]:
    """The groups that are members of a group themselves."""
    return _members(tx, [source]).get(source, [])


@reads(Group.OWNER)
def below(tx: Tx, source: BoxId) -> list[BoxId]:
    """All groups below one, each once, the nearest first."""
    return list(_paths(tx, source))[1:]


@writes(Group.OWNER)
def add(tx: Tx, outer: BoxId, inner: BoxId) -> None:
    """Makes a group a member of another; again is no error.  Raises GroupCycle, LimitReached."""
    _lock(tx)
    back = _paths(tx, inner).get(outer)
    if back is not None:
        way = " > ".join(_address(tx, box) for box in (outer, *back))
        raise GroupCycle(f"that would be a circle: {way}")
    insert_new(tx, _nested, [{"owner_id": SYSTEM_OWNER, "source_box": outer, "member_box": inner}])
    for above in _above(tx, outer):
        if len(_paths(tx, above)) > MAX_BELOW + 1:
            raise LimitReached(f"a group has at most {MAX_BELOW} groups below it")


@writes(Group.OWNER)
def remove(tx: Tx, outer: BoxId, inner: BoxId) -> bool:
    """Whether it was a member."""
    this = (_nested.c.owner_id == SYSTEM_OWNER, _nested.c.source_box == outer, _nested.c.member_box == inner)
    return bool(tx.execute(sa.delete(_nested).where(*this)).rowcount)


def forget(tx: Tx, source: BoxId) -> None:
    """A group is removed: it has no members and is none."""
    either = sa.or_(_nested.c.source_box == source, _nested.c.member_box == source)
    tx.execute(sa.delete(_nested).where(_nested.c.owner_id == SYSTEM_OWNER, either))


def _lock(tx: Tx) -> None:
    """One change of the tree of groups at a time: two that are right alone may be a circle together."""
    account = schema.account
    tx.execute(sa.update(account).where(account.c.owner_id == SYSTEM_OWNER).values(uidvalidity=account.c.uidvalidity))


def _members(tx: Tx, sources: Sequence[BoxId]) -> dict[BoxId, list[BoxId]]:
    found: dict[BoxId, list[BoxId]] = {}
    if len(sources) == 1:  # and mostly none is below it
        rows = tx.rows(MEMBERS_OF_ONE, {"source": sources[0]})
    else:
        rows = [tuple(row) for row in tx.execute(_MEMBERS, {"sources": list(sources)})]
    for outer, inner in rows:
        found.setdefault(BoxId(outer), []).append(BoxId(inner))
    return found


def _paths(tx: Tx, start: BoxId) -> dict[BoxId, tuple[BoxId, ...]]:
    """Each group that can be reached, itself included, with the shortest way to it; breadth first."""
    paths: dict[BoxId, tuple[BoxId, ...]] = {start: (start,)}
    level = [start]
    while level and len(paths) <= MAX_BELOW + 1:
        following = _members(tx, level)
        level = []
        for outer, inners in following.items():
            for inner in inners:
                if inner not in paths:
                    paths[inner] = (*paths[outer], inner)
                    level.append(inner)
    return paths


def _above(tx: Tx, source: BoxId) -> list[BoxId]:
    """A group and all above it."""
    found = [source]
    for box in found:
        rows = tx.execute(
            sa.select(_nested.c.source_box).where(_nested.c.owner_id == SYSTEM_OWNER, _nested.c.member_box == box)
        )
        found += [BoxId(outer) for outer in rows.scalars() if outer not in found]
    return found


def _address(tx: Tx, source: BoxId) -> str:
    found = tx.execute(
        sa.select(_source.c.address).where(_source.c.owner_id == SYSTEM_OWNER, _source.c.box_id == source)
    ).scalar()
    return found or "?"
