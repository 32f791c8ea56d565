"""COPY, MOVE and EXPUNGE: rows are made, moved and removed; posts are not touched (RFC 9051 6.4.3, 6.4.7, 6.4.8).

The database copies rows itself, whatever their number; only UIDs come here.  What is read under the boxes' locks
stays as it is until COMMIT, so each statement finds the rows that the one before it found.  A copy into a box that has
the post already is a second row all the same; only deliveries look for the post first.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from opostd.model.flags import DELETED, EVERY_FLAG, UNCHARGED, FlagScope
from opostd.model.ids import SYSTEM_OWNER, BoxId, ModSeq, OwnerId, Uid
from opostd.model.records import UNLIMITED, Box, Quota
from opostd.store import dismissed, quota, schema
from opostd.store.locks import LAST_UID, advance, charge, lock
from opostd.store.ranges import ONE_RANGE
from opostd.store.run import Group, Tx, writes

_dp, _gone = schema.delivered_post, schema.expunged


def _big(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


_UIDS = sa.select(_dp.c.uid, _dp.c.size, _dp.c.bits).where(*ONE_RANGE).order_by(_dp.c.uid)
_IS_DELETED = _dp.c.bits.bitwise_and(DELETED) != 0
_CHARGED = _dp.c.bits.bitwise_and(UNCHARGED) == 0
_SUMS: tuple[sa.ColumnElement[Any], ...] = (
    sa.func.coalesce(sa.func.sum(sa.case((_CHARGED, _dp.c.size))), 0),
    sa.func.count(sa.case((_CHARGED, 1))),
    sa.func.count(sa.case((dismissed.UNREAD, 1))),
)
_TOGETHER = {
    (dialect, deleted_only): sa.select(joined(sa.cast(_dp.c.uid, sa.Text), sa.literal_column("','")), *_SUMS).where(
        *ONE_RANGE, *([_IS_DELETED] if deleted_only else [])
    )
    for dialect, joined in (("sqlite", sa.func.group_concat), ("postgresql", sa.func.string_agg))
    for deleted_only in (False, True)
}
"""One row for all messages of a range: a thousand rows of the driver take a third of the time that their copies do."""
_ROW = {
    "owner_id": _big("target_owner"),
    "box_id": _big("target"),
    "uid": _dp.c.uid + _big("shift"),
    "modseq": _big("new_modseq"),
    "internaldate": _dp.c.internaldate,
    "savedate": _big("now"),
    "size": _dp.c.size,
    "bits": _dp.c.bits.bitwise_and(sa.bindparam("kept", type_=sa.SmallInteger)),
    "post_id": sa.type_coerce(_dp.c.post_id, sa.types.NULLTYPE),
    "keywords": _dp.c.keywords,
}
_COUNTED = {"uid": _big("first_uid") + sa.func.row_number().over(order_by=_dp.c.uid) - 1}
_WITHOUT_KEYWORDS = {"keywords": sa.literal("", sa.Text)}


def _copying(**other: sa.ColumnElement[Any]) -> sa.Executable:
    row = {**_ROW, **other}
    return sa.insert(_dp).from_select(list(row), sa.select(*row.values()).where(*ONE_RANGE))


_COPY = {  # by: are there gaps between the UIDs, which the database then counts; do keywords stay
    (False, True): _copying(),
    (False, False): _copying(**_WITHOUT_KEYWORDS),
    (True, True): _copying(**_COUNTED),
    (True, False): _copying(**_COUNTED, **_WITHOUT_KEYWORDS),
}
_LEAVING = sa.select(
    _dp.c.owner_id, _dp.c.box_id, _big("new_modseq"), _dp.c.uid, sa.type_coerce(_dp.c.post_id, sa.types.NULLTYPE)
).where(*ONE_RANGE)
_GONE_COLUMNS = ["owner_id", "box_id", "modseq", "uid", "post_id"]
_REMOVE = {  # by: only what is \\Deleted
    False: (sa.insert(_gone).from_select(_GONE_COLUMNS, _LEAVING), sa.delete(_dp).where(*ONE_RANGE)),
    True: (
        sa.insert(_gone).from_select(_GONE_COLUMNS, _LEAVING.where(_IS_DELETED)),
        sa.delete(_dp).where(*ONE_RANGE, _IS_DELETED),
    ),
}


DENSE = 4  # numbers for each UID wanted: where more are between them, others are, too, and each row is looked at

Place = tuple[OwnerId, BoxId]


@dataclass(frozen=True, slots=True)
class Copied:
    """uidvalidity: of the target; pairs: UID in the source, UID in the target, both ascending.

    left: after a move, the modseq with which they have left the source.
    """

    uidvalidity: int
    pairs: tuple[tuple[Uid, Uid], ...]
    left: ModSeq | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """uids: what has left a box, ascending; modseq: of the box then."""

    modseq: ModSeq
    uids: tuple[Uid, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """runs: UIDs that are there, ascending, none between those of a run that is not wanted; a run is a range of UIDs
    for the database, though there may be gaps in it.  octets, messages: those of them that are charged.  deleted: it is
    all that is ``\\Deleted`` in the range of the one run, and others may stand between.
    """

    runs: list[list[int]]
    octets: int
    messages: int
    dismissed: bool = False  # some of them are, if they go for good (store.dismissed)
    deleted: bool = False

    @property
    def uids(self) -> tuple[Uid, ...]:
        return tuple([Uid(uid) for run in self.runs for uid in run])


@writes(Group.OWNER)
def copy(
    tx: Tx,
    owner: OwnerId,
    source: BoxId,
    target: BoxId,
    uids: Sequence[Uid],
    now: int,
    default: Quota = UNLIMITED,
    *,
    target_owner: OwnerId | None = None,
    scope: FlagScope = EVERY_FLAG,
) -> Copied:
    """Rows of these messages in another box, or in the same; all of them or none.

    Flags and keywords of the scope and INTERNALDATE stay; SAVEDATE is now.  UIDs that are gone are left out.  default:
    limits of an account that has none of its own.  target_owner: None is the owner of the source.  Raises NoSuchBox,
    OverQuota.
    """
    to = (target_owner or owner, target)
    _lock_both(tx, (owner, source), to)
    return _copied(tx, owner, source, to, _found(tx, owner, source, uids), now, default, scope)


@writes(Group.OWNER)
def move(
    tx: Tx,
    owner: OwnerId,
    source: BoxId,
    target: BoxId,
    uids: Sequence[Uid],
    now: int,
    default: Quota = UNLIMITED,
    *,
    target_owner: OwnerId | None = None,
    scope: FlagScope = EVERY_FLAG,
) -> Copied:
    """``copy``, and the messages leave the source; all of it or nothing.  Who is over quota may move their own.

    Raises NoSuchBox, OverQuota of another owner.
    """
    to = (target_owner or owner, target)
    _lock_both(tx, (owner, source), to)
    found = _found(tx, owner, source, uids)
    copied = _copied(tx, owner, source, to, found, now, None if to[0] == owner else default, scope)
    left = _remove(tx, owner, source, found)
    return replace(copied, left=left)


@writes(Group.OWNER)
def expunge(tx: Tx, owner: OwnerId, box: BoxId, uids: Sequence[Uid] | None, deleted_only: bool) -> Left:
    """Removes messages for good.

    uids: None is all; deleted_only: of these the ``\\Deleted``.  Raises NoSuchBox.
    """
    before = lock(tx, owner, box)
    found = _found_deleted(tx, owner, box, uids) if deleted_only else _found(tx, owner, box, uids)
    if found.dismissed:
        dismissed.note(tx, [_here(owner, box, run) for run in found.runs])
    return Left(_remove(tx, owner, box, found) or before.highestmodseq, found.uids)


def _lock_both(tx: Tx, source: Place, target: Place) -> None:
    for owner, box in sorted({source, target}):
        lock(tx, owner, box)


def _here(owner: OwnerId, box: BoxId, uids: Collection[int] | None) -> dict[str, int]:
    """The smallest range that has them all; None is the whole box."""
    first, last = (1, LAST_UID) if uids is None else (min(uids), max(uids)) if uids else (1, 0)
    return {"owner": owner, "box": box, "first": first, "last": last}


def _found(tx: Tx, owner: OwnerId, box: BoxId, uids: Collection[int] | None) -> _Found:
    """Those of the messages that are there.  uids: ascending."""
    if uids is None:
        return _together(tx, owner, box, None)
    wanted = set(uids)
    if not uids or max(uids) - min(uids) < DENSE * len(uids):
        found = _together(tx, owner, box, uids)
        if all(wanted.issuperset(run) for run in found.runs):
            return found
    rows = tx.rows(_UIDS, _here(owner, box, uids))
    runs: list[list[int]] = []
    open_run = False
    for uid, _, _ in rows:
        if uid not in wanted:
            open_run = False
        elif open_run:
            runs[-1].append(uid)
        else:
            runs.append([uid])
            open_run = True
    rows = [row for row in rows if row[0] in wanted]
    return _Found(runs, *_charged(rows), any(dismissed.counts(owner, bits) for bits in {row[2] for row in rows}))


def _found_deleted(tx: Tx, owner: OwnerId, box: BoxId, uids: Collection[int] | None) -> _Found:
    """Those of the messages that are ``\\Deleted``."""
    found = _together(tx, owner, box, uids, deleted_only=True)
    deleted = found.runs[0] if found.runs else []
    if found.dismissed or (uids is not None and not set(uids).issuperset(deleted)):
        return _found(tx, owner, box, deleted if uids is None else sorted(set(deleted).intersection(uids)))
    return replace(found, deleted=True)


def _together(
    tx: Tx, owner: OwnerId, box: BoxId, uids: Collection[int] | None, *, deleted_only: bool = False
) -> _Found:
    """What is in the smallest range that has all of these, as one run."""
    ((found, octets, messages, unread),) = tx.rows(_TOGETHER[tx.dialect, deleted_only], _here(owner, box, uids))
    run = sorted(map(int, found.split(","))) if found else []
    return _Found([run] if run else [], octets, messages, bool(unread) and owner != SYSTEM_OWNER)


def _charged(rows: Sequence[tuple[int, int, int]]) -> tuple[int, int]:
    """Octets and number of those that count."""
    sizes = [size for _, size, bits in rows if not bits & UNCHARGED]
    return sum(sizes), len(sizes)


def _copied(
    tx: Tx, owner: OwnerId, source: BoxId, to: Place, found: _Found, now: int, default: Quota | None, scope: FlagScope
) -> Copied:
    """default: None is that no limit is looked at."""
    count = sum(map(len, found.runs))
    if not count:
        return Copied(lock(tx, *to).uidvalidity, ())
    if found.messages:
        taken, *own = charge(tx, *to, found.octets, found.messages, uids=count, modseqs=1)
        if default is not None:
            quota.check(tx, to[0], quota.Own(*own), default)
    else:
        taken = advance(tx, *to, uids=count, modseqs=1)
    first = next_uid = taken.uidnext - count
    same = {"target_owner": to[0], "target": to[1], "new_modseq": taken.highestmodseq, "now": now}
    same["kept"] = scope.bits | UNCHARGED
    for run in found.runs:
        gaps = run[-1] - run[0] + 1 > len(run)
        numbers = {"first_uid": next_uid} if gaps else {"shift": next_uid - run[0]}
        tx.later(_COPY[gaps, scope.keywords], {**_here(owner, source, run), **same, **numbers})
        next_uid += len(run)
    tx.hint(*to, taken.highestmodseq)
    pairs = tuple([(uid, Uid(new)) for new, uid in enumerate(found.uids, first)])
    return Copied(taken.uidvalidity, pairs)


def _remove(tx: Tx, owner: OwnerId, box: BoxId, found: _Found) -> ModSeq | None:
    """The modseq with which they leave; None where there are none."""
    if not found.runs:
        return None
    left: Box = (
        charge(tx, owner, box, -found.octets, -found.messages, modseqs=1)[0]
        if found.messages
        else advance(tx, owner, box, modseqs=1)
    )
    values = [{**_here(owner, box, run), "new_modseq": left.highestmodseq} for run in found.runs]
    for statement in _REMOVE[found.deleted]:
        tx.later(statement, *values)
    tx.hint(owner, box, left.highestmodseq)
    return left.highestmodseq
