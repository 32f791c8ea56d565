"""Subscriptions: what a source box has that a target box lacks is carried over when the target is looked at.

The watermark is read again after the target's lock, and moves no further than the last row that was really handled
(feasibility.md 2d: the naive form loses mail).  A post that one box refuses is set aside for this box alone, and tried
again by the agent: it stops neither the posts after it nor other boxes.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.errors import LimitReached, NoSuchBox, Unavailable
from opostd.model.ids import BoxId, OwnerId
from opostd.model.records import Box, Subscription
from opostd.store import boxes, schema, set_aside
from opostd.store.bulk import subscriptions_of
from opostd.store.carrying import Carried, carry_boxes
from opostd.store.database import chunks
from opostd.store.locks import box_question, read_box, the_box
from opostd.store.run import Group, Store, Tx, reads, writes
from opostd.store.sourcing import looked_at, of_target, source_key, subscription_of, tops

PAGE = 500  # rows carried into a box in one transaction (rule 9)
# Boxes, and rows, in one transaction: 20 to 40 ms, during which SQLite has no other writer, and somebody's delivery to
# one of these boxes waits.
BOXES = 200
ROWS = 2000
MOST_BOXES = 1000  # of a few hundred owners, should each of them read several groups
SMALLER = 8  # a page that a box refuses is tried again in parts of so much less, to find the post that it is

log = logging.getLogger("opostd.store")

Key = tuple[OwnerId, BoxId]

_sub = schema.subscription
_FORGET = sa.delete(_sub).where(
    _sub.c.owner_id == sa.bindparam("s_owner"),
    _sub.c.target_box == sa.bindparam("s_target"),
    _sub.c.source_box == sa.bindparam("s_source"),
)


@dataclass(frozen=True, slots=True)
class Batch:
    """boxes: how many were carried into; late: those that have more to come."""

    boxes: int
    late: list[Key]


@dataclass(frozen=True, slots=True)
class Peeked:
    """behind: a source has something for the box; sources: all that it has."""

    box: Box
    behind: bool
    sources: frozenset[Key]


@dataclass(frozen=True, slots=True)
class Brought:
    """rows: new in the box; more: a source has more than the pages that were asked for."""

    rows: int
    more: bool


async def bring_up(store: Store, owner: OwnerId, box: BoxId, *, now: int) -> int:
    """Carries into a box all that its sources have for it; how many rows that were.

    now: SAVEDATE of the rows; their INTERNALDATE is the source's.  Nothing new is one look and no write.  A box that
    is gone has no subscriptions: 0.  Raises NoSuchBox when it goes meanwhile.
    """
    if not await store.run(behind, owner, box):
        return 0
    return (await carry_pages(store, owner, box, now=now)).rows


async def carry_pages(store: Store, owner: OwnerId, box: BoxId, *, now: int, pages: int | None = None) -> Brought:
    """Carries into a box, which is known to be behind; at most so many pages, None for all.  Raises NoSuchBox."""
    rows, more, page = 0, True, 0
    while more and (pages is None or page < pages):
        try:
            carried = await store.run(carry, owner, box, now)
            rows, more = rows + carried.rows, carried.more
        except (Unavailable, NoSuchBox):
            raise
        except Exception as error:
            rows += (await around(store, (owner, box), now, error)).rows
        page += 1
    return Brought(rows, more)


async def carry_all(store: Store, keys: Sequence[Key], *, now: int) -> list[Key]:
    """A page, or a part of one, into each of these boxes, many boxes in a transaction; those that have more to come.

    A box that is gone is passed over.
    """
    late: list[Key] = []
    for part in chunks(sorted(set(keys)), BOXES):
        late += [
            key for key, carried in (await carry_part(store, part, now=now)).items() if carried is None or carried.more
        ]
    return late


async def carry_owners(store: Store, owners: Sequence[OwnerId], *, now: int) -> Batch:
    """What sources have for all boxes of these owners, a part of it in one transaction; nothing is one look.

    owners: some hundred.
    """
    try:
        return await store.run(carry_behind, owners, now)
    except Unavailable:
        raise
    except Exception:  # some box refuses something: each by itself
        keys = await store.run(owners_behind, owners)
        return Batch(len(keys), await carry_all(store, keys, now=now))


async def carry_part(store: Store, keys: Sequence[Key], *, now: int) -> dict[Key, Carried | None]:
    """What came into each of these boxes, in one transaction; a box that is gone is left out.

    keys: 1 to BOXES, ascending, each once.  ROWS rows in all, and each box has its share: who was away for long keeps
    nobody waiting.  Where a box refuses a post, that is set aside, and the box stands there with None: more is to come.
    """
    try:
        return {**await store.run(carry_many, keys, now)}
    except Unavailable:
        raise
    except Exception as error:
        found: dict[Key, Carried | None] = {}
        if len(keys) > 1:  # whichever of them it was, the others are not to suffer
            for key in keys:
                found |= await carry_part(store, [key], now=now)
        elif await _set_around(store, keys[0], now, error):
            found[keys[0]] = None
        return found


async def _set_around(store: Store, key: Key, now: int, error: Exception) -> bool:
    """``around``; false where nothing came of it, so that the box is not tried again at once."""
    try:
        await around(store, key, now, error)
    except (Unavailable, NoSuchBox):
        raise
    except Exception:
        log.exception("not carried owner=%d box=%d", *key)
        return False
    return True


async def around(store: Store, key: Key, now: int, error: Exception) -> Brought:
    """Carries smaller parts of a page that a box refuses; what it refuses alone is set aside.  Then there may be more.

    error: what it said.  Raises that where nothing is carried and nothing refused: then it was something else, and
    what the store says when it does not take the post aside either.
    """
    if isinstance(error, LimitReached):  # it is full, and would say so of each
        aside = await store.run(set_aside.begin, *key, None, PAGE, error, now)
        if not aside:
            raise error
        return Brought(0, more=True)
    room = PAGE // SMALLER
    while True:
        first = await store.run(set_aside.upcoming, *key)
        if first is None:
            raise error
        try:
            return Brought((await store.run(carry, *key, now, None, max(room, 1))).rows, more=True)
        except (Unavailable, NoSuchBox):
            raise
        except Exception as again:
            if room <= 1:
                await store.run(set_aside.begin, *key, first, 1, again, now)
                return Brought(0, more=True)
        room //= SMALLER


async def step_by_step(store: Store, key: Key, now: int, step: Callable[[], Awaitable[bool]]) -> None:
    """Runs a step that carries a page into a box until it says that it was the last; around what the box refuses."""
    while True:
        try:
            if await step():
                return
        except (Unavailable, NoSuchBox):
            raise
        except Exception as error:
            await around(store, key, now, error)


@reads(Group.OWNER)
def owners_behind(tx: Tx, owners: Sequence[OwnerId]) -> list[Key]:
    """Those boxes of these owners that a source has something for, ascending."""
    return sorted(_late(tx, list(map(subscription_of, subscriptions_of(tx, owners)))))


@writes(Group.OWNER)
def carry_behind(tx: Tx, owners: Sequence[OwnerId], now: int) -> Batch:
    """The step of ``carry_owners``."""
    keys = owners_behind(tx, owners)
    found = carry_many(tx, keys[:MOST_BOXES], now) if keys else {}
    return Batch(len(found), [key for key, carried in found.items() if carried.more] + keys[MOST_BOXES:])


@reads(Group.OWNER)
def peek(tx: Tx, owner: OwnerId, box: BoxId, likely: frozenset[Key] = frozenset()) -> Peeked:
    """What NOOP asks, in one look.  likely: the sources that it had before.  Raises NoSuchBox.

    The box is read behind its subscriptions: what another has carried into it before them is in it.
    """
    if tx.dialect == "postgresql":
        found, ends, rows = looked_at(tx, owner, box, likely, box_question(owner, box))
        late, here = bool(_behind(found, ends)), the_box(rows)
    else:
        found = of_target(tx, owner, box)
        late, here = bool(_late(tx, found)), read_box(tx, owner, box)
    return Peeked(here, late, frozenset(map(source_key, found)))


@reads(Group.OWNER)
def peek_named(
    tx: Tx, owner: OwnerId, name: str, likely: BoxId, sources: frozenset[Key]
) -> tuple[Box, Peeked | None]:  # fmt: skip
    """The box of that name, and ``peek`` of it where that costs nothing.  Raises NoSuchBox.

    likely: which box that probably is, and what its sources were.
    """
    if tx.dialect != "postgresql":
        return boxes.box_named(tx, owner, name), None
    found, ends, rows = looked_at(tx, owner, likely, sources, boxes.name_question(owner, name))
    here = the_box(rows)
    if here.box != likely:
        return here, None
    return here, Peeked(here, bool(_behind(found, ends)), frozenset(map(source_key, found)))


@reads(Group.OWNER)
def behind(tx: Tx, owner: OwnerId, box: BoxId) -> bool:
    """Whether a source has something for this box; without a lock."""
    return bool(_late(tx, of_target(tx, owner, box)))


@reads(Group.OWNER)
def live_behind(tx: Tx, keys: Sequence[Key]) -> list[Key]:
    """Those of the boxes that a source has something for: a statement for 500 owners, whatever the boxes' number."""
    wanted = set(keys)
    found: list[Subscription] = []
    for page in chunks(list(dict.fromkeys(owner for owner, _ in keys))):
        rows = subscriptions_of(tx, page)
        found += [subscription_of(row) for row in rows if row[:2] in wanted]
    late = _late(tx, found)
    return [key for key in dict.fromkeys(keys) if key in late]


