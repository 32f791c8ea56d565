"""What an account has and may have (RFC 9208): counted with every change, whoever writes, and never over the limit."""

import importlib.util
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from opostd.config import StoreSettings
from opostd.model.errors import NoSuchAddress, NoSuchBox, OverQuota
from opostd.model.flags import DELETED, FLAGGED, SEEN, FlagAction, Flags
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, Uid
from opostd.model.new_ids import new_post_id
from opostd.model.records import UNLIMITED, Quota, Withdraw
from opostd.store import boxes, changes, delivery, flags, migrate, moves, quota, schema, subscriptions, withdraw
from opostd.store.quota import Own, Usage
from opostd.store.replace import replace
from opostd.store.run import Group, Store, Tx, writes
from tests.store.world import NOW, World, a_delivery, accept, new_post, run

SIZE = 100  # of a_delivery


async def anna(store: Store, count: int = 0) -> World:
    world = await World(store).make("anna", "bob")
    if count:
        await world.fill("anna", count)
    return world


async def used(world: World, name: str = "anna") -> tuple[int, int]:
    """Octets and messages; what is kept is what is there."""
    assert await world.store.run(quota.differences, world.owner(name)) == []
    found = await world.store.run(quota.usage, world.owner(name))
    return found.octets, found.messages


def test_every_change_is_counted(store: Store) -> None:
    async def main() -> None:
        world = await anna(store, 5)
        owner, inbox = world.key("anna")
        archive = (await store.run(boxes.box_named, owner, "Archive")).box
        assert await used(world) == (500, 5)
        await store.run(moves.copy, owner, inbox, archive, [Uid(1), Uid(3), Uid(9)], NOW)
        assert await used(world) == (700, 7)
        await store.run(moves.copy, owner, inbox, inbox, [Uid(1)], NOW)
        assert await used(world) == (800, 8)
        await store.run(moves.move, owner, inbox, archive, [Uid(2)], NOW)
        await store.run(moves.move, owner, archive, archive, [Uid(1)], NOW)
        assert await used(world) == (800, 8)
        await store.run(moves.expunge, owner, inbox, [Uid(1), Uid(77)], False)
        assert await used(world) == (700, 7)
        new = delivery.Delivery(new_post_id(), 33, NOW)
        await store.run(replace, owner, inbox, Uid(3), archive, new, NOW)
        assert await used(world) == (633, 7)
        await store.run(boxes.rename, owner, "INBOX", "Old", NOW)
        assert await used(world) == (633, 7)
        await store.run(boxes.delete, owner, "Archive")
        assert await used(world) == (300, 3)
        assert await used(world, "bob") == (0, 0)
        await store.run(boxes.delete, owner, "Old")
        assert await used(world) == (0, 0)

    run(main())


def test_what_is_there_already_is_counted_once(store: Store) -> None:
    async def main() -> None:
        world = await anna(store)
        first, second = a_delivery(), a_delivery()
        await store.run(delivery.deliver, *world.key("anna"), [first], NOW)
        await store.run(delivery.deliver, *world.key("anna"), [first, second, second], NOW)
        await store.run(delivery.deliver, *world.key("anna"), [first], NOW)
        assert await used(world) == (200, 2)

    run(main())


def test_a_source_charges_nobody(store: Store) -> None:
    """Nor do copies, flags change nothing in that, and what is removed gives nothing back."""

    async def main() -> None:
        world = await anna(store)
        team = await world.group("team", "anna")
        ids = [new_post_id() for _ in range(4)]
        await world.send(team, *ids)
        assert len(await world.look("anna")) == 4
        owner, inbox = world.key("anna")
        archive = (await store.run(boxes.box_named, owner, "Archive")).box
        await world.fill("anna", 1)
        assert await used(world) == (100, 1)
        for action, change in (
            (FlagAction.ADD, Flags(SEEN | FLAGGED)),
            (FlagAction.REMOVE, Flags(SEEN)),
            (FlagAction.ADD, Flags(0, ("work",))),
            (FlagAction.REPLACE, Flags(DELETED)),
            (FlagAction.REPLACE, Flags(0, ("home",))),
        ):
            await store.run(flags.store_flags, owner, inbox, [(1, 9)], action, change, None)
            assert await used(world) == (100, 1)
        await store.run(moves.copy, owner, inbox, archive, [Uid(1), Uid(5)], NOW)
        await store.run(moves.move, owner, inbox, archive, [Uid(2)], NOW)
        assert await used(world) == (200, 2)
        await store.run(delivery.deliver, owner, inbox, [a_delivery(ids[2])], NOW)  # it has that one
        await store.run(moves.expunge, owner, archive, None, False)
        await store.run(moves.expunge, owner, inbox, [Uid(3)], False)
        assert await used(world) == (100, 1)
        tight = Quota(storage_octets=1)
        await store.run(quota.set_own, owner, Own(1, 1))
        await store.run(moves.copy, owner, inbox, archive, [Uid(4)], NOW, tight)  # a post of the source
        await world.send(team, new_post_id())
        assert len(await world.look("anna")) == 4
        source = await store.run(changes.listing, SYSTEM_OWNER, team)
        assert len(source.rows) == 5
        assert await store.run(quota.usage, SYSTEM_OWNER) == Usage(0, 0, 2)

    run(main())


