"""Taking back: out of the source at once, out of every box by policy, never seen by who has not looked, exactly counted."""

import asyncio

import pytest
import sqlalchemy as sa

from opostd.daemon.agent import Agent
from opostd.model.errors import NoSuchPost
from opostd.model.flags import FLAGGED, SEEN, FlagAction, Flags
from opostd.model.ids import SYSTEM_OWNER, PostId, Uid
from opostd.model.mailing import Target
from opostd.model.new_ids import new_post_id
from opostd.model.records import BoxHint, Withdraw
from opostd.store import boxes, changes, delivery, flags, moves, posts, queue, schema, sync, withdraw
from opostd.store.run import Group, Store, Tx, writes
from tests.store.world import NOW, World, a_delivery, accept, new_post, run


async def sent(world: World, *sources: str) -> PostId:
    """A post that is kept, and in these sources."""
    post = await accept(world.store, new_post())
    for name in sources:
        await world.send(await world.source(name), post)
    return post


async def mark(world: World, name: str, bits: int) -> None:
    await world.store.run(flags.store_flags, *world.key(name), [(1, 1)], FlagAction.ADD, Flags(bits), None)


def test_recalled_before_and_after_it_was_carried(store: Store) -> None:
    """Who has it loses it; who has not looked spends no UID on it; the next post takes the next UID of each."""

    async def main() -> None:
        world = await World(store).make("anna", "bob")
        team = await world.group("team", "anna", "bob")
        post = await sent(world, "team")
        assert await world.look("anna") == [post]
        before = await store.run(boxes.box_by_id, *world.key("anna"))
        done = await withdraw.recall(store, post, Withdraw.ALL, NOW)
        assert (done.removed, done.removed_seen, done.kept, done.kept_seen) == (1, 0, 0, 0)
        assert await world.look("anna") == await world.look("bob") == await world.posts_in(SYSTEM_OWNER, team) == []
        found = await store.run(changes.changes, *world.key("anna"), before.highestmodseq)
        assert found.gone == (1,)
        assert found.box.highestmodseq == before.highestmodseq + 1
        after = await sent(world, "team")
        assert await world.look("anna") == await world.look("bob") == [after]
        rows = [(await store.run(changes.listing, *world.key(name))).rows for name in ("anna", "bob")]
        assert [row.uid for (row,) in rows] == [2, 1]

    run(main())


def test_every_copy_of_everybody(store: Store) -> None:
    """Moved, copied, sent directly, in a second source: none is left, and other posts stay."""

    async def main() -> None:
        world = await World(store).make("anna", "bob", "cara")
        for name in ("team", "crew"):
            await world.group(name, "anna", "bob")
        other = await sent(world, "team")
        post = await sent(world, "team", "crew")
        await store.run(delivery.deliver, *world.key("cara"), [a_delivery(post)], NOW)
        for name in ("anna", "bob"):
            await world.look(name)  # source by source, so that either may be the first
        at = Uid((await world.posts_in(*world.key("anna"))).index(post) + 1)
        archive = await store.run(boxes.box_named, world.owner("anna"), "Archive")
        await store.run(moves.move, *world.key("anna"), archive.box, [at], NOW)
        at = Uid((await world.posts_in(*world.key("bob"))).index(post) + 1)
        await store.run(moves.copy, *world.key("bob"), world.inbox["bob"], [at], NOW)
        done = await withdraw.recall(store, post, Withdraw.ALL, NOW)
        assert (done.removed, done.kept) == (4, 0)
        assert await store.run(withdraw.holders, post) == []
        for name in ("anna", "bob"):
            assert await world.look(name) == [other]
        assert await world.look("cara") == await world.posts_in(archive.owner, archive.box) == []

    run(main())


