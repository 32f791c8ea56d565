"""One message to many boxes: few ways to the database whatever their number, and nothing but itself in each of them."""

import asyncio

import pytest

from opostd.config import StoreSettings
from opostd.model.ids import BoxId, OwnerId
from opostd.model.records import Quota
from opostd.store import boxes, changes, delivery, quota
from opostd.store.delivery import Delivered, Order
from opostd.store.ready import exchange_of
from opostd.store.run import Group, Store, Tx, writes
from tests.store.world import NOW, World, a_delivery

MANY = 30


@writes(Group.OWNER)
def trips(tx: Tx, orders: list[Order], default: Quota) -> tuple[int, list[object]]:
    exchange = exchange_of(tx._connection)
    assert exchange is not None
    before = exchange.trips
    found = delivery.deliver_many(tx, orders, NOW, default)
    exchange.flush()
    return exchange.trips - before, list(found)


async def the_world(store: Store) -> World:
    return await World(store).make(*(f"u{number}" for number in range(MANY)))


def test_the_number_of_boxes_costs_no_way(postgres_settings: StoreSettings) -> None:
    """Locks, charges and what is there: one; the rows: one, which COMMIT takes along."""

    async def main() -> None:
        store = Store(StoreSettings(url=postgres_settings.url, pool_size=2))
        world = await the_world(store)
        keys = [world.key(f"u{number}") for number in range(MANY)]
        counts = {}
        for number, default in ((1, Quota()), (MANY, Quota()), (MANY, Quota(messages=100))):
            for _ in range(3):  # each statement goes through SQLAlchemy first
                posts = [a_delivery(), a_delivery()]
                found, results = await store.run(trips, [(*key, posts) for key in keys[:number]], default)
                assert all(isinstance(each, Delivered) and each.fresh == 2 for each in results)
            counts[number, bool(default)] = found
        assert counts == {(1, False): 2, (MANY, False): 2, (MANY, True): 3}
        await store.close()

    asyncio.run(main())


def test_some_have_it_some_are_full_some_are_gone(store: Store) -> None:
    """Each is answered for itself; what a full or half full account is charged is what it has."""

    async def main() -> None:
        world = await the_world(store)
        keys = [world.key(f"u{number}") for number in range(12)]
        had, new = a_delivery(), a_delivery()
        for key in keys[:3]:
            await store.run(delivery.deliver, *key, [had], NOW)
        for key in keys[2:6]:
            await store.run(quota.set_own, key[0], quota.Own(messages=1))
        archives = [(await store.run(boxes.box_named, owner, "Archive")).box for owner, _ in keys]
        orders: list[Order] = [(*key, [had, new]) for key in keys]
        orders += [(keys[4][0], archives[4], [had]), (OwnerId(7), BoxId(7), [new]), (keys[0][0], BoxId(7), [new])]
        results = await store.run(delivery.deliver_many, orders, NOW)
        told = [each.uids if isinstance(each, Delivered) else type(each).__name__ for each in results]
        assert told == [
            (1, 2), (1, 2), "OverQuota", "OverQuota", "OverQuota", "OverQuota", *[(1, 2)] * 6,
            (1,), "NoSuchBox", "NoSuchBox",
        ]  # fmt: skip
        for owner, _ in keys:
            assert await store.run(quota.differences, owner) == []
        inboxes = [await store.run(boxes.box_by_id, *key) for key in keys]
        assert [each.uidnext for each in inboxes] == [3, 3, 2, 1, 1, 1, 3, 3, 3, 3, 3, 3]
        assert [each.highestmodseq for each in inboxes] == [3, 3, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2]

    asyncio.run(main())


@pytest.mark.parametrize("pool", [4, 8])
def test_several_at_once_over_the_same_boxes(store_settings: StoreSettings, pool: int) -> None:
    """Whatever order they are named in: nobody waits for ever, each post is once in each box, UIDs have no gap."""

    async def main() -> None:
        stores = [Store(StoreSettings(url=store_settings.url, pool_size=pool)) for _ in range(2)]
        world = await the_world(stores[0])
        keys = [world.key(f"u{number}") for number in range(MANY)]
        posts = [a_delivery() for _ in range(16)]

        async def send(number: int) -> None:
            mine = keys if number % 2 else keys[::-1]
            both = [posts[number], posts[number - number % 3]]  # some by several
            await stores[number % 2].run(delivery.deliver_many, [(*key, both) for key in mine], NOW)

        await asyncio.gather(*(send(number) for number in range(len(posts))))
        for name in world.inbox:
            rows = (await stores[0].run(changes.listing, *world.key(name))).rows
            assert [int(row.uid) for row in rows] == list(range(1, len(posts) + 1))
            assert {row.post for row in rows} == {each.post for each in posts}
        for each in stores:
            await each.close()

    asyncio.run(main())
