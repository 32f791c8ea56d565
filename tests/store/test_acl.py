"""Access control lists in the store: who is meant, what goes when somebody goes, two who change at once (RFC 4314)."""

import asyncio
import threading

import pytest

from opostd.model.errors import BadBoxName, BoxExists, LacksRight, LimitReached, NoSuchBox, Refused
from opostd.model.flags import ANSWERED, DELETED, SEEN, FlagScope
from opostd.model.ids import BoxId, OwnerId, Uid
from opostd.model.records import Box, Quota
from opostd.model.rights import ANYONE, NO_RIGHTS, Change, Grantee, GranteeKind, Rights, letters_of, rights_of
from opostd.store import accounts, acl, boxes, changes, delivery, moves, provision, quota, replace, shared
from opostd.store.names import level_of
from opostd.store.run import Group, Store, Tx, reads
from tests.store.world import DOMAIN, NOW, World, a_delivery, run


class Shares(World):
    async def box(self, name: str, owner: str = "anna") -> Box:
        return await self.store.run(boxes.create, self.owner(owner), name, "", NOW)

    def person(self, name: str) -> Grantee:
        return Grantee(GranteeKind.PERSON, self.owner(name))

    async def give(self, box: Box, grantee: Grantee, letters: str, how: Change = Change.REPLACE) -> None:
        await self.store.run(acl.change, box.owner, box.box, grantee, how, rights_of(letters))

    async def has(self, name: str, box: Box) -> str:
        return letters_of(await self.store.run(acl.rights, self.owner(name), box.owner, box.box))

    async def sees(self, name: str) -> list[str]:
        return sorted(each.name for each in await self.store.run(shared.visible, self.owner(name)))


def test_people_groups_and_anyone(store: Store) -> None:
    async def main() -> None:
        world = Shares(store)
        await world.make("anna", "bob", "cara")
        box = await world.box("Plans")
        team, company = await world.group("team", "bob"), await world.group("company", "cara")
        await world.give(box, world.person("bob"), "l")
        await world.give(box, Grantee(GranteeKind.GROUP, team), "rs")
        await world.give(box, Grantee(GranteeKind.GROUP, company), "w")
        await world.give(box, ANYONE, "i")
        assert [await world.has(name, box) for name in ("anna", "bob", "cara")] == ["lrswipkxtecda", "lrsi", "wi"]
        await provision.nest(store, f"company@{DOMAIN}", f"team@{DOMAIN}")
        assert await world.has("bob", box) == "lrswi"
        await store.run(acl.change, box.owner, box.box, world.person("bob"), Change.ADD, Rights.WRITE, denied=True)
        await store.run(acl.change, box.owner, box.box, ANYONE, Change.ADD, Rights.SEEN, denied=True)
        assert await world.has("bob", box) == "lri"
        assert [(each.name, letters_of(each.granted), letters_of(each.denied)) for each in await store.run(
            acl.named, box.owner, box.box
        )] == [
            ("anyone", "i", "s"), (f"bob@{DOMAIN}", "l", "w"), (f"company@{DOMAIN}", "w", ""), (f"team@{DOMAIN}", "rs", "")
        ]  # fmt: skip
        assert await world.sees("bob") == [f"Shared/anna@{DOMAIN}/Plans"]
        assert await world.sees("cara") == await world.sees("anna") == []
        await provision.leave(store, f"team@{DOMAIN}", world.owner("bob"), NOW)
        assert await world.has("bob", box) == "li"

    run(main())


def test_who_gets_an_address_after_somebody_gets_none_of_their_rights(store: Store) -> None:
    async def main() -> None:
        world = Shares(store)
        await world.make("anna", "bob")
        box, team = await world.box("Plans"), await world.group("team", "bob")
        await world.give(box, world.person("bob"), "lr")
        await world.give(box, Grantee(GranteeKind.GROUP, team), "lrs")
        await provision.delete_user(store, f"bob@{DOMAIN}")
        await provision.delete_group(store, f"team@{DOMAIN}")
        assert await store.run(acl.named, box.owner, box.box) == []
        await world.make("bob")
        await world.group("team", "bob")
        assert await world.has("bob", box) == ""
        assert await world.sees("bob") == []

    run(main())


