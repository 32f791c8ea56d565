"""Boxes and names subscribed to (RFC 9051 6.3.4 to 6.3.8); names that cannot be (security.md 1.5)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.model.errors import BadBoxName, BoxExists, LimitReached, NoSuchBox, NotAllowed, Refused
from opostd.model.ids import OwnerId, Uid
from opostd.store import boxes, changes, names
from opostd.store.run import Store
from tests.store.world import NOW, World, run

BAD_NAMES = [
    "Gru\u0308n",  # not in NFC
    "", "/", "a//b", "/a", "a/", "a*b", "a%b", "a\nb", "a\0b", "a\x7fb", "\x85", "..", "a/../b", ".", "\ud800",
    "x" * 256, "é" * 128, "/".join("a" * 21), "/".join(["x" * 200] * 6), "a\u2028b",
]  # fmt: skip
GOOD_NAMES = [
    "Entwürfe", "a/b/c", "x" * 255, "/".join("a" * 20), "日本語", ".hidden", "a..b", "it's \"quoted\" \\ back", "_",
    "🦉", "Lists/team@opost.example", "#news",
]  # fmt: skip


def test_default_boxes(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        found = await store.run(boxes.boxes, world.owner("anna"))
        assert {(box.name, box.role) for box in found} == set(boxes.DEFAULT_BOXES)
        assert set(await store.run(boxes.lsub_names, world.owner("anna"))) == {name for name, _ in boxes.DEFAULT_BOXES}
        assert len({box.uidvalidity for box in found}) == len(found)
        assert all((box.uidnext, box.highestmodseq) == (1, 1) for box in found)

    run(main())


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_bad_names(name: str) -> None:
    with pytest.raises(BadBoxName):
        names.check(name)


def test_names_of_the_store(store: Store) -> None:
    """Good names are made, found, renamed and deleted; bad ones are nobody's, whatever is asked of them."""

    async def main() -> None:
        world = await World(store).make("anna")
        owner = world.owner("anna")
        for name in GOOD_NAMES:
            assert (await store.run(boxes.create, owner, name)).name == name
            assert (await store.run(boxes.box_named, owner, name)).name == name
        for name in BAD_NAMES:
            for verb in (boxes.create, boxes.lsub_add):
                with pytest.raises(BadBoxName):
                    await store.run(verb, owner, name)
            with pytest.raises((BadBoxName, BoxExists)):
                await store.run(boxes.rename, owner, "Sent", name)
            for verb in (boxes.box_named, boxes.delete):
                with pytest.raises(NoSuchBox):
                    await store.run(verb, owner, name)
            with pytest.raises(NoSuchBox):
                await store.run(boxes.rename, owner, name, "Other")
            await store.run(boxes.lsub_remove, owner, name)

    run(main())


@given(st.text())
def test_a_name_is_checked_or_refused(name: str) -> None:
    try:
        names.check(names.canonical(name))
    except BadBoxName:
        return
    assert len(name.encode()) <= names.MAX_OCTETS
    assert not set(name) & set("*%\0\r\n")
    assert all(level not in ("", ".", "..") for level in name.split("/"))


@pytest.mark.parametrize("name", ["inbox", "INBOX", "InBox"])
def test_inbox_in_any_case(store: Store, name: str) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        assert (await store.run(boxes.box_named, world.owner("anna"), name)).box == world.inbox["anna"]
        with pytest.raises(BoxExists):
            await store.run(boxes.create, world.owner("anna"), name)
        with pytest.raises(NotAllowed):
            await store.run(boxes.delete, world.owner("anna"), name)
        assert (await store.run(boxes.create, world.owner("anna"), f"{name}/below")).name == "INBOX/below"

    run(main())


