"""Many who share, take back, make, rename, delete and move at once: lists and what points to them stay together."""

import random
import threading

import pytest
import sqlalchemy as sa

from opostd.model.errors import Refused
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, Uid
from opostd.model.rights import ANYONE, Change, Grantee, GranteeKind, Rights
from opostd.store import acl, boxes, changes, delivery, moves, provision, quota, schema, shared
from opostd.store.run import Group, Store, Tx, reads
from tests.store.world import DOMAIN, NOW, World, a_delivery, run

THREADS = 6
STEPS = 60  # of each thread: together about two seconds
NAMES = ("a", "a/b", "a/b/c", "d", "d/e")


class Sharer:
    """Does one thing after another by chance; only what is refused may go wrong."""

    def __init__(self, world: World, team: BoxId, seed: int, errors: list[BaseException]) -> None:
        self._world, self._store, self._errors = world, world.store, errors
        self._random = random.Random(seed)
        self._me, self._other = world.owner("anna"), world.owner("bob")
        if seed % 2:
            self._me, self._other = self._other, self._me
        self._grantees = (
            Grantee(GranteeKind.PERSON, self._other), Grantee(GranteeKind.GROUP, team), ANYONE,
        )  # fmt: skip

    def run(self) -> None:
        try:
            for _ in range(STEPS):
                try:
                    self._random.choice((self._make, self._give, self._give, self._give, self._rename, self._delete,
                                         self._move, self._move, self._below))()  # fmt: skip
                except Refused:
                    pass
        except BaseException as error:
            self._errors.append(error)

    def _box(self, owner: OwnerId) -> BoxId:
        return self._store.run_sync(boxes.box_named, owner, self._random.choice(NAMES)).box

    def _make(self) -> None:
        self._store.run_sync(boxes.create, self._me, self._random.choice(NAMES), "", NOW)

    def _give(self) -> None:
        rights = Rights(self._random.getrandbits(11)) | Rights.LOOKUP
        how = self._random.choice(list(Change))
        box, grantee, denied = self._box(self._me), self._random.choice(self._grantees), self._random.random() < 0.3
        self._store.run_sync(acl.change, self._me, box, grantee, how, rights, denied=denied)

    def _rename(self) -> None:
        self._store.run_sync(boxes.rename, self._me, self._random.choice(NAMES), self._random.choice(NAMES), NOW)

    def _delete(self) -> None:
        self._store.run_sync(boxes.delete, self._me, self._random.choice(NAMES))

    def _move(self) -> None:
        """A message into a box of the other, and perhaps one back."""
        box, target = self._box(self._me), self._box(self._other)
        self._store.run_sync(delivery.deliver, self._me, box, [a_delivery()], NOW)
        for row in self._store.run_sync(changes.listing, self._me, box).rows[:2]:
            verb = self._random.choice((moves.move, moves.copy))
            self._store.run_sync(verb, self._me, box, target, [Uid(row.uid)], NOW, target_owner=self._other)

    def _below(self) -> None:
        """What the other lets one do."""
        seen = self._store.run_sync(shared.visible, self._me)
        if seen:
            name = self._random.choice(seen).name
            verb = self._random.choice((shared.create, shared.delete))
            self._store.run_sync(verb, self._me, name + "/new" if verb is shared.create else name)


@reads(Group.OWNER)
def lists_and_pointers(tx: Tx, owners: list[OwnerId]) -> tuple[set[tuple[int, ...]], set[tuple[int, ...]]]:
    """(reader, group, owner, box) of each entry whose box is there, and of each pointer."""
    there = set(tx.execute(sa.select(schema.box.c.box_id).where(schema.box.c.owner_id.in_(owners))).scalars())
    table = schema.acl
    entries = tx.execute(sa.select(table).where(table.c.owner_id.in_(owners))).all()
    assert {row.box_id for row in entries} <= there
    assert all(row.granted or row.denied for row in entries)
    pointed = {
        (row.who, 0, row.owner_id, row.box_id) if row.kind == GranteeKind.PERSON
        else (SYSTEM_OWNER, row.who, row.owner_id, row.box_id)
        for row in entries
    }  # fmt: skip
    readers = [*owners, SYSTEM_OWNER]
    pointers = tx.execute(sa.select(schema.shared).where(schema.shared.c.owner_id.in_(readers))).all()
    return pointed, {tuple(row) for row in pointers}


@pytest.mark.parametrize("seed", [1])
def test_lists_and_pointers_stay_together(store: Store, seed: int) -> None:
    world = World(store)

    async def make() -> BoxId:
        await world.make("anna", "bob")
        return await world.group("team", "anna", "bob")

    team = run(make())
    errors: list[BaseException] = []
    sharers = [Sharer(world, team, seed * 100 + number, errors) for number in range(THREADS)]
    threads = [threading.Thread(target=each.run) for each in sharers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    owners = [world.owner("anna"), world.owner("bob")]
    pointed, pointers = store.run_sync(lists_and_pointers, owners)
    assert pointed == pointers
    assert pointed  # something was shared at the end
    for owner in owners:
        assert store.run_sync(quota.differences, owner) == []
    run(provision.delete_user(store, f"anna@{DOMAIN}"))
    pointed, pointers = store.run_sync(lists_and_pointers, owners)
    assert pointed == pointers
    assert not any(world.owner("anna") in row for row in pointers)