def test_history_and_recall(store: Store) -> None:
    async def main() -> None:
        world = await anna(store)
        post = await accept(store, new_post())
        team = await world.group("team", "bob")
        await world.send(team, post)
        await world.look("bob")
        await store.run(delivery.deliver, *world.key("anna"), [delivery.Delivery(post, 70, NOW)], NOW)
        await store.run(moves.copy, *world.key("anna"), world.inbox["anna"], [Uid(1)], NOW)
        assert (await used(world), await used(world, "bob")) == ((140, 2), (0, 0))
        assert (
            await store.run(subscriptions.pending, (await store.run(subscriptions.of_owner, world.owner("bob")))[0])
        ) == (0, None)
        await withdraw.recall(store, post, Withdraw.ALL, NOW)
        assert (await used(world), await used(world, "bob")) == ((0, 0), (0, 0))

    run(main())


@pytest.mark.parametrize(("own", "default"), [(Own(), Quota(250)), (Own(250), Quota(1, 1)), (Own(0, 2), Quota(9))])
def test_over_the_limit(store: Store, own: Own, default: Quota) -> None:
    """Two of 100 octets fit, whichever limit it is: nothing of what does not fit is there, and no UID is spent."""

    async def main() -> None:
        world = await anna(store)
        owner, inbox = world.key("anna")
        own_ = Own(own.storage_octets, own.messages if own.messages is not None or own == Own() else 0)
        await store.run(quota.set_own, owner, own_)
        assert await store.run(quota.own, owner) == own_
        with pytest.raises(OverQuota):
            await store.run(delivery.deliver, owner, inbox, [a_delivery() for _ in range(3)], NOW, default)
        before = await store.run(boxes.box_by_id, owner, inbox)
        assert (before.uidnext, before.highestmodseq) == (1, 1)
        many = [
            (owner, inbox, [a_delivery()]),
            (owner, inbox, [a_delivery(), a_delivery()]),
            (OwnerId(77), BoxId(7), [a_delivery()]),
        ]
        results = await store.run(delivery.deliver_many, [*many, (owner, inbox, [a_delivery()])], NOW, default)
        assert [type(each) for each in results] == [delivery.Delivered, OverQuota, NoSuchBox, delivery.Delivered]
        assert await used(world) == (200, 2)
        after = await store.run(boxes.box_by_id, owner, inbox)
        assert (after.uidnext, after.highestmodseq) == (3, 3)
        with pytest.raises(OverQuota):
            await store.run(moves.copy, owner, inbox, inbox, [Uid(1)], NOW, default)
        again = await store.run(delivery.deliver, owner, inbox, [many[0][2][0]], NOW, default)  # it is there
        assert again.uids == (1,)
        archive = (await store.run(boxes.box_named, owner, "Archive")).box
        await store.run(moves.move, owner, inbox, archive, [Uid(1)], NOW)
        big, small = delivery.Delivery(new_post_id(), 300, NOW), delivery.Delivery(new_post_id(), 90, NOW)
        if own_.messages != 2:
            with pytest.raises(OverQuota):
                await store.run(replace, owner, inbox, Uid(2), inbox, big, NOW, default)
        await store.run(replace, owner, inbox, Uid(2), inbox, small, NOW, default)  # what goes makes room
        assert await used(world) == (190, 2)
        await world.fill("bob", 1)
        assert await used(world, "bob") == (100, 1)

    run(main())


def test_what_was_there_before(store: Store, store_settings: StoreSettings) -> None:
    """The step of the migrations finds what a source has carried, and counts the rest."""
    path = Path(migrate.__file__).parent / "migrations" / "versions" / "0011_quota.py"
    spec = importlib.util.spec_from_file_location("step", path)
    assert spec is not None
    assert spec.loader is not None
    step = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(step)

    async def main() -> None:
        world = await anna(store, 3)
        owner, inbox = world.key("anna")
        await world.send(await world.group("team", "anna"), new_post_id(), new_post_id())
        assert len(await world.look("anna")) == 5
        await store.run(flags.store_flags, owner, inbox, [(1, 9)], FlagAction.ADD, Flags(SEEN), None)
        rows = (await store.run(changes.listing, owner, inbox)).rows
        engine = sa.create_engine(store_settings.url, execution_options={"outside": True})
        with engine.begin() as connection:
            for statement in (
                "UPDATE delivered_post SET bits = bits & 31",
                "UPDATE box SET charged_octets = 7, charged_messages = 7",
                step._UNCHARGED,
                step._COUNT,
            ):
                connection.exec_driver_sql(statement)
        engine.dispose()
        assert (await store.run(changes.listing, owner, inbox)).rows == rows
        assert await used(world) == (300, 3)
        assert (await store.run(quota.usage, SYSTEM_OWNER)).octets == 0

    run(main())


