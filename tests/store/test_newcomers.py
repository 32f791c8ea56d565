"""What newcomers get: by the source's policy, and what is pinned; groups in groups, and circles refused."""

import pytest

from opostd.intake.route import Router
from opostd.model.errors import GroupCycle, LimitReached, NoSuchAddress, NoSuchPost, NotAllowed
from opostd.model.flags import UNCHARGED
from opostd.model.ids import SYSTEM_OWNER, BoxId, Uid
from opostd.model.mailing import Target
from opostd.model.new_ids import new_post_id
from opostd.model.records import PostPolicy
from opostd.store import changes, moves, nesting, newcomers, provision
from opostd.store.run import Store
from tests.store.world import DOMAIN, NOW, World, run

TEAM = f"team@{DOMAIN}"


@pytest.mark.parametrize(("since", "first"), [(newcomers.FROM_JOIN, 5), (0, 0), (NOW + 20, 2), (NOW + 999, 5)])
def test_history_by_policy(store: Store, since: int, first: int) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob")
        team = await world.group("team", "bob")
        ids = [new_post_id() for _ in range(6)]
        for number, post in enumerate(ids[:5]):
            await world.send(team, post, date=NOW + 10 * number)
        await provision.set_history(store, TEAM, since)
        await provision.join(store, TEAM, world.owner("anna"), now=NOW)
        await provision.set_history(store, TEAM, newcomers.FROM_JOIN)  # changes nothing for who is there
        await world.send(team, ids[5])
        assert await world.look("anna") == ids[first:]
        assert await world.look("bob") == ids

    run(main())


def test_pinned(store: Store) -> None:
    """Newcomers have it at once and nothing older, whoever was there has it once; rows as in the source."""

    async def main() -> None:
        world = await World(store).make("anna")
        everyone = await world.source("everyone")
        ids = [new_post_id() for _ in range(5)]
        await world.send(everyone, *ids[:4], date=NOW - 5)
        for uid in (3, 1, 1):
            await store.run(newcomers.pin, everyone, Uid(uid))
        assert await store.run(newcomers.pins, everyone) == [1, 3]
        await world.make("bob")
        assert await world.posts_in(*world.key("bob")) == [ids[0], ids[2]]
        row = (await store.run(changes.listing, *world.key("bob"))).rows[0]
        assert (row.uid, row.internaldate, row.savedate, row.bits) == (1, NOW - 5, NOW, UNCHARGED)
        await world.send(everyone, ids[4])
        assert await world.look("bob") == [ids[0], ids[2], ids[4]]
        assert await world.look("anna") == ids
        await store.run(newcomers.unpin, everyone, Uid(1))
        await store.run(moves.expunge, SYSTEM_OWNER, everyone, [Uid(3)], False)
        await world.make("cara")
        assert await world.look("cara") == []
        for uid in (9, 3):
            with pytest.raises(NoSuchPost):
                await store.run(newcomers.pin, everyone, Uid(uid))

    run(main())


def test_pinned_with_history_comes_once(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team")
        ids = [new_post_id() for _ in range(3)]
        await world.send(team, *ids)
        await store.run(newcomers.pin, team, Uid(1))
        await store.run(newcomers.pin, team, Uid(3))
        await provision.subscribe(store, TEAM, world.owner("anna"), since=newcomers.From(uid=Uid(1)), now=NOW)
        assert await world.look("anna") == ids
        await provision.subscribe(store, TEAM, world.owner("anna"), since=newcomers.START, now=NOW)
        assert await world.look("anna") == ids

    run(main())


def test_so_many_pins(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make()
        team = await world.group("team")
        await world.send(team, *(new_post_id() for _ in range(newcomers.MAX_PINNED + 1)))
        for uid in range(1, newcomers.MAX_PINNED + 1):
            await store.run(newcomers.pin, team, Uid(uid))
        await store.run(newcomers.pin, team, Uid(1))
        with pytest.raises(LimitReached):
            await store.run(newcomers.pin, team, Uid(newcomers.MAX_PINNED + 1))
        await provision.delete_group(store, TEAM)
        assert await store.run(newcomers.pins, team) == []

    run(main())


# Groups in groups


async def tree(world: World, *edges: str) -> dict[str, BoxId]:
    """``"a b"``: b is in a; every group is made with the first edge that names it."""
    made: dict[str, BoxId] = {}
    for edge in edges:
        for name in edge.split():
            if name not in made:
                made[name] = await world.group(name)
        outer, inner = edge.split()
        await provision.nest(world.store, f"{outer}@{DOMAIN}", f"{inner}@{DOMAIN}")
    return made


@pytest.mark.parametrize(
    ("edges", "closing", "way"),
    [
        (["a b"], "a a", "a > a"),
        (["a b"], "b a", "b > a > b"),
        (["a b", "b c", "c d"], "d a", "d > a > b > c > d"),
        (["a b", "b c", "a c"], "c a", "c > a > c"),
    ],
)
def test_circles_are_refused_and_named(store: Store, edges: list[str], closing: str, way: str) -> None:
    async def main() -> None:
        world = await World(store).make()
        await tree(world, *edges)
        outer, inner = (f"{name}@{DOMAIN}" for name in closing.split())
        with pytest.raises(GroupCycle) as refused:
            await provision.nest(store, outer, inner)
        assert str(refused.value).replace(f"@{DOMAIN}", "").endswith(way)

    run(main())


def test_where_mail_goes(store: Store) -> None:
    """Every group below, each once; a member of an inner group may write to the outer, others not."""

    async def main() -> None:
        world = await World(store).make("anna", "bob")
        boxes = await tree(world, "a b", "a c", "b d", "c d")
        for name in "abcd":
            await provision.set_policy(store, f"{name}@{DOMAIN}", PostPolicy.MEMBERS)
        await provision.join(store, f"d@{DOMAIN}", world.owner("anna"), now=NOW)
        router = Router(store, (DOMAIN,))
        found = await router.route("a", world.people["anna"])
        assert found[0] == Target(SYSTEM_OWNER, boxes["a"], source=True)
        assert set(found[1:]) == {Target(SYSTEM_OWNER, boxes[name], source=True, nested=True) for name in "bcd"}
        assert len(found) == 4
        with pytest.raises(NotAllowed):
            await router.route("a", world.people["bob"])
        await provision.unnest(store, f"b@{DOMAIN}", f"d@{DOMAIN}")
        with pytest.raises(NoSuchAddress):
            await provision.unnest(store, f"b@{DOMAIN}", f"d@{DOMAIN}")
        assert set(await store.run(nesting.below, boxes["a"])) == {boxes[name] for name in "bcd"}
        await provision.delete_group(store, f"c@{DOMAIN}")
        assert await store.run(nesting.below, boxes["a"]) == [boxes["b"]]
        assert await store.run(nesting.members, boxes["c"]) == []

    run(main())
