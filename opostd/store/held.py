"""Posts that wait for a moderator: accepted, kept, and not yet in their source.

A row is written with the post (``spooling``), so it is there before 250.  Whoever takes the row away decides: accepting
makes rows of the spool of it in the same transaction, so that two moderators at once, or a process that dies in
between, put the post into its source once.  Everything here is of the post group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from opostd.model.ids import BoxId, OwnerId, PostId
from opostd.model.mailing import Mailing, Origin, Outside, Target, Wish
from opostd.store import posts, schema
from opostd.store.dialect import insert_new
from opostd.store.run import Group, Tx, reads, writes
from opostd.store.spooling import read_wishes, spool_accepted

AT_ONCE = 100

_held, _token = schema.held, schema.held_token
_COLUMNS = (
    _held.c.post_id, _held.c.box_id, _held.c.author, _held.c.created, _held.c.expires, _held.c.told, _held.c.sender,
    _held.c.envid, _held.c.ret, _held.c.wishes,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """A post that waits for a source.  box: the source's; author: NOBODY where nobody had logged in.

    told: its moderators know.  wishes: the recipients that led to the source.
    """

    post: PostId
    box: BoxId
    author: OwnerId
    created: int
    expires: int
    told: bool
    origin: Origin
    wishes: tuple[Wish, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """What lets one moderator decide one post in a letter.  digest: of the token, which is nowhere kept."""

    post: PostId
    box: BoxId
    moderator: OwnerId
    digest: str


def _held_of(row: Sequence[Any]) -> Held:
    post, box, author, created, expires, told, sender, envid, ret, wishes = row
    origin = Origin(str(sender), str(envid), str(ret))
    return Held(
        PostId(post), BoxId(box), OwnerId(author), created, expires, bool(told), origin, read_wishes(str(wishes))
    )


def _this(table: sa.Table, post: PostId, box: BoxId) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.post_id == post, table.c.box_id == box


@reads(Group.POST)
def waiting(tx: Tx, box: BoxId | None, limit: int) -> list[Held]:
    """What waits for a source, or for any, the oldest first."""
    query = sa.select(*_COLUMNS).order_by(_held.c.post_id, _held.c.box_id).limit(limit)
    return [_held_of(row) for row in tx.execute(query if box is None else query.where(_held.c.box_id == box))]


@reads(Group.POST)
def of_post(tx: Tx, post: PostId) -> list[Held]:
    """The sources that a post waits for."""
    return [_held_of(row) for row in tx.execute(sa.select(*_COLUMNS).where(_held.c.post_id == post))]


@reads(Group.POST)
def count(tx: Tx, box: BoxId) -> int:
    """How many posts wait for a source."""
    found: int = tx.execute(sa.select(sa.func.count()).select_from(_held).where(_held.c.box_id == box)).scalar_one()
    return found


@reads(Group.POST)
def boxes(tx: Tx) -> list[BoxId]:
    """The sources that something waits for."""
    return [BoxId(box) for box in tx.execute(sa.select(_held.c.box_id).distinct()).scalars()]


@reads(Group.POST)
def untold(tx: Tx, before: int) -> list[PostId]:
    """Posts that came before that time and of which nobody has been told."""
    rows = tx.execute(
        sa.select(_held.c.post_id).where(_held.c.told == sa.false(), _held.c.created < before).distinct().limit(AT_ONCE)
    )
    return [PostId(post) for post in rows.scalars()]


@reads(Group.POST)
def expired(tx: Tx, now: int) -> list[Held]:
    """Those whose time is over."""
    rows = tx.execute(sa.select(*_COLUMNS).where(_held.c.expires <= now).order_by(_held.c.expires).limit(AT_ONCE))
    return [_held_of(row) for row in rows]


@writes(Group.POST)
def note_told(tx: Tx, post: PostId, tokens: Sequence[Token], reports: Sequence[Mailing], now: int) -> bool:
    """Keeps what tells of a post, with the tokens in it, once: False where somebody else has told."""
    told = tx.execute(
        sa.update(_held)
        .where(_held.c.post_id == post, _held.c.told == sa.false())
        .values(told=True)
        .returning(_held.c.box_id)
    ).all()
    if not told:
        return False
    insert_new(
        tx,
        _token,
        [
            {"post_id": each.post, "box_id": each.box, "moderator": each.moderator, "digest": each.digest}
            for each in tokens
        ],
    )
    posts.accept(tx, reports, now)
    return True


@reads(Group.POST)
def by_token(tx: Tx, digest: str) -> tuple[Held, OwnerId] | None:
    """What a token decides, and whose it is; None where it was decided, or never was."""
    row = tx.execute(
        sa.select(_token.c.post_id, _token.c.box_id, _token.c.moderator).where(_token.c.digest == digest)
    ).first()
    if row is None:
        return None
    post, box, moderator = row
    held = tx.execute(sa.select(*_COLUMNS).where(*_this(_held, post, box))).first()
    return None if held is None else (_held_of(held), OwnerId(moderator))


@writes(Group.POST)
def accept(tx: Tx, post: PostId, targets: Sequence[Target], copies: Sequence[Outside], now: int) -> Held | None:
    """The post goes on to its source, the first of the targets, and those below; None where it was decided already.

    copies: for members elsewhere.
    """
    row = _take(tx, post, targets[0].box)
    if row is not None:
        spool_accepted(tx, post, row.origin, row.wishes, targets, copies, now)
    return row


@writes(Group.POST)
def discard(tx: Tx, post: PostId, box: BoxId, reports: Sequence[Mailing], now: int) -> bool:
    """The post goes nowhere; what tells its author is kept with that.  False where it was decided already."""
    if _take(tx, post, box) is None:
        return False
    posts.accept(tx, reports, now)
    return True


def _take(tx: Tx, post: PostId, box: BoxId) -> Held | None:
    row = tx.execute(sa.delete(_held).where(*_this(_held, post, box)).returning(*_COLUMNS)).first()
    tx.execute(sa.delete(_token).where(*_this(_token, post, box)))
    return None if row is None else _held_of(row)


def forget_post(tx: Tx, post: PostId) -> int:
    """A post is taken back: nobody need decide.  How many sources it waited for."""
    tx.execute(sa.delete(_token).where(_token.c.post_id == post))
    return tx.execute(sa.delete(_held).where(_held.c.post_id == post)).rowcount