def _late(tx: Tx, subscriptions: Sequence[Subscription]) -> set[Key]:
    """The targets that a source has something for."""
    return _behind(subscriptions, tops(tx, set(map(source_key, subscriptions))))


def _behind(subscriptions: Sequence[Subscription], ends: Mapping[Key, int]) -> set[Key]:
    return {(each.owner, each.target) for each in subscriptions if ends.get(source_key(each), 0) > each.watermark}


@writes(Group.OWNER)
def carry_many(tx: Tx, keys: Sequence[Key], now: int) -> dict[Key, Carried]:
    """The step of ``carry_part``."""
    return carry_boxes(tx, keys, now, max(1, min(PAGE, ROWS // len(keys))))


@writes(Group.OWNER)
def carry(
    tx: Tx, owner: OwnerId, box: BoxId, now: int, only: BoxId | None = None, room: int = PAGE
) -> Carried:  # fmt: skip
    """One page of rows from the box's sources, or from ``only`` that one, by ascending UID of each.

    A post that the box has is not put there again.  A source that is gone, or not made yet, has nothing.  Raises
    NoSuchBox, LimitReached.
    """
    found = carry_boxes(tx, [(owner, box)], now, room, only)
    if not found:
        raise NoSuchBox("no such mailbox")
    return found[owner, box]


def forget(tx: Tx, owner: OwnerId, target: BoxId, source: BoxId) -> None:
    """Ends a subscription; under the target's lock."""
    tx.execute(_FORGET, {"s_owner": owner, "s_target": target, "s_source": source})
