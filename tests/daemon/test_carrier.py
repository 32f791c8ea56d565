"""The agent of groups: active readers are kept current, idle ones cost nothing, agents share the work, one may die."""

import asyncio

import pytest
import sqlalchemy as sa

from opostd.config import AgentSettings, StoreSettings
from opostd.daemon.carrier import DAY_S, LEASE_S, Carrier
from opostd.imap.hub import Hub
from opostd.model.ids import SYSTEM_OWNER, OwnerId, PostId
from opostd.model.new_ids import new_post_id
from opostd.store import active, lag, moves, set_aside, shares, sync
from opostd.store.activity import FLUSH_S
from opostd.store.run import Store
from tests.store.refusing import refused
from tests.store.world import NOW, World, run

DAYS = 7


def carrier(store: Store, clock: list[int], batch: int = 3) -> Carrier:
    return Carrier(store, AgentSettings(active_days=DAYS, tick_s=0.01, batch=batch), lambda: clock[0])


async def readers(store: Store, count: int) -> tuple[World, list[str]]:
    names = [f"r{number}" for number in range(count)]
    return await World(store).make(*names), names


async def post(world: World, count: int = 1, group: str = "everyone") -> list[PostId]:
    ids = [new_post_id() for _ in range(count)]
    for at in range(0, count, 500):
        await world.send(await world.source(group), *ids[at : at + 500])
    return ids


def test_active_ones_are_carried_idle_ones_left_alone(store: Store) -> None:
    """And somebody becomes idle; nothing to do is two looks."""

    async def main() -> None:
        world, names = await readers(store, 9)
        lately, long_ago, never = names[:5], names[5:7], names[7:]
        await store.run(active.note, [world.owner(name) for name in long_ago], NOW - DAYS * DAY_S - 1)
        await store.run(active.note, [world.owner(name) for name in lately], NOW - DAYS * DAY_S)
        await store.run(active.note, [world.owner(name) for name in lately[:2]], NOW)
        ids, clock = await post(world, 10), [NOW]
        agent = carrier(store, clock)
        assert await agent.once() == 5
        for name in lately:
            assert await world.posts_in(*world.key(name)) == ids
        for name in long_ago + never:
            assert await world.posts_in(*world.key(name)) == []
        assert await agent.once() == 0
        clock[0] += 1
        more = await post(world)
        assert await agent.once() == 2
        assert [await world.posts_in(*world.key(name)) for name in lately] == [ids + more] * 2 + [ids] * 3
        assert await store.run(active.seen, world.owner(lately[0])) == NOW
        assert await store.run(active.seen, world.owner(long_ago[0])) is None
        for name in names:
            assert await world.look(name) == ids + more

    run(main())


def test_how_far_it_is_behind(store: Store) -> None:
    """For those who look at their mail, by source; nothing when it is done, or when the post has left its source."""

    async def main() -> None:
        world, names = await readers(store, 5)
        team, clock = await world.group("team", *names), [NOW]
        await store.run(active.note, [world.owner(name) for name in names[:3]], NOW)
        await store.run(active.note, [world.owner(names[4])], NOW - DAYS * DAY_S)
        assert await store.run(lag.lag, NOW) == []
        await post(world, 2, "team")
        await world.look(names[0])
        await post(world, 1, "team")
        assert await store.run(lag.lag, NOW) == [lag.Lag(team, boxes=3, posts=3, oldest=NOW + 1)]
        assert (await store.run(lag.lag, NOW - DAYS * DAY_S))[0].boxes == 4
        await carrier(store, clock).once()
        assert await store.run(lag.lag, NOW) == []
        await post(world, 1, "team")
        await store.run(moves.expunge, SYSTEM_OWNER, team, None, False)
        assert await store.run(lag.lag, NOW) == []

    run(main())


def test_two_agents_share_the_work(store: Store, store_settings: StoreSettings) -> None:
    """At once, with stores of their own, while posts come: each box once and in order; no share is done by both."""

    async def main() -> None:
        world, names = await readers(store, 24)
        await store.run(active.note, [world.owner(name) for name in names], NOW)
        stores = [Store(store_settings) for _ in range(2)]
        agents = [carrier(each, [NOW]) for each in stores]
        ids = await post(world, 3)
        assert sum(await asyncio.gather(*(each.once() for each in agents))) == 24

        async def more() -> None:
            for _ in range(10):
                ids.extend(await post(world))

        async def busy(agent: Carrier) -> None:
            for _ in range(5):
                await agent.once()

        await asyncio.gather(more(), *map(busy, agents))
        await agents[0].once()
        for name in names:
            assert await world.posts_in(*world.key(name)) == ids
        for each in stores:
            await each.close()

    run(main())


def test_the_share_of_a_dead_agent_is_taken_over(store: Store) -> None:
    async def main() -> None:
        world, names = await readers(store, 6)
        await store.run(active.note, [world.owner(name) for name in names], NOW)
        ids, clock = await post(world), [NOW]
        generation = await store.run(shares.generation)
        dead = [await store.run(shares.lease, 7, NOW, LEASE_S, generation, 0) for _ in range(shares.SHARES)]
        assert sorted(each for each in dead if each is not None) == list(range(shares.SHARES))
        agent = carrier(store, clock)
        assert await agent.once() == 0
        clock[0] += LEASE_S - 1
        assert await agent.once() == 0
        clock[0] += 1
        assert await agent.once() == 6
        assert await world.posts_in(*world.key("r0")) == ids
        assert not await store.run(shares.done, 0, 7, generation, NOW)  # who was taken for dead changes nothing

    run(main())


