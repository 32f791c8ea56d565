"""History, other boxes, several subscriptions of one source: each post once, and nothing that was deleted comes back."""

import pytest

from opostd.model.errors import NoSuchAddress
from opostd.model.ids import Uid
from opostd.model.new_ids import new_post_id
from opostd.store import boxes, moves, provision, sources, subscriptions
from opostd.store.newcomers import START, From
from opostd.store.run import Store
from tests.store.world import DOMAIN, NOW, World, run

TEAM = f"team@{DOMAIN}"


@pytest.mark.parametrize(
    ("since", "first"),
    [
        (START, 0),
        (From(uid=Uid(3)), 3),
        (From(date=NOW + 40), 4),
        (From(date=NOW + 99), 6),
        (From(), 6),
        (From(uid=Uid(77)), 6),
    ],
)
def test_a_newcomer_with_history(store: Store, since: From, first: int) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team")
        ids = [new_post_id() for _ in range(7)]
        for number, post in enumerate(ids[:6]):
            await world.send(team, post, date=NOW + 10 * number)
        owner = world.owner("anna")
        assert await provision.subscribe(store, TEAM, owner, since=since, now=NOW) == 6 - first
        await world.send(team, ids[6])
        assert await world.look("anna") == ids[first:]

    run(main())


def test_history_asked_for_later(store: Store) -> None:
    """Only what was before the join point: what the reader has deleted since does not come back, again is nothing."""

    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team")
        ids = [new_post_id() for _ in range(1203)]
        for at in range(0, 1200, 500):
            await world.send(team, *ids[at : at + 500][: 1200 - at])
        owner = world.owner("anna")
        await provision.join(store, TEAM, owner, now=NOW)
        await world.send(team, *ids[1200:])
        assert await world.look("anna") == ids[1200:]
        await store.run(moves.expunge, *world.key("anna"), [Uid(2)], False)
        assert await provision.subscribe(store, TEAM, owner, since=From(uid=Uid(100)), now=NOW) == 1100
        found = await world.look("anna")
        assert found == [ids[1200], ids[1202], *ids[700:1200], *ids[200:700], *ids[100:200]]
        for since in (From(uid=Uid(100)), From(uid=Uid(600)), From()):
            assert await provision.subscribe(store, TEAM, owner, since=since, now=NOW) == 0
        assert await provision.subscribe(store, TEAM, owner, since=START, now=NOW) == 100
        assert sorted(await world.look("anna")) == sorted([*ids[:1201], ids[1202]])

    run(main())


def test_into_two_boxes(store: Store) -> None:
    """Each has it once; the box is made, and shown by mail programs; the last that ends is the end of membership."""

    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team", "anna")
        owner = world.owner("anna")
        await provision.subscribe(store, TEAM, owner, box="Lists/team", since=START, now=NOW)
        lists = await store.run(boxes.box_named, owner, "Lists/team")
        assert "Lists/team" in await store.run(boxes.lsub_names, owner)
        post = new_post_id()
        await world.send(team, post)
        assert await provision.subscribe(store, TEAM, owner, box="Lists/team", now=NOW) == 1
        assert await world.look("anna") == await world.posts_in(owner, lists.box) == [post]
        await provision.unsubscribe(store, TEAM, owner, "INBOX", NOW)
        assert await store.run(sources.targets, owner, team) == [lists.box]
        assert [each.address for each in await store.run(sources.members, team)] == [f"anna@{DOMAIN}"]
        with pytest.raises(NoSuchAddress):
            await provision.unsubscribe(store, TEAM, owner, "INBOX", NOW)
        await provision.unsubscribe(store, TEAM, owner, "Lists/team", NOW)
        assert await store.run(sources.members, team) == []

    run(main())


def test_moved_to_another_box(store: Store) -> None:
    """What was posted before the move is where it was to go, what comes after is in the new box, nothing twice."""

    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team", "anna")
        owner = world.owner("anna")
        ids = [new_post_id() for _ in range(702)]
        await world.send(team, *ids[:400])
        await world.send(team, *ids[400:701])
        await provision.move_subscription(store, TEAM, owner, "Lists/team", NOW)
        lists = await store.run(boxes.box_named, owner, "Lists/team")
        await world.send(team, ids[701])
        await provision.move_subscription(store, TEAM, owner, "Lists/team", NOW)
        (each,) = [each for each in await store.run(subscriptions.of_owner, owner) if each.source == team]
        assert (each.target, each.joined, (await store.run(subscriptions.pending, each))[0]) == (lists.box, 0, 1)
        assert await provision.subscribe(store, TEAM, owner, box="lists/TEAM", now=NOW) == 0
        assert await world.look("anna") == ids[:701]
        assert await provision.subscribe(store, TEAM, owner, box="Lists/team", now=NOW) == 1
        assert await world.posts_in(owner, lists.box) == ids[701:]
        await provision.leave(store, TEAM, owner, NOW)
        with pytest.raises(NoSuchAddress):
            await provision.move_subscription(store, TEAM, owner, "Lists/team", NOW)

    run(main())
