"""What an account has of what it may have (RFC 9208): octets and messages.

Usage stands in the rows of boxes, whose locks deliveries, copies and removals hold anyway: they change it in the same
statement, and no statement more where nothing is limited.  An account's usage is the sum of its few boxes.  A message
that a source carries to its readers is charged to nobody, nor are copies of it (``UNCHARGED`` among its bits).

What must stay true: in each box the two numbers are those of its charged rows (``recount`` compares).  A limit is
looked at under the lock of one box: two deliveries at once into two boxes of an account may both find room for the
last message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.errors import NoSuchAddress, NoSuchBox, OverQuota
from opostd.model.flags import UNCHARGED
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId
from opostd.model.records import Quota
from opostd.store import schema
from opostd.store.locks import charge, lock
from opostd.store.run import Group, Tx, reads, writes

_account, _box, _dp = schema.account, schema.box, schema.delivered_post
_USED = sa.select(
    sa.func.coalesce(sa.func.sum(_box.c.charged_octets), 0),
    sa.func.coalesce(sa.func.sum(_box.c.charged_messages), 0),
    sa.func.count(),
).where(_box.c.owner_id == sa.bindparam("owner"))
_POSTGRES_USED = sa.text("""
    SELECT owner_id, sum(charged_octets), sum(charged_messages), count(*) FROM box
    WHERE owner_id = ANY(CAST(:owners AS bigint[])) GROUP BY owner_id""")
_OWN = sa.select(_account.c.quota_octets, _account.c.quota_messages).where(
    _account.c.owner_id == sa.bindparam("owner")
)  # fmt: skip
_COUNTED = (
    sa.select(
        _dp.c.box_id,
        sa.func.sum(_dp.c.size),
        sa.func.count(),
    )
    .where(_dp.c.owner_id == sa.bindparam("owner"), _dp.c.bits.bitwise_and(UNCHARGED) == 0)
    .group_by(_dp.c.box_id)
)


@dataclass(frozen=True, slots=True)
class Usage:
    """octets, messages: those that are charged; boxes: all."""

    octets: int
    messages: int
    boxes: int

    def exceeds(self, quota: Quota) -> bool:
        """Whether it is over a limit."""
        over_octets = bool(quota.storage_octets) and self.octets > quota.storage_octets
        return over_octets or (bool(quota.messages) and self.messages > quota.messages)

    def plus(self, octets: int, messages: int) -> "Usage":
        return Usage(self.octets + octets, self.messages + messages, self.boxes)


@dataclass(frozen=True, slots=True)
class Own:
    """An account's own limits; None is what the settings say."""

    storage_octets: int | None = None
    messages: int | None = None

    def over(self, default: Quota) -> Quota:
        """The limits that hold."""
        return Quota(
            default.storage_octets if self.storage_octets is None else self.storage_octets,
            default.messages if self.messages is None else self.messages,
        )


@reads(Group.OWNER)
def usage(tx: Tx, owner: OwnerId) -> Usage:
    """What the account has now."""
    return Usage(*map(int, tx.rows(_USED, {"owner": owner})[0]))


@reads(Group.OWNER)
def own(tx: Tx, owner: OwnerId) -> Own:
    """The account's own limits; those of the settings for an account that is not there."""
    rows = tx.rows(_OWN, {"owner": owner})
    return Own(*rows[0]) if rows else Own()


@reads(Group.OWNER)
def owns(tx: Tx, owners: Sequence[OwnerId]) -> dict[OwnerId, Own]:
    """``own`` of several accounts: on PostgreSQL one way for all."""
    found = tx.rows_of(*((_OWN, {"owner": owner}) for owner in owners))
    return {owner: Own(*rows[0]) if rows else Own() for owner, rows in zip(owners, found, strict=True)}


@reads(Group.OWNER)
def quota(tx: Tx, owner: OwnerId, default: Quota) -> tuple[Quota, Usage]:
    """The limits that hold for an account, and what it has.  default: of the settings."""
    return own(tx, owner).over(default), usage(tx, owner)


@writes(Group.OWNER)
def set_own(tx: Tx, owner: OwnerId, limits: Own) -> None:
    """From now on.  What is over a lower limit stays; nothing comes until there is room.  Raises NoSuchAddress."""
    changed = tx.execute(
        sa.update(_account)
        .where(_account.c.owner_id == owner)
        .values(quota_octets=limits.storage_octets, quota_messages=limits.messages)
        .returning(_account.c.owner_id)
    ).first()
    if changed is None:
        raise NoSuchAddress("there is no such account")
    tx.hint(owner, BoxId(0), 0)


def check(tx: Tx, owner: OwnerId, limits: Own, default: Quota) -> None:
    """After rows were charged, in their transaction.  Raises OverQuota; nothing is asked where nothing is limited."""
    holding = limits.over(default)
    if holding and owner != SYSTEM_OWNER and usage(tx, owner).exceeds(holding):
        raise OverQuota("over quota")


def exceeded(tx: Tx, limits: Mapping[OwnerId, Own], default: Quota) -> set[OwnerId]:
    """``check`` for several accounts: those that are over quota."""
    holding = {owner: each.over(default) for owner, each in limits.items() if owner != SYSTEM_OWNER}
    limited = {owner: each for owner, each in holding.items() if each}
    return {owner for owner, used in _usages(tx, list(limited)).items() if used.exceeds(limited[owner])}


def _usages(tx: Tx, owners: Sequence[OwnerId]) -> dict[OwnerId, Usage]:
    if tx.dialect != "postgresql" or len(owners) < 2:
        return {owner: usage(tx, owner) for owner in owners}
    return {OwnerId(row[0]): Usage(*map(int, row[1:])) for row in tx.rows(_POSTGRES_USED, {"owners": list(owners)})}


@dataclass(frozen=True, slots=True)
class Difference:
    """A box whose numbers were not those of its rows.  was: octets and messages; counted: what they are."""

    box: BoxId
    was: tuple[int, int]
    counted: tuple[int, int]


@reads(Group.OWNER)
def differences(tx: Tx, owner: OwnerId) -> list[Difference]:
    """Boxes whose numbers are not those of their rows: none, but for a moment in which somebody writes."""
    kept = tx.execute(
        sa.select(_box.c.box_id, _box.c.charged_octets, _box.c.charged_messages).where(_box.c.owner_id == owner)
    ).all()
    counted = {box: (int(octets), messages) for box, octets, messages in tx.execute(_COUNTED, {"owner": owner})}
    return [
        Difference(BoxId(box), (octets, messages), counted.get(box, (0, 0)))
        for box, octets, messages in kept
        if (octets, messages) != counted.get(box, (0, 0))
    ]


@writes(Group.OWNER)
def recount(tx: Tx, owner: OwnerId, box: BoxId) -> Difference | None:
    """Counts one box anew under its lock, and puts its numbers right; what was wrong, if anything was."""
    try:
        lock(tx, owner, box)
    except NoSuchBox:
        return None
    found = next((each for each in differences(tx, owner) if each.box == box), None)
    if found is not None:
        charge(tx, owner, box, found.counted[0] - found.was[0], found.counted[1] - found.was[1])
    return found
