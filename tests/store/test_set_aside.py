"""A post that one box refuses: set aside for it alone, tried again, there exactly once at the end, or held."""

import asyncio
import logging

import pytest

from opostd.config import QueueSettings, StoreSettings
from opostd.daemon.agent import Agent
from opostd.model.flags import UNCHARGED
from opostd.model.ids import PostId
from opostd.model.new_ids import new_post_id
from opostd.model.records import Withdraw
from opostd.store import boxes, changes, provision, reap, set_aside, sync, withdraw
from opostd.store.run import Store
from opostd.store.spooling import HELD_AT
from tests.store.refusing import refused
from tests.store.test_run import Faults
from tests.store.world import DOMAIN, NOW, World, accept, new_post, run


async def team_of_two(store: Store, count: int) -> tuple[World, list[PostId]]:
    """anna and bob read `team`, which has so many posts that nobody has looked at."""
    world = await World(store).make("anna", "bob")
    team = await world.group("team", "anna", "bob")
    ids = [new_post_id() for _ in range(count)]
    for at, id_ in enumerate(ids):
        await world.send(team, id_, date=NOW - 1000 + at)
    return world, ids


def agent(store: Store, clock: list[int], tries: int = 30) -> Agent:
    return Agent(store, lambda: clock[0], QueueSettings(local_tries=tries), lambda: 0.0)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("count", [3, 40])
def test_one_post_waits_and_all_others_come(
    store: Store, store_settings: StoreSettings, many: bool, count: int
) -> None:  # fmt: skip
    """By a look at the box, and by the agents' way over many boxes."""

    async def main() -> None:
        world, ids = await team_of_two(store, count)
        bad, keys = ids[1], [world.key("anna"), world.key("bob")]
        with refused(store_settings, world.owner("anna"), bad):
            late = keys
            while many and late:
                late = await sync.carry_all(store, late, now=NOW)
            assert await world.look("anna") == [id_ for id_ in ids if id_ != bad]
            assert await world.look("bob") == ids
            assert await store.run(sync.live_behind, keys) == []
            (row,) = await store.run(set_aside.waiting, 10)
            assert (row.key, row.attempts, row.next_at, row.held) == ((*world.key("anna"), bad), 1, NOW + 1, False)
            assert "refuse" in row.last_error
            assert await agent(store, [NOW + 1]).once() == 1
            (row,) = await store.run(set_aside.waiting, 10)
            assert (row.attempts, row.next_at) == (2, NOW + 1 + 3)  # 1 s doubled, and the rest of a second
        assert await agent(store, [NOW + 3]).once() == 0
        assert await agent(store, [NOW + 4]).once() == 1
        assert await store.run(set_aside.waiting, 10) == []
        assert await world.look("anna") == [id_ for id_ in ids if id_ != bad] + [bad]
        rows = (await store.run(changes.listing, *world.key("anna"))).rows
        assert (rows[-1].internaldate, rows[-1].savedate, rows[-1].bits) == (NOW - 999, NOW + 4, UNCHARGED)
        assert await agent(store, [NOW + 99]).once() == 0

    run(main())