def test_what_a_box_is_shared_with_goes_with_it(store: Store) -> None:
    """DELETE deletes the list (RFC 4314 4), and so does whoever deletes the owner."""

    async def main() -> None:
        world = Shares(store)
        await world.make("anna", "bob")
        for name in ("Plans", "Plans/a", "Other"):
            await world.give(await world.box(name), world.person("bob"), "lr")
        assert len(await store.run(acl.boxes_naming, world.person("bob"))) == 3
        await store.run(boxes.delete, world.owner("anna"), "Plans/a")
        assert await world.sees("bob") == [f"Shared/anna@{DOMAIN}/{name}" for name in ("Other", "Plans")]
        again = await world.box("Plans/a")  # inherits from Plans
        assert await world.has("bob", again) == "lr"
        await world.give(again, world.person("bob"), "")
        assert await world.sees("bob") == [f"Shared/anna@{DOMAIN}/{name}" for name in ("Other", "Plans")]
        await provision.delete_user(store, f"anna@{DOMAIN}")
        assert await world.sees("bob") == []
        assert await store.run(acl.boxes_naming, world.person("bob")) == []

    run(main())


def test_rename_keeps_lists_and_new_levels_inherit(store: Store) -> None:
    async def main() -> None:
        world = Shares(store)
        await world.make("anna", "bob")
        top, moved = await world.box("top"), await world.box("moved")
        await world.give(top, world.person("bob"), "lrk")
        await store.run(boxes.rename, moved.owner, "moved", "top/a/b", NOW)
        assert await world.has("bob", moved) == ""
        assert await world.has("bob", await store.run(boxes.box_named, top.owner, "top/a")) == "lrkc"
        made = await store.run(shared.create, world.owner("bob"), f"Shared/anna@{DOMAIN}/top/x/y", NOW)
        assert (made.owner, made.name) == (world.owner("anna"), "top/x/y")
        for bad in ("top/a/b/c", "new"):  # the nearest above is hidden; there is none above
            with pytest.raises(NoSuchBox):
                await store.run(shared.create, world.owner("bob"), f"Shared/anna@{DOMAIN}/{bad}", NOW)
        with pytest.raises(BadBoxName):
            await store.run(boxes.create, world.owner("bob"), "Shared/x", "", NOW)
        with pytest.raises(LacksRight):
            await store.run(shared.delete, world.owner("bob"), f"Shared/anna@{DOMAIN}/top/x/y")

    run(main())


