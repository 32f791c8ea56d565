"""Mail that leaves: one row for each address elsewhere, leased by agents, removed when another server has taken it.

What must stay true: a row goes only with what comes of it, in one transaction: taken, or a report to its sender, or
both; who holds a lease renews it while it works, so that whoever dies is followed soon, and nobody sends twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.ids import PostId
from opostd.model.mailing import Mailing, Notify, Origin, Terms, Wish
from opostd.store import leasing, posts, schema
from opostd.store.database import chunks
from opostd.store.leasing import MAX_ERROR_CHARS, PAGE
from opostd.store.run import Group, Tx, reads, writes
from opostd.store.spooling import HELD_AT
from opostd.store.types import storable

Key = tuple[PostId, str]

_out = schema.outgoing
_KEY = (_out.c.post_id, _out.c.address)
_THIS = (_out.c.post_id == sa.bindparam("o_post"), _out.c.address == sa.bindparam("o_address"))
_DELETE = sa.delete(_out).where(*_THIS).returning(_out.c.domain)
_LATER = sa.update(_out).where(*_THIS).returning(_out.c.domain)
_COLUMNS = (
    *_KEY, _out.c.domain, _out.c.attempts, _out.c.next_at, _out.c.created, _out.c.last_error, _out.c.warned,
    _out.c.sender, _out.c.envid, _out.c.ret, _out.c.notify, _out.c.orcpt, _out.c.via,
    _out.c.require_tls, _out.c.priority, _out.c.deliver_by, _out.c.by_mode,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Leaving:
    """One post for one address elsewhere.  attempts: with this lease counted; last_error: of the one before.

    via: the address of the source whose copy it is, or empty.
    """

    post: PostId
    address: str
    domain: str
    attempts: int
    next_at: int
    created: int
    last_error: str
    warned: bool
    origin: Origin
    notify: Notify
    orcpt: str
    via: str = ""

    @property
    def key(self) -> Key:
        return self.post, self.address

    @property
    def held(self) -> bool:
        return self.next_at >= HELD_AT

    @property
    def wish(self) -> Wish:
        return Wish(self.address, self.notify, self.orcpt)


@dataclass(frozen=True, slots=True)
class Later:
    """An attempt that failed: the next is at that time.  warned: the sender is told now that it takes long.

    counted: false where it was no attempt, for its server was never asked.  by_mode: of its terms, where it changes.
    """

    key: Key
    error: str
    next_at: int
    warned: bool = False
    counted: bool = True
    by_mode: str = ""


def _leaving(row: Sequence[object]) -> Leaving:
    post, address, domain, attempts, next_at, created, last_error, warned, sender, envid, ret, *rest = row
    notify, orcpt, via, require_tls, priority, deliver_by, by_mode = rest
    terms = Terms(bool(require_tls), priority, 0, deliver_by, str(by_mode))  # type: ignore[arg-type]
    return Leaving(
        PostId(post),  # type: ignore[arg-type]
        str(address),
        str(domain),
        attempts,  # type: ignore[arg-type]
        next_at,  # type: ignore[arg-type]
        created,  # type: ignore[arg-type]
        str(last_error),
        bool(warned),
        Origin(str(sender), str(envid), str(ret), terms),
        Notify(notify),  # type: ignore[arg-type]
        str(orcpt),
        str(via),
    )


@reads(Group.POST)
def waiting(tx: Tx, limit: int) -> list[Leaving]:
    """What waits, the next to be tried first, what is held last."""
    rows = tx.execute(sa.select(*_COLUMNS).order_by(_out.c.next_at, *_KEY).limit(limit))
    return [_leaving(tuple(row)) for row in rows]


@reads(Group.POST)
def of_post(tx: Tx, post: PostId) -> list[Leaving]:
    """The addresses elsewhere that a post waits for."""
    rows = tx.execute(sa.select(*_COLUMNS).where(_out.c.post_id == post).order_by(*_KEY))
    return [_leaving(tuple(row)) for row in rows]


@writes(Group.POST)
def lease(tx: Tx, now: int, lease_s: int, limit: int, busy: Sequence[str] = ()) -> list[Leaving]:
    """Rows whose time has come and that nobody else has, for so many seconds; by priority, then age.

    Each counts as one attempt.  busy: domains of which no more are wanted now.
    """
    where = [_out.c.domain.not_in(busy)] if busy else []
    rows = leasing.lease(tx, _out, _COLUMNS, now, lease_s, limit, where=where, first=[_out.c.priority.desc()])
    return sorted(map(_leaving, rows), key=lambda each: (-each.origin.terms.priority, each.next_at, each.key))


@writes(Group.POST)
def renew(tx: Tx, keys: Sequence[Key], now: int, lease_s: int) -> set[Key]:
    """The leases go on for so many seconds from now; those that had ended by then are not renewed.  Which were."""
    renewed: set[Key] = set()
    for page in chunks(keys, PAGE):
        rows = tx.execute(
            sa.update(_out)
            .where(sa.tuple_(*_KEY).in_(page), _out.c.lease_until > now)
            .values(lease_until=now + lease_s)
            .returning(*_KEY)
        )
        renewed.update((PostId(post), address) for post, address in rows)
    return renewed


@writes(Group.POST)
def settle(tx: Tx, done: Sequence[Key], later: Sequence[Later], reports: Sequence[Mailing], now: int) -> bool:
    """What came of a few rows, with the posts that tell of it: all or nothing.

    False where none of the rows was there any more: whoever had them has told of them too.
    """
    found = False
    for key in done:
        found |= tx.execute(_DELETE, _bound(key)).first() is not None
    for each in later:
        values: dict[str, object] = {
            "last_error": storable(each.error)[:MAX_ERROR_CHARS],
            "next_at": each.next_at,
            "lease_until": 0,
        }
        if each.warned:
            values["warned"] = True
        if each.by_mode:
            values["by_mode"] = each.by_mode
        if not each.counted:
            values["attempts"] = _out.c.attempts - 1
        found |= tx.execute(_LATER.values(**values), _bound(each.key)).first() is not None
    if found:
        posts.accept(tx, reports, now)
    return found


def _bound(key: Key) -> dict[str, object]:
    return {"o_post": key[0], "o_address": key[1]}