def test_it_is_held_after_the_last_try_and_released_by_a_person(
    store: Store, store_settings: StoreSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        world, (bad,) = await team_of_two(store, 1)
        clock, owner = [NOW], world.owner("anna")
        with refused(store_settings, owner, bad):
            assert await world.look("anna") == []
            tried = agent(store, clock, tries=4)
            pauses = []
            while not (row := (await store.run(set_aside.waiting, 10))[0]).held:
                pauses.append(row.next_at - clock[0])
                clock[0] = row.next_at
                assert await tried.once() == 1
            assert (row.attempts, pauses) == (4, [1, 3, 5])
            assert "tried 4 times" in caplog.text
            clock[0] += 10**6
            assert await tried.once() == 0
            assert await store.run(set_aside.counts, owner) == {(row.box, row.source): 1}
        assert await tried.once() == 0
        assert await store.run(set_aside.change, [row.key], clock[0], {"next_at": clock[0], "attempts": 0}) == 1
        assert await tried.once() == 1
        assert await world.look("anna") == [bad]

    with caplog.at_level(logging.ERROR, "opostd.agent"):
        run(main())


def test_a_full_mailbox_sets_aside_a_page_at_once(store: Store, store_settings: StoreSettings) -> None:
    async def main() -> None:
        world, ids = await team_of_two(store, 30)
        import sqlalchemy as sa

        engine = sa.create_engine(store_settings.url, execution_options={"outside": True})
        with engine.begin() as connection:
            connection.execute(
                sa.text(f"UPDATE box SET uidnext = 4294967295 WHERE owner_id = {world.owner('anna')}")
            )  # fmt: skip
        engine.dispose()
        assert await world.look("anna") == []
        assert {row.post for row in await store.run(set_aside.waiting, 99)} == set(ids)
        assert await agent(store, [NOW + 1]).once() == 30
        assert [row.attempts for row in await store.run(set_aside.waiting, 99)] == [2] * 30

    run(main())


def test_two_agents_at_once(store: Store, store_settings: StoreSettings) -> None:
    """Each with a store of its own: a row goes to one of them, and a post comes once."""

    async def main() -> None:
        world, ids = await team_of_two(store, 12)
        with refused(store_settings, world.owner("anna"), *ids):
            assert await world.look("anna") == []
        stores = [Store(store_settings) for _ in range(3)]
        tried = await asyncio.gather(*(agent(each, [NOW + 1]).once() for each in stores))
        assert sum(tried) == 12
        assert await world.look("anna") == ids
        # Who has the lease of a row that somebody has put in already does nothing
        assert not await store.run(set_aside.put_in, *world.key("anna"), ids[0], NOW)
        for each in stores:
            await each.close()

    run(main())


def test_answers_of_commit_are_lost(store_settings: StoreSettings) -> None:
    """Before and after COMMIT, at every step: once, in the end."""

    async def main() -> None:
        import sqlalchemy as sa

        faults = Faults(3, 0.3, sa.make_url(store_settings.url).get_backend_name())
        store = Store(store_settings, faults)
        world, ids = await team_of_two(store, 8)
        bad = ids[::2]
        faults.on = True
        with refused(store_settings, world.owner("anna"), *bad):
            assert await world.look("anna") == ids[1::2]
        clock = [NOW + 1]
        while await store.run(set_aside.waiting, 99):
            await agent(store, clock).once()
            clock[0] += 200
        assert await world.look("anna") == ids[1::2] + bad
        assert faults.raised["before"]
        assert faults.raised["after"]
        await store.close()

    run(main())


def test_who_dies_with_a_lease_is_followed(store: Store, store_settings: StoreSettings) -> None:
    async def main() -> None:
        world, (bad,) = await team_of_two(store, 1)
        with refused(store_settings, world.owner("anna"), bad):
            await world.look("anna")
        assert len(await store.run(set_aside.lease, NOW + 1, 120, 10)) == 1
        assert await agent(store, [NOW + 100]).once() == 0
        assert await agent(store, [NOW + 121]).once() == 1
        assert await world.look("anna") == [bad]

    run(main())


def test_what_is_taken_back_does_not_come(store: Store, store_settings: StoreSettings) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team", "anna")
        bad = await accept(store, new_post())
        await world.send(team, bad)
        with refused(store_settings, world.owner("anna"), bad):
            await world.look("anna")
        before = await store.run(boxes.box_by_id, *world.key("anna"))
        await withdraw.recall(store, bad, Withdraw.ALL, NOW + 1)
        await agent(store, [NOW + 2]).once()
        assert await store.run(set_aside.waiting, 10) == []
        assert await store.run(boxes.box_by_id, *world.key("anna")) == before

    run(main())


def test_it_goes_with_its_box_and_keeps_its_post(store: Store, store_settings: StoreSettings) -> None:
    """Leaving the group takes nothing of what was posted before; the reaper leaves the post; the account's end ends it."""

    async def main() -> None:
        world = await World(store).make("anna", "bob")
        await world.group("team", "anna", "bob")
        bad = await accept(store, new_post())
        await world.send(await world.source("team"), bad)
        for name in ("anna", "bob"):
            with refused(store_settings, world.owner(name), bad):
                await provision.leave(store, f"team@{DOMAIN}", world.owner(name), NOW)
        await provision.delete_group(store, f"team@{DOMAIN}")
        assert await store.run(reap.referenced, [bad]) == {bad}
        await provision.delete_user(store, f"bob@{DOMAIN}")
        assert [row.owner for row in await store.run(set_aside.waiting, 10)] == [world.owner("anna")]
        assert await agent(store, [NOW + 1]).once() == 1
        assert await world.look("anna") == [bad]

    run(main())


def test_an_administrator_holds_and_drops(store: Store, store_settings: StoreSettings) -> None:
    async def main() -> None:
        world, (bad,) = await team_of_two(store, 1)
        with refused(store_settings, world.owner("anna"), bad):
            await world.look("anna")
        key = (*world.key("anna"), bad)
        assert await store.run(set_aside.change, [key], NOW, {"next_at": HELD_AT}) == 1
        assert await agent(store, [NOW + 10**6]).once() == 0
        assert await store.run(set_aside.drop, [key], NOW) == 1
        assert await store.run(set_aside.drop, [key], NOW) == 0
        assert await world.look("anna") == []

    run(main())
