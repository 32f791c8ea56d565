"""Clocks that jump: what a clock that was wrong has written keeps nobody from their mail when it is right again."""

import pytest

from opostd.config import AgentSettings, QueueSettings, StoreSettings
from opostd.daemon.agent import LEASE_S as ASIDE_S
from opostd.daemon.agent import Agent
from opostd.daemon.carrier import DAY_S, LEASE_S, Carrier
from opostd.daemon.gauge import Gauge
from opostd.daemon.reaper import Reaper
from opostd.model.mailing import Target
from opostd.model.new_ids import new_post_id
from opostd.store import active, queue, set_aside, shares, withdraw
from opostd.store.reach import HOUR_S
from opostd.store.run import Store
from tests.store.refusing import refused
from tests.store.world import NOW, World, accept, new_post, run

FAR = NOW + 3650 * DAY_S


@pytest.mark.parametrize("jump", [-30 * DAY_S, 30 * DAY_S])
def test_the_agent_goes_on(store: Store, jump: int) -> None:
    """Whoever has looked lately is carried for after a jump either way; each post once, in the order of the source."""

    async def main() -> None:
        world = await World(store).make("anna", "bob")
        source, clock = await world.source("everyone"), [NOW]
        carrier = Carrier(store, AgentSettings(), lambda: clock[0])
        await store.run(active.note, [world.owner("anna"), world.owner("bob")], NOW)
        posts = [new_post_id() for _ in range(4)]
        await world.send(source, posts[0], posts[1])
        assert await carrier.once() == 2
        clock[0] += jump
        await store.run(active.note, [world.owner("anna")], clock[0])
        await world.send(source, *posts[2:])
        await carrier.once()
        assert await world.posts_in(*world.key("anna")) == posts
        assert await world.look("bob") == posts

    run(main())


def test_what_was_leased_under_a_wrong_clock(store: Store, store_settings: StoreSettings) -> None:
    """A process whose clock was ten years ahead died with shares, works and rows in its hands."""

    async def main() -> None:
        world = await World(store).make("anna")
        source, clock = await world.source("everyone"), [FAR]
        post = await accept(store, new_post())
        for number in range(shares.SHARES):
            assert await store.run(shares.lease, 7, clock[0], LEASE_S, 1, 0) is not None, number
        for work in (shares.REAPER, shares.GAUGE):
            assert await store.run(shares.lease_alone, work, 7, clock[0], LEASE_S, 0)
        await world.send(source, post)
        with refused(store_settings, world.owner("anna"), post):
            assert await world.look("anna") == []
        assert len(await store.run(set_aside.lease, clock[0], ASIDE_S, 10)) == 1
        clock[0] = NOW + 2
        await store.run(active.note, [world.owner("anna")], clock[0])
        other = new_post_id()
        await world.send(source, other)
        assert await Carrier(store, AgentSettings(), lambda: clock[0]).once() == 1
        assert await world.posts_in(*world.key("anna")) == [other]
        assert await Agent(store, lambda: clock[0], QueueSettings(), lambda: 0.0).once() == 1
        assert await world.posts_in(*world.key("anna")) == [other, post]
        clock[0] = NOW + 2 + HOUR_S
        assert await Gauge(store, 30, lambda: clock[0]).once() == 2

    run(main())


def test_what_was_done_under_a_wrong_clock(store: Store) -> None:
    """The reaper and the gauge do not wait for ten years to pass."""

    async def main() -> None:
        await World(store).make("anna")
        clock = [FAR]
        reaper, gauge = Reaper(store, None, lambda: clock[0]), Gauge(store, 30, lambda: clock[0])
        await reaper.once()
        await gauge.once()
        clock[0] = NOW
        for work in (shares.REAPER, shares.GAUGE):
            assert await store.run(shares.lease_alone, work, 9, clock[0], LEASE_S, clock[0] - DAY_S)

    run(main())


def test_clocks_that_differ_a_little_share(store: Store) -> None:
    """Two machines, some minutes apart: what one has leased the other leaves alone."""

    async def main() -> None:
        world = await World(store).make("anna")
        ahead, behind = NOW + 600, NOW
        assert await store.run(shares.lease_alone, shares.REAPER, 7, ahead, LEASE_S, 0)
        assert not await store.run(shares.lease_alone, shares.REAPER, 8, behind, LEASE_S, behind - DAY_S)
        await accept(store, new_post(), Target(*world.key("anna")))
        assert len(await store.run(queue.lease, ahead, 120, 10)) == 1
        assert await store.run(queue.lease, behind, 120, 10) == []

    run(main())


def test_an_end_that_was_swept_early_stays_swept(store: Store) -> None:
    """The clock jumps past an end, and back: what has left its boxes has left, and nobody gets it again."""

    async def main() -> None:
        world = await World(store).make("anna", "bob")
        post = await accept(store, new_post())
        await world.send(await world.source("everyone"), post)
        assert await world.look("anna") == [post]
        await withdraw.expire(store, post, NOW + DAY_S)
        clock = [NOW + 2 * DAY_S]
        agent = Agent(store, lambda: clock[0])
        assert await agent.once() == 1
        assert await world.look("anna") == []
        clock[0] = NOW
        assert await agent.once() == 0
        assert await world.look("anna") == await world.look("bob") == []

    run(main())