def test_others_boxes_are_not_there(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob")
        await store.run(boxes.create, world.owner("bob"), "private")
        with pytest.raises(NoSuchBox):
            await store.run(boxes.box_named, world.owner("anna"), "private")
        with pytest.raises(NoSuchBox):
            await store.run(boxes.box_by_id, world.owner("anna"), world.inbox["bob"])
        with pytest.raises(NoSuchBox):
            await store.run(boxes.status, world.owner("anna"), world.inbox["bob"])

    run(main())


def test_create_makes_what_is_above(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        owner = world.owner("anna")
        await store.run(boxes.create, owner, "a/b/c")
        assert {"a", "a/b", "a/b/c"} <= {box.name for box in await store.run(boxes.boxes, owner)}
        with pytest.raises(BoxExists):
            await store.run(boxes.create, owner, "a/b")

    run(main())


def test_a_role_once(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        with pytest.raises(BoxExists):
            await store.run(boxes.create, world.owner("anna"), "Other", "Sent")
        await store.run(boxes.delete, world.owner("anna"), "Sent")
        assert (await store.run(boxes.create, world.owner("anna"), "Other", "Sent")).role == "Sent"

    run(main())


def test_uidvalidity_never_comes_back(store: Store) -> None:
    """However often a box is deleted and made anew, and wherever the clock goes."""

    async def main() -> None:
        world = await World(store).make("anna")
        owner, seen = world.owner("anna"), []
        for now in (NOW, NOW, NOW - 3600, NOW + 5, NOW + 5, NOW - 10**6):
            seen.append((await store.run(boxes.create, owner, "again", "", now)).uidvalidity)
            await store.run(boxes.delete, owner, "again")
        assert all(before < after for before, after in pairwise(seen))

    run(main())


def test_delete_keeps_what_is_below_and_the_subscription(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        owner = world.owner("anna")
        await store.run(boxes.create, owner, "a/b")
        await store.run(boxes.lsub_add, owner, "a")
        await store.run(boxes.delete, owner, "a")
        assert {box.name for box in await store.run(boxes.boxes, owner)} & {"a", "a/b"} == {"a/b"}
        assert "a" in await store.run(boxes.lsub_names, owner)
        with pytest.raises(NoSuchBox):
            await store.run(boxes.delete, owner, "a")

    run(main())


def test_delete_leaves_no_rows(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        owner = world.owner("anna")
        box = await store.run(boxes.create, owner, "gone")
        from opostd.store import moves

        await world.fill("anna", 5)
        await store.run(moves.move, *world.key("anna"), box.box, [Uid(uid) for uid in range(1, 6)], NOW)
        await store.run(moves.expunge, owner, box.box, [Uid(1)], False)
        await store.run(boxes.delete, owner, "gone")
        with pytest.raises(NoSuchBox):
            await store.run(changes.listing, owner, box.box)
        again = await store.run(boxes.create, owner, "gone")
        assert (await store.run(boxes.status, owner, again.box)).messages == 0

    run(main())


def test_rename_takes_along_what_is_below(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        owner = world.owner("anna")
        for name in ("a/b/c", "ab", "a%b_"[:1] + "_"):
            await store.run(boxes.create, owner, name)
        for name in ("a/b", "a/unmade", "ab"):
            await store.run(boxes.lsub_add, owner, name)
        before = {box.name: box for box in await store.run(boxes.boxes, owner)}
        await store.run(boxes.rename, owner, "a", "x/y")
        after = {box.name: box for box in await store.run(boxes.boxes, owner)}
        assert {"x", "x/y", "x/y/b", "x/y/b/c", "ab", "a_"} <= after.keys()
        assert not {"a", "a/b", "a/b/c"} & after.keys()
        assert after["x/y/b"].box == before["a/b"].box
        assert after["x/y/b"].uidvalidity == before["a/b"].uidvalidity
        assert {"x/y/b", "x/y/unmade", "ab"} <= set(await store.run(boxes.lsub_names, owner))

    run(main())


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("nothing", "x", NoSuchBox),
        ("a", "Sent", BoxExists),
        ("a", "inbox", BoxExists),
        ("a", "a", BoxExists),
        ("a", "a/b/deeper", BadBoxName),
        ("a", "c", BoxExists),  # c/b is there: a/b would become it
        ("a", "b*", BadBoxName),
        ("INBOX", "Sent", BoxExists),
    ],
)
def test_rename_refused(store: Store, old: str, new: str, error: type[Refused]) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        owner = world.owner("anna")
        for name in ("a/b", "c/b"):
            await store.run(boxes.create, owner, name)
        await store.run(boxes.delete, owner, "c")
        before = await store.run(boxes.boxes, owner)
        with pytest.raises(error):
            await store.run(boxes.rename, owner, old, new)
        assert await store.run(boxes.boxes, owner) == before

    run(main())


def test_rename_inbox_moves_its_messages(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        owner = world.owner("anna")
        source = await world.group("team", "anna")
        posts = await world.fill("anna", 1200, keywords=("kept",))
        await store.run(boxes.rename, owner, "inbox", "old/mail")
        inbox = await store.run(boxes.box_named, owner, "INBOX")
        old = await store.run(boxes.box_named, owner, "old/mail")
        assert (inbox.box, await world.posts_in(owner, inbox.box)) == (world.inbox["anna"], [])
        assert await world.posts_in(owner, old.box) == posts
        assert (await store.run(changes.listing, owner, old.box)).rows[0].keywords == ("kept",)
        assert len((await store.run(changes.changes, owner, inbox.box, 1)).gone) == 1200
        await world.send(source, posts[0])
        assert len(await world.look("anna")) == 1  # its subscriptions stay with INBOX

    run(main())


def test_limits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes, "MAX_BOXES", 8)
    monkeypatch.setattr(boxes, "MAX_LSUB", 7)

    async def main() -> None:
        world = await World(store).make("anna")
        owner = world.owner("anna")
        with pytest.raises(LimitReached):
            await store.run(boxes.create, owner, "a/b/c")
        await store.run(boxes.create, owner, "a/b")
        with pytest.raises(LimitReached):
            await store.run(boxes.create, owner, "c")
        await store.run(boxes.lsub_add, owner, "a")
        with pytest.raises(LimitReached):
            await store.run(boxes.lsub_add, owner, "b")

    run(main())


def test_a_subscription_twice(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        owner = world.owner("anna")
        for _ in range(2):
            await store.run(boxes.lsub_add, owner, "nowhere")
        await store.run(boxes.lsub_add, owner, "iNbOx")
        found = await store.run(boxes.lsub_names, owner)
        assert found.count("nowhere") == found.count("INBOX") == 1
        for _ in range(2):
            await store.run(boxes.lsub_remove, owner, "nowhere")
        assert "nowhere" not in await store.run(boxes.lsub_names, owner)

    run(main())


def test_nobodys_boxes(store: Store) -> None:
    assert store.run_sync(boxes.boxes, OwnerId(99)) == []
