"""STORE: the flags of many messages in a few statements (RFC 9051 6.4.6; UNCHANGEDSINCE: RFC 7162 3.1.3).

System flags alone, which is nearly all that clients store, are one UPDATE of bits.  With keywords the new set is
computed once for each of the few different sets that the messages have, and one UPDATE changes all that have it.  A
message whose flags stay as they are is not touched and spends no modseq.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.errors import LimitReached
from opostd.model.flags import (
    ALL_BITS,
    ALL_FLAGS,
    EVERY_FLAG,
    MAX_KEYWORD_OCTETS,
    MAX_KEYWORDS,
    FlagAction,
    Flags,
    FlagScope,
    apply_flags,
)
from opostd.model.ids import BoxId, ModSeq, OwnerId, Uid
from opostd.store import schema
from opostd.store.locks import advance
from opostd.store.ranges import ONE_RANGE, in_box, pages
from opostd.store.run import Group, Tx, writes

ANY_MODSEQ = 2**63 - 1

_dp = schema.delivered_post
_NOT_LATER = _dp.c.modseq <= sa.bindparam("limit", type_=sa.BigInteger)
_BITS = sa.bindparam("flags", type_=sa.SmallInteger)
_KEPT = sa.bindparam("kept", type_=sa.SmallInteger)
# What an action writes into the bits, and which messages it changes at all
_SYSTEM: dict[FlagAction, tuple[sa.ColumnElement[int], sa.ColumnElement[bool]]] = {
    FlagAction.ADD: (_dp.c.bits.bitwise_or(_BITS), _dp.c.bits.bitwise_and(_BITS) != _BITS),
    FlagAction.REMOVE: (_dp.c.bits.bitwise_and(_KEPT), _dp.c.bits.bitwise_and(_BITS) != 0),
}
_CHANGE = {
    action: sa.update(_dp)
    .where(*ONE_RANGE, _NOT_LATER, differs)
    .values(bits=new, modseq=sa.bindparam("new_modseq", type_=sa.BigInteger))
    for action, (new, differs) in _SYSTEM.items()
}


@dataclass(frozen=True, slots=True)
class Stored:
    """modseq: of the box now; changed: how many messages have got it; modified: refused by UNCHANGEDSINCE."""

    modseq: ModSeq
    changed: int
    modified: tuple[Uid, ...]


@writes(Group.OWNER)
def store_flags(
    tx: Tx,
    owner: OwnerId,
    box: BoxId,
    ranges: Sequence[tuple[int, int]],
    action: FlagAction,
    change: Flags,
    unchangedsince: ModSeq | None,
    scope: FlagScope = EVERY_FLAG,
) -> Stored:
    """Changes the flags of the messages in these inclusive ranges of UIDs; all of it or nothing.

    unchangedsince: messages with a later change are left as they are, and named.  scope: other flags stay as they
    are, whatever is given.  UIDs ascend in the result.  Raises NoSuchBox; LimitReached when a message would have too
    many keywords, or one that is too long.
    """
    change = scope.of(change)
    if any(len(keyword.encode()) > MAX_KEYWORD_OCTETS for keyword in change.keywords):
        raise LimitReached(f"a keyword has at most {MAX_KEYWORD_OCTETS} octets")
    modseq = advance(tx, owner, box, modseqs=1).highestmodseq
    modified: list[int] = []
    if unchangedsince is not None:
        for page in pages(ranges):
            late = sa.and_(_dp.c.modseq > unchangedsince, in_box(owner, box, page))
            modified += tx.execute(sa.select(_dp.c.uid).where(late)).scalars()
    limit = ANY_MODSEQ if unchangedsince is None else unchangedsince
    if action in _CHANGE and not change.keywords:
        changed = _change_bits(tx, owner, box, ranges, action, change.bits, limit, modseq)
    else:
        changed = 0
        for page in pages(ranges):
            here = sa.and_(in_box(owner, box, page), _dp.c.modseq <= limit)
            changed += _change(tx, here, action, change, modseq, scope)
    if changed:
        tx.hint(owner, box, modseq)
    else:
        modseq = advance(tx, owner, box, modseqs=-1).highestmodseq
        tx.nothing_changed()
    return Stored(modseq, changed, tuple(Uid(uid) for uid in sorted(set(modified))))


def _change_bits(
    tx: Tx,
    owner: OwnerId,
    box: BoxId,
    ranges: Sequence[tuple[int, int]],
    action: FlagAction,
    bits: int,
    limit: int,
    modseq: ModSeq,
) -> int:
    """How many were changed: keywords stay as they are."""
    values = {"owner": owner, "box": box, "limit": limit, "flags": bits, "kept": ALL_BITS & ~bits}
    each = [{**values, "first": first, "last": last, "new_modseq": modseq} for first, last in ranges]
    return tx.count_many(_CHANGE[action], each)


def _change(
    tx: Tx, here: sa.ColumnElement[bool], action: FlagAction, change: Flags, modseq: ModSeq, scope: FlagScope
) -> int:
    """How many were changed."""
    changed = 0
    sets = tx.execute(sa.select(_dp.c.bits, _dp.c.keywords).where(here).distinct()).all()
    for bits, keywords in sets:
        old = Flags(bits & ALL_FLAGS, tuple(keywords.split()))
        new = apply_flags(old, action, change, scope)
        if new == old:
            continue
        if len(new.keywords) > MAX_KEYWORDS:
            raise LimitReached(f"a message has at most {MAX_KEYWORDS} keywords")
        # What this command has changed already has the new modseq: it is not changed again as one of another set.
        these = sa.and_(here, _dp.c.bits == bits, _dp.c.keywords == keywords, _dp.c.modseq < modseq)
        values = {"bits": new.bits | (bits & ~ALL_FLAGS), "keywords": " ".join(new.keywords), "modseq": modseq}
        changed += tx.execute(sa.update(_dp).where(these).values(values)).rowcount
    return changed
