"""COPY, MOVE and EXPUNGE: rows are made, moved and removed; posts are not touched (RFC 9051 6.4.3, 6.4.7, 6.4.8).

The database copies rows itself, whatever their number; only UIDs come here.  What is read under the boxes' locks
stays as it is until COMMIT, so each statement finds the rows that the one before it found.  A copy into a box that has
the post already is a second row all the same; only deliveries look for the post first.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.flags import DELETED, EVERY_FLAG, UNCHARGED, FlagScope
from opostd.model.ids import BoxId, OwnerId, Uid
from opostd.model.records import UNLIMITED, Box, Quota
from opostd.store import dismissed, quota, schema
from opostd.store.locks import LAST_UID, advance, charge, lock
from opostd.store.ranges import ONE_RANGE
from opostd.store.run import Group, Tx, writes

_dp, _gone = schema.delivered_post, schema.expunged


def _big(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


_UIDS = sa.select(_dp.c.uid, _dp.c.size, _dp.c.bits).where(*ONE_RANGE).order_by(_dp.c.uid)
_DELETED_UIDS = sa.select(_dp.c.uid).where(*ONE_RANGE, _dp.c.bits.bitwise_and(DELETED) != 0).order_by(_dp.c.uid)
_ROW = {
    "owner_id": _big("target_owner"),
    "box_id": _big("target"),
    "uid": _big("first_uid") + sa.func.row_number().over(order_by=_dp.c.uid) - 1,
    "modseq": _big("new_modseq"),
    "internaldate": _dp.c.internaldate,
    "savedate": _big("now"),
    "size": _dp.c.size,
    "bits": _dp.c.bits.bitwise_and(sa.bindparam("kept", type_=sa.SmallInteger)),
    "post_id": sa.type_coerce(_dp.c.post_id, sa.types.NULLTYPE),
    "keywords": _dp.c.keywords,
}
_COPY = sa.insert(_dp).from_select(list(_ROW), sa.select(*_ROW.values()).where(*ONE_RANGE))
_BARE_ROW = {**_ROW, "keywords": sa.literal("", sa.Text)}
_COPY_WITHOUT_KEYWORDS = sa.insert(_dp).from_select(list(_ROW), sa.select(*_BARE_ROW.values()).where(*ONE_RANGE))
_REMEMBER = sa.insert(_gone).from_select(
    ["owner_id", "box_id", "modseq", "uid", "post_id"],
    sa.select(
        _dp.c.owner_id, _dp.c.box_id, _big("new_modseq"), _dp.c.uid, sa.type_coerce(_dp.c.post_id, sa.types.NULLTYPE)
    ).where(*ONE_RANGE),
)
_DELETE = sa.delete(_dp).where(*ONE_RANGE)


Place = tuple[OwnerId, BoxId]


@dataclass(frozen=True, slots=True)
class Copied:
    """uidvalidity: of the target; pairs: UID in the source, UID in the target, both ascending."""

    uidvalidity: int
    pairs: tuple[tuple[Uid, Uid], ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """runs: UIDs that are there, ascending, none between those of a run that is not wanted; a run is a range of UIDs
    for the database, though there may be gaps in it.  octets, messages: those of them that are charged.
    """

    runs: list[list[int]]
    octets: int
    messages: int
    dismissed: bool = False  # some of them are, if they go for good (store.dismissed)


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
    _remove(tx, owner, source, found)
    return copied


@writes(Group.OWNER)
def expunge(tx: Tx, owner: OwnerId, box: BoxId, uids: Sequence[Uid] | None, deleted_only: bool) -> list[Uid]:
    """Removes messages for good; the UIDs that are gone, ascending.

    uids: None is all; deleted_only: of these the ``\\Deleted``.  Raises NoSuchBox.
    """
    lock(tx, owner, box)
    wanted = uids
    if deleted_only:
        deleted = [row[0] for row in tx.rows(_DELETED_UIDS, _here(owner, box, uids))]
        wanted = deleted if uids is None else sorted(set(deleted).intersection(uids))
    found = _found(tx, owner, box, wanted)
    if found.dismissed:
        dismissed.note(tx, [_here(owner, box, run) for run in found.runs])
    _remove(tx, owner, box, found)
    return [Uid(uid) for run in found.runs for uid in run]


def _lock_both(tx: Tx, source: Place, target: Place) -> None:
    for owner, box in sorted({source, target}):
        lock(tx, owner, box)


def _here(owner: OwnerId, box: BoxId, uids: Collection[int] | None) -> dict[str, int]:
    """The smallest range that has them all; None is the whole box."""
    first, last = (1, LAST_UID) if uids is None else (min(uids), max(uids)) if uids else (1, 0)
    return {"owner": owner, "box": box, "first": first, "last": last}


def _found(tx: Tx, owner: OwnerId, box: BoxId, uids: Collection[int] | None) -> _Found:
    """Those of the messages that are there."""
    rows = tx.rows(_UIDS, _here(owner, box, uids))
    wanted = None if uids is None else set(uids)
    if wanted is not None and not (len(wanted) >= len(rows) and wanted.issuperset([row[0] for row in rows])):
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
    else:
        runs = [[row[0] for row in rows]] if rows else []
    sizes = [size for _, size, bits in rows if not bits & UNCHARGED]
    unread = any(dismissed.counts(owner, bits) for _, _, bits in rows)
    return _Found(runs, sum(sizes), len(sizes), unread)


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
    values = []
    for run in found.runs:
        values.append({**_here(owner, source, run), **same, "first_uid": next_uid})
        next_uid += len(run)
    tx.count_many(_COPY if scope.keywords else _COPY_WITHOUT_KEYWORDS, values)
    tx.hint(*to, taken.highestmodseq)
    sources = [Uid(uid) for run in found.runs for uid in run]
    return Copied(taken.uidvalidity, tuple((uid, Uid(new)) for new, uid in enumerate(sources, first)))


def _remove(tx: Tx, owner: OwnerId, box: BoxId, found: _Found) -> None:
    if not found.runs:
        return
    left: Box = (
        charge(tx, owner, box, -found.octets, -found.messages, modseqs=1)[0]
        if found.messages
        else advance(tx, owner, box, modseqs=1)
    )
    values = [{**_here(owner, box, run), "new_modseq": left.highestmodseq} for run in found.runs]
    tx.count_many(_REMEMBER, values)
    tx.count_many(_DELETE, values)
    tx.hint(owner, box, left.highestmodseq)
