"""How far posts had come at earlier times: counted at growing pauses, by one process of all, forgotten with the post."""

from opostd.daemon.gauge import Gauge
from opostd.daemon.reaper import DAY_S, Reaper
from opostd.model.flags import SEEN, FlagAction, Flags
from opostd.model.ids import SYSTEM_OWNER, BoxId, PostId, Uid
from opostd.model.new_ids import new_post_id
from opostd.store import flags, moves, reach, reached
from opostd.store.reach import HOUR_S, Reach
from opostd.store.reached import Posted
from opostd.store.run import Store
from tests.store.world import NOW, World, accept, new_post, run


def test_due() -> None:
    post, other = new_post_id(), new_post_id()
    rows = [
        Posted(BoxId(2), Uid(1), post, 1000),
        Posted(BoxId(3), Uid(1), post, 1500),
        Posted(BoxId(3), Uid(2), other, 9000),
    ]
    times = []
    last: dict[PostId, int] = {}
    for now in range(1000, 1000 + 60 * HOUR_S, 600):
        if post in reached.due(rows, last, now):
            times.append((now - 1000) // HOUR_S)
            last[post] = now
    assert times == [1, 2, 4, 8, 16, 32]
    assert reached.due(rows, {post: 90_000, other: 90_000}, 50_000) == []  # the clock was set back


def test_a_curve(store: Store) -> None:
    async def main() -> None:
        names = ["anna", "bob", "cara"]
        world = await World(store).make(*names)
        team = await world.group("team", *names)
        posted, clock = NOW + 1, [NOW + 1]  # world.send
        post = await accept(store, new_post())
        await world.send(team, post)
        await world.send(await world.source("everyone"), post)
        gauge, other = (Gauge(store, 30, lambda: clock[0]) for _ in range(2))
        assert await gauge.once() == 0
        for hours, who in ((1, "anna"), (2, "bob"), (3, "cara"), (4, None)):
            if who is not None:
                await world.look(who)
                await store.run(flags.store_flags, *world.key(who), [(1, 1)], FlagAction.ADD, Flags(SEEN), None)
            clock[0] = posted + hours * HOUR_S
            assert await gauge.once() == (0 if hours == 3 else 1)
            assert await other.once() == 0  # the hour is done
        curve = await store.run(reached.of_post, post)
        assert curve == [
            (posted + hours * HOUR_S, Reach(3, seen, seen, seen, 0, 0)) for hours, seen in ((1, 1), (2, 2), (4, 3))
        ]
        assert curve[-1][1] == await store.run(reach.reach, post)
        clock[0] = posted + 31 * DAY_S
        assert await gauge.once() == 0  # too old

    run(main())


def test_many_posts_and_a_process_that_dies(store: Store) -> None:
    """More than a page of them; whoever follows counts what is left, and nothing twice."""

    async def main() -> None:
        world = await World(store).make("anna")
        source = await world.source("everyone")
        ids = [new_post_id() for _ in range(reached.PAGE + 20)]
        for at in range(0, len(ids), 500):
            await world.send(source, *ids[at : at + 500])
        clock = [NOW + 1 + HOUR_S]
        await store.run(reached.keep, ids[0], clock[0], Reach(1, 0, 0, 0, 0, 0))
        gauge = Gauge(store, 30, lambda: clock[0])
        assert await gauge.once() == len(ids) - 1
        assert len(await store.run(reached.last, ids)) == len(ids)

    run(main())


def test_it_goes_with_its_post(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        source = await world.source("everyone")
        post = await accept(store, new_post())
        await world.send(source, post)
        assert await world.look("anna") == [post]
        await store.run(reached.keep, post, NOW, Reach(1, 1, 1, 0, 0, 0))
        await store.run(moves.expunge, *world.key("anna"), None, False)
        assert (await store.run(reach.reach, post)).dismissed == 1
        await store.run(moves.expunge, SYSTEM_OWNER, source, None, False)
        clock = [2**37]
        reaper = Reaper(store, None, lambda: clock[0])
        await reaper.once()
        clock[0] += DAY_S
        assert await reaper.once() == 1
        assert await store.run(reached.of_post, post) == []
        assert (await store.run(reach.reach, post)).dismissed == 0

    run(main())