def test_unread_only(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob", "cara")
        await world.group("team", "anna", "bob", "cara")
        post = await sent(world, "team")
        for name in ("anna", "bob"):
            await world.look(name)
        await mark(world, "anna", SEEN)
        done = await withdraw.recall(store, post, Withdraw.UNREAD, NOW)
        assert (done.removed, done.removed_seen, done.kept, done.kept_seen) == (1, 0, 1, 1)
        assert await world.look("anna") == [post]
        assert await world.look("bob") == await world.look("cara") == []
        wider = await withdraw.recall(store, post, Withdraw.ALL, NOW + 9)
        assert (wider.policy, wider.removed, wider.removed_seen, wider.kept) == (Withdraw.ALL, 2, 1, 0)
        assert await world.look("anna") == []
        narrower = await withdraw.recall(store, post, Withdraw.UNREAD, NOW + 10)
        assert narrower.policy is Withdraw.ALL

    run(main())


def test_untouched_stays_where_it_was_flagged_or_moved(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob", "cara")
        team = await world.group("team", "anna", "bob", "cara")
        post = await sent(world, "team")
        for name in ("anna", "bob", "cara"):
            await world.look(name)
        await mark(world, "anna", SEEN)
        await mark(world, "bob", FLAGGED)
        archive = await store.run(boxes.box_named, world.owner("cara"), "Archive")
        await store.run(moves.move, *world.key("cara"), archive.box, [Uid(1)], NOW)
        done = await withdraw.recall(store, post, Withdraw.UNTOUCHED, NOW)
        assert (done.removed, done.removed_seen, done.kept) == (1, 1, 2)
        assert await world.look("anna") == await world.posts_in(SYSTEM_OWNER, team) == []
        assert await world.look("bob") == await world.posts_in(archive.owner, archive.box) == [post]

    run(main())


def test_what_still_waits_in_the_spool_does_not_come(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team", "anna")
        new = new_post()
        await accept(store, new, Target(SYSTEM_OWNER, team, source=True), Target(*world.key("anna")))
        await withdraw.recall(store, new.facts.id, Withdraw.ALL, NOW)
        assert await store.run(queue.waiting, 9) == []

    run(main())


def test_what_was_under_way_goes_with_a_later_sweep(store: Store) -> None:
    """A delivery from some process's memory comes after the recall: the agent takes it, as long as one can come."""

    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team", "anna")
        post = await sent(world)
        clock = [NOW]
        agent = Agent(store, lambda: clock[0])
        assert (await withdraw.recall(store, post, Withdraw.ALL, NOW)).removed == 0
        assert await agent.once() == 0
        for seconds in withdraw.AGAIN_S:
            await world.send(team, post)
            await world.look("anna")
            clock[0] = NOW + seconds
            assert await agent.once() == 1
            assert await world.look("anna") == []
        assert await store.run(withdraw.holders, post) == []
        assert await agent.once() == 0
        found = await store.run(withdraw.withdrawal, post)
        assert found is not None
        assert (found.next_at, found.removed) == (withdraw.NEVER, len(withdraw.AGAIN_S))

    run(main())


def test_many_boxes(store: Store) -> None:
    """More than are locked in one transaction, and each reader is told."""

    async def main() -> None:
        world = await World(store).make("anna", "bob")
        post = await sent(world)
        names = [f"box {number}" for number in range(withdraw.PAGE + 20)]
        owner = world.owner("anna")
        made = [await store.run(boxes.create, owner, name, "", NOW) for name in names]
        await store.run(delivery.deliver_many, [(owner, box.box, [a_delivery(post)]) for box in made], NOW)
        hints: list[BoxHint] = []
        await store.start()
        store.listen(hints.append)
        done = await withdraw.recall(store, post, Withdraw.ALL, NOW)
        assert done.removed == len(names)
        await asyncio.sleep(0)
        assert {each.box for each in made} <= {hint.box for hint in hints}
        await store.close()

    run(main())


def test_no_such_post(store: Store) -> None:
    async def main() -> None:
        with pytest.raises(NoSuchPost):
            await withdraw.recall(store, new_post_id(), Withdraw.ALL, NOW)

    run(main())


def test_recalls_and_syncs_at_once(store: Store) -> None:
    """Readers look while posts are taken back: after the last sweep nobody has one, and nobody lacks another."""

    async def main() -> None:
        names = [f"r{number}" for number in range(6)]
        world = await World(store).make(*names)
        await world.group("team", *names)
        ids = [await sent(world, "team") for _ in range(20)]
        doomed = ids[::2]

        async def reads(name: str) -> None:
            for _ in range(5):
                await world.look(name)

        async def recalls() -> None:
            for post in doomed:
                await withdraw.recall(store, post, Withdraw.ALL, NOW)

        await asyncio.gather(recalls(), *(reads(name) for name in names))
        await Agent(store, lambda: NOW + withdraw.AGAIN_S[-1]).once()
        for name in names:
            assert await world.look(name) == ids[1::2]

    run(main())


@writes(Group.OWNER)
def forget_row(tx: Tx, post: PostId) -> None:
    tx.execute(sa.delete(schema.withdrawal).where(schema.withdrawal.c.owner_id == SYSTEM_OWNER))


def test_a_sweep_without_its_withdrawal(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        post = await sent(world)
        await withdraw.recall(store, post, Withdraw.ALL, NOW)
        await store.run(forget_row, post)
        with pytest.raises(NoSuchPost):
            await withdraw.sweep(store, post, NOW)
        assert await store.run(posts.facts, [post])
        assert await sync.bring_up(store, *world.key("anna"), now=NOW) == 0

    run(main())