def test_two_who_change_one_entry_both_count(store: Store) -> None:
    world = Shares(store)
    asyncio.run(_made(world, "anna", "bob"))
    box = asyncio.run(world.box("Plans"))
    bob, start = world.person("bob"), threading.Barrier(8)

    def add(letter: str) -> None:
        start.wait()
        store.run_sync(acl.change, box.owner, box.box, bob, Change.ADD, rights_of(letter))

    threads = [threading.Thread(target=add, args=(letter,)) for letter in "lrswipte"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert letters_of(store.run_sync(acl.rights, world.owner("bob"), box.owner, box.box)) == "lrswipted"
    assert store.run_sync(boxes.box_by_id, box.owner, box.box).highestmodseq == box.highestmodseq + 8


async def _made(world: World, *names: str) -> None:
    await world.make(*names)


def test_many_entries(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(acl, "MAX_ENTRIES", 2)
        world = Shares(store)
        await world.make("anna", "bob", "cara", "dora")
        box = await world.box("Plans")
        await world.give(box, world.person("bob"), "l")
        await world.give(box, world.person("cara"), "l")
        await world.give(box, world.person("bob"), "lr")
        with pytest.raises(LimitReached):
            await world.give(box, world.person("dora"), "l")
        await world.give(box, world.person("dora"), "")
        await world.give(box, world.person("cara"), "")
        await world.give(box, world.person("dora"), "l")
        with pytest.raises(NoSuchBox):
            await store.run(acl.change, box.owner, BoxId(1), world.person("bob"), Change.ADD, Rights.READ)

    run(main())


def test_boxes_for_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's list is filled by another without end; a new box below counts too."""

    async def main() -> None:
        monkeypatch.setattr(acl, "MAX_BOXES_TO_ONE", 2)
        world = Shares(store)
        await world.make("anna", "bob", "cara")
        team = Grantee(GranteeKind.GROUP, await world.group("team", "bob"))
        for grantee in (world.person("bob"), team, ANYONE):
            for name in ("a", "b"):
                box = await world.box(name)
                await world.give(box, grantee, "l")
                await world.give(box, grantee, "lr")
            for refused in (world.box("b/c"), world.give(await world.box("c"), grantee, "l")):
                with pytest.raises(LimitReached):
                    await refused
            await world.give(await world.box("d", "cara"), grantee, "l")
            await store.run(boxes.delete, world.owner("cara"), "d")
            for name in ("a", "b", "c"):
                await store.run(boxes.delete, world.owner("anna"), name)

    run(main())


def test_what_groups_of_others_are_given_is_not_looked_at(store: Store) -> None:
    """A reader reads no row of a group that is none of theirs, whatever their number."""

    async def main() -> None:
        world = Shares(store)
        await world.make("anna", "bob", "cara")
        team = Grantee(GranteeKind.GROUP, await world.group("team", "cara"))
        mine = Grantee(GranteeKind.GROUP, await world.group("mine", "bob"))
        for number in range(5):
            await world.give(await world.box(f"b{number}"), team, "lr")
        await world.give(await world.box("mine"), mine, "lr")
        assert len(await world.sees("cara")) == 5
        assert await store.run(candidates, world.owner("bob")) == 1
        await provision.delete_group(store, f"mine@{DOMAIN}")
        assert await world.sees("bob") == []
        assert await store.run(candidates, world.owner("bob")) == 0

    run(main())


@reads(Group.OWNER)
def candidates(tx: Tx, reader: OwnerId) -> int:
    return len(shared._candidates(tx, reader))


def test_trees_that_are_nobodys(store: Store) -> None:
    async def main() -> None:
        world = Shares(store)
        await world.make("anna")
        for bad in ("a/b", "a@b", "INBOX", "inbox", "Shared", "", "a*", ".."):
            with pytest.raises(BadBoxName):
                await store.run(shared.add_tree, bad, NOW)
        box = await store.run(shared.add_tree, "Räte", NOW)
        with pytest.raises(BoxExists):
            await store.run(shared.add_tree, "Räte", NOW)
        await world.give(box, world.person("anna"), "lrkx")
        inner = await store.run(shared.create, world.owner("anna"), "Shared/Räte/2026", NOW)
        assert await world.sees("anna") == ["Shared/Räte", "Shared/Räte/2026"]
        assert [each.login for each in await store.run(accounts.accounts)] == [f"anna@{DOMAIN}"]
        for name, new in (("Räte", "Shared/Räte/x"), ("Räte/2026", "Shared/other"), ("Räte/2026", "mine")):
            with pytest.raises(Refused):
                await store.run(shared.rename, world.owner("anna"), f"Shared/{name}", new, NOW)
        await store.run(shared.rename, world.owner("anna"), "Shared/Räte/2026", "Shared/Räte/a/2026", NOW)
        assert await world.sees("anna") == ["Shared/Räte", "Shared/Räte/a", "Shared/Räte/a/2026"]
        await store.run(shared.remove_tree, "Räte")
        with pytest.raises(NoSuchBox):
            await store.run(shared.remove_tree, "Räte")
        with pytest.raises(NoSuchBox):
            await store.run(boxes.box_by_id, inner.owner, inner.box)
        assert await store.run(shared.trees) == []
        assert await world.sees("anna") == []

    run(main())


@pytest.mark.parametrize(
    ("login", "level"),
    [("anna@x.example", "anna@x.example"), ("a/b@x", "a=2Fb@x"), ("a=2Fb@x", "a=3D2Fb@x"), ("*%@x", "=2A=25@x")],
)
def test_logins_as_levels(store: Store, login: str, level: str) -> None:
    assert level_of(login) == level

    async def main() -> None:
        world = Shares(store)
        await world.make("bob", login.rpartition("@")[0])
        box = await world.box("Plans", login.rpartition("@")[0])
        await world.give(box, world.person("bob"), "l")
        (name,) = await world.sees("bob")
        assert name == f"Shared/{level_of(login.rpartition('@')[0])}@{DOMAIN}/Plans"
        assert (await store.run(shared.found, world.owner("bob"), name)).box.box == box.box

    run(main())


def test_between_the_boxes_of_two(store: Store) -> None:
    """COPY, MOVE and REPLACE take a scope of flags with them, and charge who has them (RFC 9208)."""

    async def main() -> None:
        world = Shares(store)
        await world.make("anna", "bob")
        (anna, her), (bob, his) = world.key("anna"), world.key("bob")
        posts = await world.fill("anna", 3, SEEN | DELETED | ANSWERED, ("a", "b"))
        scope = FlagScope(SEEN, False)
        copied = await store.run(
            moves.copy, anna, her, his, [Uid(1), Uid(3)], NOW + 5, Quota(0, 2), target_owner=bob, scope=scope
        )
        assert copied.pairs == ((1, 1), (3, 2))
        rows = (await store.run(changes.listing, bob, his)).rows
        assert [(row.post, row.bits, row.keywords, row.savedate) for row in rows] == [
            (posts[0], SEEN, (), NOW + 5), (posts[2], SEEN, (), NOW + 5)
        ]  # fmt: skip
        with pytest.raises(Refused):  # bob is full
            await store.run(moves.move, anna, her, his, [Uid(2)], NOW, Quota(0, 2), target_owner=bob)
        assert len(await world.posts_in(anna, her)) == 3
        await store.run(moves.move, anna, her, his, [Uid(2)], NOW, Quota(0, 3), target_owner=bob)
        assert await world.posts_in(anna, her) == [posts[0], posts[2]]
        assert await world.posts_in(bob, his) == [posts[0], posts[2], posts[1]]
        new = a_delivery()
        await store.run(replace.replace, anna, her, Uid(1), his, new, NOW, target_owner=bob)
        assert await world.posts_in(anna, her) == [posts[2]]
        assert (await world.posts_in(bob, his))[-1] == new.post
        assert await store.run(quota.differences, anna) == await store.run(quota.differences, bob) == []

    run(main())


def test_moves_that_cross_do_not_wait_for_each_other(store: Store) -> None:
    """Locks in the order of (owner, box), whichever way a message goes."""
    world = Shares(store)
    asyncio.run(_made(world, "anna", "bob"))
    here, there = world.key("anna"), world.key("bob")
    for owner, box in (here, there):
        store.run_sync(delivery.deliver, owner, box, [a_delivery() for _ in range(10)], NOW)
    start = threading.Barrier(2)

    def move(source: tuple[OwnerId, BoxId], target: tuple[OwnerId, BoxId]) -> None:
        start.wait()
        for uid in range(1, 11):
            store.run_sync(moves.move, *source, target[1], [Uid(uid)], NOW, target_owner=target[0])

    threads = [threading.Thread(target=move, args=way) for way in ((here, there), (there, here))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key in (here, there):
        uids = [row.uid for row in store.run_sync(changes.listing, *key).rows]
        assert uids == list(range(11, 21))


def test_nobody_is_refused_in_two_ways() -> None:
    with pytest.raises(NoSuchBox):
        shared.refuse(NO_RIGHTS)
    with pytest.raises(NoSuchBox):
        shared.demand(Rights.READ | Rights.ADMIN, Rights.INSERT)
    with pytest.raises(LacksRight):
        shared.demand(Rights.LOOKUP, Rights.INSERT)
    shared.demand(Rights.INSERT, Rights.INSERT)
