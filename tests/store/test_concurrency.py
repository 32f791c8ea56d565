"""The checker of distributed.md 2: deliveries, syncs, flags and a watcher at once, and what must hold afterwards.

The source and each target hold every accepted post exactly once, the order of the source is kept in every target,
UIDs have no gap, and nobody ever saw a UID appear below one they had seen.  With the lock taken away it must fail:
otherwise it would show nothing.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from opostd.config import StoreSettings
from opostd.model.flags import SEEN, FlagAction, Flags
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, PostId
from opostd.model.new_ids import new_post_id
from opostd.model.records import Box
from opostd.store import boxes, changes, delivery, flags, moves, schema, sourcing, sync
from opostd.store.run import Group, Store, Tx, reads, writes
from tests.store.world import NOW, World, a_delivery, run
from tests.support import postgres

SECONDS = 4.0
TARGETS = ("t1", "t2", "t3", "t4", "t5", "t6")
Key = tuple[OwnerId, BoxId]


def real_deliver(store: Store, owner: OwnerId, box: BoxId, posts: list[delivery.Delivery]) -> None:
    store.run_sync(delivery.deliver, owner, box, posts, NOW)


def real_sync(store: Store, owner: OwnerId, box: BoxId) -> int:
    return store.run_sync(sync.carry, owner, box, NOW).rows if store.run_sync(sync.behind, owner, box) else 0


class Checker:
    """Threads over one store, and the check.  deliver, sync: what is checked."""

    def __init__(
        self,
        store: Store,
        source: Key,
        targets: list[Key],
        deliver: Callable[[Store, OwnerId, BoxId, list[delivery.Delivery]], None] = real_deliver,
        sync: Callable[[Store, OwnerId, BoxId], int] = real_sync,
    ) -> None:
        self.deliver, self.sync = deliver, sync
        self.store, self.source, self.targets = store, source, targets
        self.accepted: set[PostId] = set()
        self.direct: dict[Key, set[PostId]] = {target: set() for target in targets}
        self.bad: list[str] = []
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.synced = 0

    def run(self, seconds: float) -> None:
        work: list[Callable[[random.Random], None]] = [
            *[self._send] * 2, *[self._direct] * 2, *[self._sync] * 6, self._flag, self._watch
        ]  # fmt: skip
        threads = [
            threading.Thread(target=self._until_stopped, args=(each, random.Random(number)))
            for number, each in enumerate(work)
        ]
        for thread in threads:
            thread.start()
        self.stop.wait(seconds)
        self.stop.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()

    def _until_stopped(self, work: Callable[[random.Random], None], chance: random.Random) -> None:
        while not self.stop.is_set():
            try:
                work(chance)
            except Exception as error:  # in the negative control anything may come
                with self.lock:
                    self.bad.append(repr(error)[:300])
                self.stop.wait(0.01)

    def _send(self, chance: random.Random) -> None:
        ids = [new_post_id() for _ in range(chance.randint(1, 4))]
        self.deliver(self.store, *self.source, [a_delivery(id_) for id_ in ids])
        with self.lock:
            self.accepted.update(ids)

    def _direct(self, chance: random.Random) -> None:
        target, id_ = chance.choice(self.targets), new_post_id()
        self.deliver(self.store, *target, [a_delivery(id_)])
        with self.lock:
            self.direct[target].add(id_)

    def _sync(self, chance: random.Random) -> None:
        rows = self.sync(self.store, *chance.choice(self.targets))
        with self.lock:
            self.synced += rows

    def _flag(self, chance: random.Random) -> None:
        target, uid = chance.choice(self.targets), chance.randint(1, 50)
        action = chance.choice([FlagAction.ADD, FlagAction.REMOVE])
        self.store.run_sync(flags.store_flags, *target, [(uid, uid + 10)], action, Flags(SEEN), None)

    def _watch(self, chance: random.Random) -> None:
        """Reads what is new in every target again and again; now and then all of it."""
        last = {target: (0, 0) for target in self.targets}
        while not self.stop.is_set():
            for target in self.targets:
                modseq, highest = last[target]
                found = self.store.run_sync(changes.changes, *target, modseq if chance.random() < 0.9 else 0)
                new = [row.uid for row in found.rows if row.uid > highest]
                count = self.store.run_sync(changes.changes, *target, 0) if chance.random() < 0.05 else None
                if count is not None and [row.uid for row in count.rows if row.uid <= highest] != [
                    *range(1, highest + 1)
                ]:
                    with self.lock:
                        self.bad.append(f"a UID below {highest} was not seen when {highest} was")
                if new and new != list(range(highest + 1, new[-1] + 1)):
                    with self.lock:
                        self.bad.append(f"after {highest} came {new[:5]}")
                last[target] = found.box.highestmodseq, max([highest, *new])

    def problems(self) -> list[str]:
        """What does not hold at the end, with all targets brought up to date."""
        found = list(self.bad)
        order = self._posts(self.source, found)
        if set(order) != self.accepted or len(order) != len(set(order)):
            found.append(f"source: {len(order)} rows, {len(set(order))} posts, {len(self.accepted)} accepted")
        for target in self.targets:
            while self.store.run_sync(sync.carry, *target, NOW).more:
                pass
            posts = self._posts(target, found)
            if len(posts) != len(set(posts)):
                found.append("a post twice in a target")
            if [post for post in posts if post in self.accepted] != order:
                found.append("a target lacks posts of the source, or has them in another order")
            if set(posts) - self.accepted != self.direct[target]:
                found.append("a target lacks direct posts")
        return found

    def _posts(self, key: Key, problems: list[str]) -> list[PostId]:
        listing = self.store.run_sync(changes.listing, *key)
        if [row.uid for row in listing.rows] != list(range(1, listing.box.uidnext)):
            problems.append("UIDs with gaps")
        return [row.post for row in listing.rows]


def made(store: Store, **parts: Any) -> Checker:
    """A checker over six people and the group they read."""
    world = World(store)

    async def make() -> BoxId:
        await world.make(*TARGETS)
        return await world.group("team", *TARGETS)

    source = run(make())
    return Checker(store, (SYSTEM_OWNER, source), [world.key(name) for name in TARGETS], **parts)


def checked(settings: StoreSettings, seconds: float = SECONDS, **parts: Any) -> tuple[Checker, list[str]]:
    """All threads for so long, and what does not hold then."""
    store = Store(settings)
    try:
        checker = made(store, **parts)
        checker.run(seconds)
        return checker, checker.problems()
    finally:
        store.close_sync()


def test_everything_once_and_in_order(store_settings: StoreSettings) -> None:
    checker, problems = checked(store_settings)
    assert problems == []
    assert len(checker.accepted) > 20
    assert checker.synced > 50


def test_with_connections_broken_at_random(
    postgres_settings: StoreSettings, postgres_server: postgres.Server
) -> None:  # fmt: skip
    with _breaking(postgres_server, postgres_settings.url) as broken:
        checker, problems = checked(postgres_settings)
    assert problems == []
    assert broken[0] > 5
    assert len(checker.accepted) > 20


@contextmanager
def _breaking(server: postgres.Server, url: str) -> Iterator[list[int]]:
    """A random backend of the database is terminated again and again."""
    name, stop, broken = sa.make_url(url).database, threading.Event(), [0]

    def work() -> None:
        with server.connect() as connection:
            while not stop.wait(0.15):
                broken[0] += len(
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND state <> ''"
                        " ORDER BY random() LIMIT 1",
                        (name,),
                    ).fetchall()
                )

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield broken
    finally:
        stop.set()
        thread.join()


@reads(Group.OWNER)
def look_at_source(tx: Tx, owner: OwnerId, box: BoxId) -> list[tuple[PostId, int]]:
    """What a target lacks, without its lock."""
    sub, dp = schema.subscription, schema.delivered_post
    each = tx.execute(sa.select(sub).where(sub.c.owner_id == owner, sub.c.target_box == box)).all()
    found: list[tuple[PostId, int]] = []
    for row in each:
        rows = tx.execute(
            sa.select(dp.c.post_id, dp.c.size).where(
                dp.c.owner_id == SYSTEM_OWNER, dp.c.box_id == row.source_box, dp.c.uid > row.watermark
            )
        )
        found += [(PostId(post), size) for post, size in rows]
    return found


@writes(Group.OWNER)
def insert_and_store_newest(tx: Tx, owner: OwnerId, box: BoxId, rows: list[tuple[PostId, int]]) -> None:
    """The naive sync of feasibility.md 0.1: the watermark becomes what the source has now."""
    delivery.deliver(tx, owner, box, [delivery.Delivery(post, size, NOW) for post, size in rows[:500]], NOW)
    sub = schema.subscription
    for each in tx.execute(sa.select(sub).where(sub.c.owner_id == owner, sub.c.target_box == box)).all():
        tx.execute(
            sa.update(sub)
            .where(sub.c.owner_id == owner, sub.c.target_box == box, sub.c.source_box == each.source_box)
            .values(watermark=sourcing.last_uid(tx, SYSTEM_OWNER, each.source_box))
        )


@writes(Group.OWNER)
def insert_at(tx: Tx, box: Box, posts: list[delivery.Delivery]) -> None:
    """UIDs that were chosen without the lock."""
    for uid, each in enumerate(posts, box.uidnext):
        row = {
            "owner_id": box.owner, "box_id": box.box, "uid": uid, "modseq": box.highestmodseq + 1, "size": each.size,
            "internaldate": NOW, "savedate": NOW, "bits": 0, "post_id": each.post, "keywords": "",
        }  # fmt: skip
        tx.execute(sa.insert(schema.delivered_post), row)
    tx.execute(
        sa.update(schema.box)
        .where(schema.box.c.owner_id == box.owner, schema.box.c.box_id == box.box)
        .values(uidnext=box.uidnext + len(posts), highestmodseq=box.highestmodseq + 1)
    )


def deliver_without_lock(store: Store, owner: OwnerId, box: BoxId, posts: list[delivery.Delivery]) -> None:
    store.run_sync(insert_at, store.run_sync(boxes.box_by_id, owner, box), posts)


def test_the_checker_bites_without_the_lock(store_settings: StoreSettings) -> None:
    """The negative control: UIDs chosen before the lock is taken."""
    _, problems = checked(replace(store_settings, retry_deadline_s=1.0), 3.0, deliver=deliver_without_lock)
    assert problems


@pytest.mark.parametrize("naive", [True, False])
def test_the_checker_bites_on_a_naive_sync(store: Store, naive: bool) -> None:
    """The negative control: a post comes between the look and the write; the store's own sync has it all the same."""
    checker, chance = made(store), random.Random(1)
    target = checker.targets[0]
    checker._send(chance)
    rows = store.run_sync(look_at_source, *target)
    checker._send(chance)
    if naive:
        store.run_sync(insert_and_store_newest, *target, rows)
    else:
        real_sync(store, *target)
    lost = "a target lacks posts of the source, or has them in another order"
    assert checker.problems() == ([lost] if naive else [])


