"""How far a post has come: counted in the database as from the rows themselves, people once, and what was never read."""

from opostd.model.flags import FLAGGED, SEEN
from opostd.model.ids import OwnerId, PostId, Uid
from opostd.model.records import Withdraw
from opostd.store import boxes, delivery, moves, provision, reach, withdraw
from opostd.store.run import Store
from tests.store.test_withdraw import mark, sent
from tests.store.world import DOMAIN, NOW, World, a_delivery, run


async def counted(world: World, post: PostId) -> reach.Reach:
    """The counts, from the readers one by one."""
    found = await world.store.run(reach.readers, post)
    bits = [each.bits for each in found if each.bits is not None]
    return reach.Reach(
        subscribed=sum(each.subscribed for each in found),
        carried=sum(each.carried for each in found),
        have=len(bits),
        seen=sum(1 for each in bits if each & SEEN),
        flagged=sum(1 for each in bits if each & FLAGGED),
        gone=sum(each.carried and each.bits is None for each in found),
        dismissed=sum(each.dismissed for each in found),
    )


async def expunge(world: World, name: str) -> None:
    await world.store.run(moves.expunge, *world.key(name), None, False)


def test_reach(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob", "cara", "dora")
        await world.group("team", "anna", "bob")
        await world.group("crew", "bob", "cara")
        post = await sent(world, "team", "crew")
        await store.run(delivery.deliver, *world.key("dora"), [a_delivery(post)], NOW)
        assert await store.run(reach.reach, post) == reach.Reach(3, 0, 1, 0, 0, 0)
        for name in ("anna", "bob"):
            await world.look(name)
        await mark(world, "anna", SEEN | FLAGGED)
        found = await store.run(reach.reach, post)
        assert found == reach.Reach(subscribed=3, carried=2, have=3, seen=1, flagged=1, gone=0)
        assert found.pending == 1
        assert found == await counted(world, post)
        await store.run(moves.expunge, *world.key("bob"), None, False)
        found = await store.run(reach.reach, post)
        assert (found.gone, found.dismissed, found.have) == (1, 1, 2)
        assert found == await counted(world, post)
        assert await store.run(reach.subscribers, await world.source("everyone")) == 4

    run(main())


def test_what_was_deleted_without_being_read(store: Store) -> None:
    """For good, or with its folder; not what was read, moved, taken back, or nobody's but the reader's own."""

    async def main() -> None:
        names = ["anna", "bob", "cara", "dora", "emil", "fred"]
        world = await World(store).make(*names)
        await world.group("team", *names)
        post = await sent(world, "team")
        await store.run(delivery.deliver, *world.key("fred"), [a_delivery(post)], NOW)  # and on Cc: charged, fred's own
        for name in names:
            await world.look(name)
        await mark(world, "anna", SEEN)
        archive = {}
        for name in ("cara", "dora", "emil"):
            archive[name] = (await store.run(boxes.create, world.owner(name), "Kept", "", NOW)).box
            await store.run(moves.move, *world.key(name), archive[name], [Uid(1)], NOW)
        assert (await store.run(reach.reach, post)).dismissed == 0
        for name in ("anna", "bob", "fred"):
            await expunge(world, name)
        await store.run(moves.expunge, world.owner("cara"), archive["cara"], [Uid(1)], False)
        await store.run(boxes.delete, world.owner("dora"), "Kept")
        found = await store.run(reach.reach, post)
        assert found == reach.Reach(subscribed=6, carried=6, have=1, seen=0, flagged=0, gone=5, dismissed=3)
        assert found == await counted(world, post)
        states = {each.owner: each.state for each in await store.run(reach.readers, post)}
        assert [states[world.owner(name)] for name in names] == [
            "deleted", "deleted unread", "deleted unread", "deleted unread", "unread", "deleted",
        ]  # fmt: skip
        await store.run(delivery.deliver, *world.key("bob"), [a_delivery(post)], NOW)  # somebody forwards it to them
        assert (await store.run(reach.reach, post)).dismissed == 2
        await withdraw.recall(store, post, Withdraw.ALL, NOW)
        assert (await store.run(reach.reach, post)).dismissed == 3
        await provision.delete_user(store, f"cara@{DOMAIN}")
        assert (await store.run(reach.reach, post)).dismissed == 2

    run(main())


def test_arrivals(store: Store) -> None:
    """Each once, when the first of their rows came."""

    async def main() -> None:
        world = await World(store).make("anna", "bob", "cara")
        post = await sent(world, "everyone")
        hour = NOW - NOW % 3600
        for name, at in (("anna", hour), ("bob", hour + 3599), ("cara", hour + 3600), ("anna", hour + 7200)):
            await store.run(delivery.deliver, *world.key(name), [a_delivery(post)], at)
        assert await store.run(reach.arrivals, post) == [(hour + 3600, 2), (hour + 7200, 3)]

    run(main())


def test_reach_over_time() -> None:
    """By hours, or, where it took longer than two days, by days."""

    assert reach.over_time([]) == []
    assert reach.over_time([(7200, 2), (3600, 1)]) == [(7200, 1), (10800, 3)]
    assert reach.over_time([(0, 1), (3 * 86400, 1)]) == [(86400, 1), (4 * 86400, 2)]
    assert [each.state for each in (
        reach.Reader(OwnerId(1), True, False), reach.Reader(OwnerId(1), True, True), reach.Reader(OwnerId(1), False, False, 0),
        reach.Reader(OwnerId(1), True, True, SEEN), reach.Reader(OwnerId(1), True, True, SEEN | FLAGGED),
        reach.Reader(OwnerId(1), True, True, dismissed=True),
    )] == ["pending", "deleted", "unread", "read", "flagged", "deleted unread"]  # fmt: skip