def test_a_lower_limit_takes_nothing_away(store: Store) -> None:
    async def main() -> None:
        world = await anna(store, 5)
        owner, inbox = world.key("anna")
        await store.run(quota.set_own, owner, Own(150))
        archive = (await store.run(boxes.box_named, owner, "Archive")).box
        await store.run(moves.move, owner, inbox, archive, [Uid(1)], NOW)
        assert await store.run(quota.quota, owner, Quota(7, 8)) == (Quota(150, 8), Usage(500, 5, 6))
        await store.run(quota.set_own, owner, Own())
        assert (await store.run(quota.quota, owner, Quota(7, 8)))[0] == Quota(7, 8)
        with pytest.raises(NoSuchAddress):
            await store.run(quota.set_own, OwnerId(77), Own(1))

    run(main())


@writes(Group.OWNER)
def damaged(tx: Tx, owner: OwnerId) -> None:
    tx.execute(sa.update(schema.box).where(schema.box.c.owner_id == owner).values(charged_octets=7, charged_messages=1))


def test_a_wrong_count_is_found_and_put_right(store: Store) -> None:
    """The negative control of every ``differences() == []`` here."""

    async def main() -> None:
        world = await anna(store, 3)
        owner, inbox = world.key("anna")
        await store.run(damaged, owner)
        assert len(await store.run(quota.differences, owner)) == 6
        found = await store.run(quota.recount, owner, inbox)
        assert found is not None
        assert (found.was, found.counted) == ((7, 1), (300, 3))
        assert await store.run(quota.recount, owner, inbox) is None
        assert await store.run(quota.recount, owner, BoxId(5)) is None
        assert len(await store.run(quota.differences, owner)) == 5

    run(main())


def test_two_writers(store: Store) -> None:
    """Deliveries, copies, moves and removals at once in two boxes of one account."""
    world = World(store)
    run(world.make("anna"))
    owner, inbox = world.key("anna")
    archive = store.run_sync(boxes.box_named, owner, "Archive").box
    errors: list[Exception] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for _ in range(12):
                box, other = chance.sample((inbox, archive), 2)
                store.run_sync(delivery.deliver, owner, box, [a_delivery() for _ in range(chance.randint(1, 4))], NOW)
                uids = [row.uid for row in store.run_sync(changes.listing, owner, box).rows]
                some = sorted(chance.sample(uids, min(len(uids), 3)))
                store.run_sync(chance.choice((moves.copy, moves.move)), owner, box, other, some, NOW)
                store.run_sync(moves.expunge, owner, box, some[:1], False)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.run_sync(quota.differences, owner) == []
    rows = [row for box in (inbox, archive) for row in store.run_sync(changes.listing, owner, box).rows]
    assert store.run_sync(quota.usage, owner) == Usage(sum(row.size for row in rows), len(rows), 6)


class Counting(Tx):
    """Counts the statements that a function of the store runs, prepared or not."""

    __slots__ = ("statements",)

    def __init__(self, tx: Tx) -> None:
        super().__init__(tx._connection)
        self.statements = 0

    def execute(self, *arguments: Any) -> Any:
        self.statements += 1
        return super().execute(*arguments)

    def rows(self, statement: sa.Executable, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        self.statements += 1
        return [tuple(row) for row in super().execute(statement, dict(parameters))]

    def rows_of(self, *asked: tuple[sa.Executable, Mapping[str, Any]]) -> list[list[tuple[Any, ...]]]:
        return [self.rows(statement, parameters) for statement, parameters in asked]

    def later(self, statement: sa.Executable, *parameters: Mapping[str, Any]) -> None:
        if parameters:
            self.count_many(statement, parameters)

    def count(self, statement: sa.Executable, parameters: Mapping[str, Any]) -> int:
        self.statements += 1
        return super().execute(statement, dict(parameters)).rowcount

    def count_many(self, statement: sa.Executable, parameters: Sequence[Mapping[str, Any]]) -> int:
        self.statements += 1
        return sum(super(Counting, self).execute(statement, dict(each)).rowcount for each in parameters)


@writes(Group.OWNER)
def statements_of(tx: Tx, work: Callable[[Tx], object]) -> int:
    counting = Counting(tx)
    work(counting)
    return counting.statements


@pytest.mark.parametrize(("default", "more"), [(UNLIMITED, 0), (Quota(10**9), 1)])
def test_what_it_costs(store: Store, default: Quota, more: int) -> None:
    """No statement where nothing is limited, one where something is."""

    async def main() -> None:
        world = await anna(store, 3)
        key = world.key("anna")
        work = partial(delivery.deliver, owner=key[0], box=key[1], posts=[a_delivery()], now=NOW, default=default)
        assert await store.run(statements_of, work) == 3 + more  # the lock, what is there, the row
        work = partial(moves.copy, owner=key[0], source=key[1], target=key[1], uids=[Uid(2)], now=NOW, default=default)
        assert await store.run(statements_of, work) == 4 + more  # locks, what is there, UIDs, the rows
        assert (
            await store.run(
                statements_of, partial(moves.expunge, owner=key[0], box=key[1], uids=[Uid(2)], deleted_only=False)
            )
            == 5
        )

    run(main())