def test_uids_ascend_for_many_writers(store: Store) -> None:
    """Ten threads into one box: every UID once, each thread's own ascending."""
    world = World(store)
    run(world.make("anna"))
    results: list[list[int]] = [[] for _ in range(10)]

    def work(uids: list[int]) -> None:
        for _ in range(8):
            uids += store.run_sync(delivery.deliver, *world.key("anna"), [a_delivery()], NOW).uids

    threads = [threading.Thread(target=work, args=(uids,)) for uids in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(uid for uids in results for uid in uids) == list(range(1, 81))
    assert all(uids == sorted(uids) for uids in results)


def test_moves_between_two_boxes_do_not_deadlock(store: Store) -> None:
    """Boxes are locked in ascending order, whichever is the source."""
    world = World(store)
    run(world.make("anna"))
    archive = store.run_sync(boxes.box_named, world.owner("anna"), "Archive").box
    inbox = world.inbox["anna"]
    run(world.fill("anna", 20))
    errors: list[Exception] = []

    def work(source: BoxId, target: BoxId) -> None:
        try:
            for _ in range(15):
                listing = store.run_sync(changes.listing, world.owner("anna"), source)
                uids = [row.uid for row in listing.rows]
                store.run_sync(moves.move, world.owner("anna"), source, target, uids, NOW)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in [(inbox, archive), (archive, inbox)] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    left = [store.run_sync(changes.listing, world.owner("anna"), box).rows for box in (inbox, archive)]
    posts = [row.post for rows in left for row in rows]
    assert len(posts) == len(set(posts)) == 20
