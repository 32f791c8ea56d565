"""STORE: the flags of many messages in a few statements (RFC 9051 6.4.6; UNCHANGEDSINCE: RFC 7162 3.1.3).

The messages of a box have few different sets of flags, so the new set is computed once for each, and one UPDATE
changes all that have it.  A message whose flags stay as they are is not touched and spends no modseq.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.errors import LimitReached
from opostd.model.flags import MAX_KEYWORD_OCTETS, MAX_KEYWORDS, FlagAction, Flags, apply_flags
from opostd.model.ids import BoxId, ModSeq, OwnerId, Uid
from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.locks import advance
from opostd.store.run import Group, Tx, writes

RANGES_IN_STATEMENT = 200  # SQLite's expressions are at most 1,000 deep

_dp = schema.delivered_post


@dataclass(frozen=True, slots=True)
class Stored:
    """modseq: of the box now, and of every message in ``changed``; modified: refused by UNCHANGEDSINCE."""

    modseq: ModSeq
    changed: tuple[Uid, ...]
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
) -> Stored:
    """Changes the flags of the messages in these inclusive ranges of UIDs; all of it or nothing.

    unchangedsince: messages with a later change are left as they are, and named.  UIDs ascend in the result.  Raises
    NoSuchBox; LimitReached when a message would have too many keywords, or one that is too long.
    """
    if any(len(keyword.encode()) > MAX_KEYWORD_OCTETS for keyword in change.keywords):
        raise LimitReached(f"a keyword has at most {MAX_KEYWORD_OCTETS} octets")
    modseq = advance(tx, owner, box, modseqs=1).highestmodseq
    changed: list[int] = []
    modified: list[int] = []
    for page in chunks(ranges, RANGES_IN_STATEMENT):
        here = sa.and_(_dp.c.owner_id == owner, _dp.c.box_id == box, _in_ranges(page))
        if unchangedsince is not None:
            late = sa.and_(here, _dp.c.modseq > unchangedsince, _dp.c.modseq < modseq)
            modified += tx.execute(sa.select(_dp.c.uid).where(late)).scalars()
            here = sa.and_(here, _dp.c.modseq <= unchangedsince)
        changed += _change(tx, here, action, change, modseq)
    if changed:
        tx.hint(owner, box, modseq)
    else:
        modseq = advance(tx, owner, box, modseqs=-1).highestmodseq
    return Stored(modseq, _ascending(changed), _ascending(modified))


def _change(
    tx: Tx, here: sa.ColumnElement[bool], action: FlagAction, change: Flags, modseq: ModSeq
) -> list[int]:  # fmt: skip
    """The UIDs that were changed."""
    changed: list[int] = []
    sets = tx.execute(sa.select(_dp.c.bits, _dp.c.keywords).where(here).distinct()).all()
    for bits, keywords in sets:
        old = Flags(bits, tuple(keywords.split()))
        new = apply_flags(old, action, change)
        if new == old:
            continue
        if len(new.keywords) > MAX_KEYWORDS:
            raise LimitReached(f"a message has at most {MAX_KEYWORDS} keywords")
        # What this command has changed already has the new modseq: it is not changed again as one of another set.
        these = sa.and_(here, _dp.c.bits == bits, _dp.c.keywords == keywords, _dp.c.modseq < modseq)
        values = {"bits": new.bits, "keywords": " ".join(new.keywords), "modseq": modseq}
        changed += tx.execute(sa.update(_dp).where(these).values(values).returning(_dp.c.uid)).scalars()
    return changed


def _in_ranges(ranges: Sequence[tuple[int, int]]) -> sa.ColumnElement[bool]:
    singles = [first for first, last in ranges if first == last]
    parts: list[sa.ColumnElement[bool]] = [_dp.c.uid.between(*pair) for pair in ranges if pair[0] != pair[1]]
    if singles:
        parts.append(_dp.c.uid.in_(singles))
    return sa.or_(sa.false(), *parts)


def _ascending(uids: Sequence[int]) -> tuple[Uid, ...]:
    return tuple(Uid(uid) for uid in sorted(uids))
