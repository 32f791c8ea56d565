"""Annotations (RFC 5464): who sees which, how many there may be, and that they end with their box."""

import threading

import pytest

from opostd.model.errors import LimitReached, NoSuchBox, TooManyAnnotations
from opostd.model.ids import BoxId
from opostd.store import annotations, boxes, provision
from opostd.store.annotations import MAX_ENTRIES, SERVER, Place
from opostd.store.run import Store
from tests.store.world import NOW, World, run


def test_private_and_shared(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob")
        owner, inbox = world.key("anna")
        mine, others = Place(owner, inbox, owner), Place(owner, inbox, world.owner("bob"))
        await store.run(annotations.store, mine, [("/private/a", b"1"), ("/shared/a", b"2"), ("/private/b", b"\0\xff")])
        await store.run(annotations.store, others, [("/private/a", b"3"), ("/private/a", b"4")])
        assert await store.run(annotations.entries, mine) == {
            "/private/a": b"1", "/private/b": b"\0\xff", "/shared/a": b"2"
        }  # fmt: skip
        assert await store.run(annotations.entries, others) == {"/private/a": b"4", "/shared/a": b"2"}
        await store.run(annotations.store, others, [("/shared/a", b""), ("/private/a", None), ("/private/c", None)])
        assert await store.run(annotations.entries, others) == {"/shared/a": b""}
        assert (await store.run(annotations.entries, mine))["/shared/a"] == b""
        bobs = Place(*world.key("bob"), world.owner("bob"))
        assert await store.run(annotations.entries, bobs) == {}

    run(main())


def test_the_server(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob")
        anna, bob = (Place(world.owner(name), SERVER, world.owner(name)) for name in ("anna", "bob"))
        await store.run(annotations.store, anna, [("/private/a", b"1"), ("/shared/a", b"2")])
        assert await store.run(annotations.entries, anna) == {"/private/a": b"1", "/shared/a": b"2"}
        assert await store.run(annotations.entries, bob) == {"/shared/a": b"2"}
        login = world.people["anna"].login
        await provision.delete_user(store, login)
        again = await provision.add_user(store, login, secret=None, now=NOW)
        assert await store.run(annotations.entries, Place(again.owner, SERVER, again.owner)) == {"/shared/a": b"2"}

    run(main())


def test_too_many_is_none_at_all(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        owner, inbox = world.key("anna")
        place = Place(owner, inbox, owner)
        full = [(f"/private/{number}", b"x") for number in range(MAX_ENTRIES)]
        await store.run(annotations.store, place, full)
        with pytest.raises(TooManyAnnotations):
            await store.run(
                annotations.store, place, [("/shared/a", b"y"), ("/private/0", b"y"), ("/private/new", b"y")]
            )
        assert await store.run(annotations.entries, place) == dict(full)
        await store.run(annotations.store, place, [("/private/0", None), ("/private/new", b"y"), ("/shared/a", b"y")])
        assert len(await store.run(annotations.entries, place)) == MAX_ENTRIES + 1

    run(main())


def test_they_end_with_their_box(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        owner = world.owner("anna")
        made = await store.run(boxes.create, owner, "a", "", NOW)
        place = Place(owner, made.box, owner)
        await store.run(annotations.store, place, [("/private/a", b"x"), ("/shared/a", b"x")])
        await store.run(boxes.rename, owner, "a", "b", NOW)
        assert len(await store.run(annotations.entries, place)) == 2
        await store.run(boxes.delete, owner, "b")
        assert await store.run(annotations.entries, place) == {}
        for gone in (place, Place(owner, BoxId(7), owner)):
            with pytest.raises(NoSuchBox):
                await store.run(annotations.store, gone, [("/private/a", b"x")])

    run(main())


@pytest.mark.parametrize("server", [False, True])
def test_two_writers(store: Store, server: bool) -> None:
    """The last value counts, none fails, and there are not more than there may be."""
    world = World(store)
    run(world.make("anna"))
    owner, inbox = world.key("anna")
    place = Place(owner, SERVER if server else inbox, owner)
    errors: list[Exception] = []
    refused: list[int] = []

    def work(writer: int) -> None:
        for number in range(0, MAX_ENTRIES, 10):
            new = [(f"/private/{writer}/{number + at}", b"x") for at in range(10)]
            try:
                store.run_sync(annotations.store, place, [("/private/same", b"%d" % writer), *new])
            except TooManyAnnotations:
                refused.append(writer)
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(refused) == 11
    found = store.run_sync(annotations.entries, place)
    assert len(found) == 91
    assert found["/private/same"] in (b"0", b"1")


def test_what_has_changed_is_found_by_marks_and_not_where_there_is_too_much(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        owner, box = world.key("anna")
        place, server = Place(owner, box, owner), Place(owner, annotations.SERVER, owner)
        assert await store.run(annotations.marks, owner) == {}
        await store.run(annotations.store, place, [("/shared/a", b"1"), ("/private/b", b"")])
        await store.run(annotations.store, server, [("/private/c", b"1"), ("/shared/d", b"1")])
        first = await store.run(annotations.marks, owner)
        nobody = annotations.SERVER
        assert set(first) == {(box, "/shared/a"), (box, "/private/b"), (nobody, "/private/c"), (nobody, "/shared/d")}
        await store.run(annotations.store, place, [("/shared/a", b"2")])
        second = await store.run(annotations.marks, owner)
        assert [key for key in first if first[key] != second[key]] == [(box, "/shared/a")]
        big = b"x" * annotations.MAX_OCTETS
        for number in range(annotations.MAX_MARKED_OCTETS // annotations.MAX_OCTETS):
            await store.run(annotations.store, place, [(f"/shared/{number}", big)])
        with pytest.raises(LimitReached):
            await store.run(annotations.marks, owner)

    run(main())