def test_who_is_stopped_gives_the_share_back(store: Store) -> None:
    async def main() -> None:
        world, names = await readers(store, 30)
        await store.run(active.note, [world.owner(name) for name in names], NOW)
        ids = await post(world, 400)
        begun = asyncio.Event()
        await store.start()
        stop = store.listen(lambda hint: begun.set())
        stopped = asyncio.create_task(carrier(store, [NOW], batch=1).once())
        await begun.wait()
        stop()
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
        await carrier(store, [NOW]).once()
        for name in names:
            assert await world.posts_in(*world.key(name)) == ids

    run(main())


def test_who_was_away_for_long_keeps_nobody_waiting(store: Store) -> None:
    """Pages wait for one reader; the others have the new post after the first batch, and this one all at the end."""

    async def main() -> None:
        world, names = await readers(store, 4)
        await store.run(active.note, [world.owner(name) for name in names], NOW)
        await world.group("old", "r1")
        old = await post(world, 3 * sync.PAGE + 7, "old")
        new = await post(world)
        found = await sync.carry_owners(store, sorted(map(world.owner, names)), now=NOW)
        assert (found.boxes, found.late) == (4, [world.key("r1")])
        for name in ("r0", "r2", "r3"):
            assert await world.posts_in(*world.key(name)) == new
        await carrier(store, [NOW]).once()
        have = await world.posts_in(*world.key("r1"))
        assert [id_ for id_ in have if id_ not in new] == old
        assert len(have) == len(old) + 1

    run(main())


def test_a_box_that_refuses_does_not_stop_the_agent(store: Store, store_settings: StoreSettings) -> None:
    async def main() -> None:
        world, names = await readers(store, 5)
        await store.run(active.note, [world.owner(name) for name in names], NOW)
        ids = await post(world, 4)
        with refused(store_settings, world.owner("r2"), ids[1]):
            assert await carrier(store, [NOW]).once() == 5
        for name in names:
            wanted = [id_ for id_ in ids if name != "r2" or id_ != ids[1]]
            assert await world.posts_in(*world.key(name)) == wanted
        assert [row.post for row in await store.run(set_aside.waiting, 9)] == [ids[1]]

    run(main())


def test_a_look_makes_active_and_the_running_agent_carries(store: Store) -> None:
    """The hub tells the store who has looked, once; a post to a source wakes the agent."""

    async def main() -> None:
        world, _ = await readers(store, 2)
        clock = [NOW]
        await store.start()
        hub = Hub(store, lambda: clock[0])
        hub.start()
        hub.release(await hub.open(*world.key("r0")))
        await hub.close()
        assert await store.run(active.seen, world.owner("r0")) == NOW
        assert await store.run(active.seen, world.owner("r1")) is None
        agent = carrier(store, clock)
        agent.start()
        woken = asyncio.Event()
        there: list[PostId] = []
        stop = store.listen(lambda hint: woken.set() if hint.owner == world.owner("r0") else None)
        ids = await post(world)
        async with asyncio.timeout(60):
            while there != ids:
                await woken.wait()
                woken.clear()
                there = await world.posts_in(*world.key("r0"))
        stop()
        await agent.close()
        assert await world.posts_in(*world.key("r1")) == []
        await store.close()

    run(main())


def test_activity_is_written_once_a_day(store: Store) -> None:
    async def main() -> None:
        from opostd.store.activity import Activity

        clock = [NOW]
        activity = Activity(store, lambda: clock[0])
        owners = [OwnerId(5), OwnerId(6)]
        activity.saw(owners[0])
        await activity.flush()
        clock[0] += FLUSH_S - 1
        for owner in owners:
            activity.saw(owner)
        await activity.flush()
        assert [await store.run(active.seen, owner) for owner in owners] == [NOW, None]
        clock[0] += 1
        await activity.flush()
        assert [await store.run(active.seen, owner) for owner in owners] == [NOW, clock[0]]
        clock[0] += DAY_S
        activity.saw(owners[0])
        await activity.flush()  # notices the day, and has nothing new of before
        activity.saw(owners[0])
        await activity.flush(last=True)
        assert await store.run(active.seen, owners[0]) == clock[0]

    run(main())


def test_a_fault_is_said_as_it_is_and_what_is_left_is_done_later(store: Store, store_settings: StoreSettings) -> None:
    """By whoever leases next: the shares of the one that met it are given back, or end."""

    async def main() -> None:
        world, names = await readers(store, 6)
        await store.run(active.note, [world.owner(name) for name in names], NOW)
        ids, clock = await post(world), [NOW]
        engine = sa.create_engine(store_settings.url, execution_options={"outside": True})
        agent = carrier(store, clock)
        with engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE active RENAME TO away"))
        try:
            with pytest.raises(sa.exc.DBAPIError, match="active"):
                await agent.once()
        finally:
            with engine.begin() as connection:
                connection.execute(sa.text("ALTER TABLE away RENAME TO active"))
            engine.dispose()
        clock[0] += LEASE_S
        assert await agent.once() == 6
        for name in names:
            assert await world.posts_in(*world.key(name)) == ids

    run(main())
