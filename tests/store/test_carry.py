"""Many boxes in one transaction: each gets its posts once and in order, none waits for one that was away for long."""

import asyncio

import sqlalchemy as sa

from opostd.imap.hub import Hub
from opostd.imap.live import PAGES_AT_ONCE
from opostd.model.ids import BoxId, OwnerId, PostId
from opostd.model.new_ids import new_post_id
from opostd.store import boxes, provision, set_aside, sync
from opostd.store.run import Store
from tests.store.world import DOMAIN, NOW, World, run


async def long_away(world: World, name: str, pages: int) -> list[PostId]:
    """A group of their own, with so many pages of posts for them, and one more."""
    source = await world.group(f"list-{name}", name)
    ids = [new_post_id() for _ in range(pages * sync.PAGE + 1)]
    for at in range(0, len(ids), 500):
        await world.send(source, *ids[at : at + 500])
    return ids


def test_many_boxes_and_one_that_was_away(store: Store) -> None:
    """One round gives everybody the new post, though the first of them has pages to come."""

    async def main() -> None:
        names = [f"r{number}" for number in range(12)]
        world = await World(store).make(*names)
        first = min(names, key=world.owner)
        old = await long_away(world, first, 1)
        new = new_post_id()
        await world.send(await world.source("everyone"), new)
        keys = [world.key(name) for name in names]
        gone = (OwnerId(5), BoxId(5))
        late = await sync.carry_all(store, [*keys, gone, keys[0]], now=NOW)
        assert late == [world.key(first)]
        for name in names:
            if name != first:
                assert await world.posts_in(*world.key(name)) == [new]
        while late:
            late = await sync.carry_all(store, late, now=NOW)
        found = await world.posts_in(*world.key(first))
        assert [post for post in found if post != new] == old
        assert found.count(new) == 1
        assert await store.run(sync.live_behind, keys) == []

    run(main())


def test_more_boxes_than_one_transaction_has(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team")
        owner, address = world.owner("anna"), f"team@{DOMAIN}"
        for number in range(sync.BOXES + 5):
            await provision.subscribe(store, address, owner, box=f"b{number}", now=NOW)
        ids = [new_post_id() for _ in range(7)]
        await world.send(team, *ids)
        keys = [(owner, box.box) for box in await store.run(boxes.boxes, owner)]
        late = await sync.carry_all(store, keys, now=NOW)
        assert await sync.carry_all(store, late, now=NOW) == []
        for number in (0, sync.BOXES + 4):
            box = await store.run(boxes.box_named, owner, f"b{number}")
            assert await world.posts_in(owner, box.box) == ids

    run(main())


def test_a_box_that_refuses_does_not_stop_the_others(store: Store) -> None:
    """The UIDs of one box are used up: the others get their posts all the same, and for this one they are set aside."""

    async def main() -> None:
        world = await World(store).make("anna", "bob")
        engine = sa.create_engine(store._settings.url, execution_options={"outside": True})
        with engine.begin() as connection:
            connection.execute(sa.text(f"UPDATE box SET uidnext = 4294967295 WHERE owner_id = {world.owner('anna')}"))
        engine.dispose()
        new = new_post_id()
        await world.send(await world.source("everyone"), new)
        keys = [world.key(name) for name in ("anna", "bob")]
        assert await sync.carry_all(store, keys, now=NOW) == [world.key("anna")]
        assert await sync.carry_all(store, keys, now=NOW) == []
        assert await world.posts_in(*world.key("bob")) == [new]
        assert await store.run(sync.live_behind, keys) == []
        (aside,) = await store.run(set_aside.waiting, 10)
        assert (aside.key, aside.attempts, aside.last_error[:12]) == ((*world.key("anna"), new), 1, "LimitReached")

    run(main())


def test_select_answers_at_once_and_the_rest_comes(store: Store) -> None:
    """Ten pages wait: the first answer has some of them, and without a further command all come, each once."""

    async def main() -> None:
        world = await World(store).make("anna")
        ids = await long_away(world, "anna", 10)
        await store.start()
        hub = Hub(store, lambda: NOW)
        hub.start()
        live = await hub.open(*world.key("anna"))
        assert len(live.snapshot) >= PAGES_AT_ONCE * sync.PAGE
        told = asyncio.Event()
        live.watchers.add(told.set)
        async with asyncio.timeout(60):
            while len(live.snapshot) < len(ids):
                await told.wait()
                told.clear()
        assert await world.posts_in(*world.key("anna")) == ids
        assert list(live.snapshot.uids) == list(range(1, len(ids) + 1))
        await hub.close()
        await store.close()

    run(main())
