"""Subscriptions: what is carried, once, in order, from the join point on; people and groups coming and going."""

import pytest
import sqlalchemy as sa

from opostd.model.errors import AddressTaken, NoSuchAddress, NoSuchBox
from opostd.model.flags import UNCHARGED
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, PostId, Uid
from opostd.model.new_ids import new_box_id, new_owner_id, new_post_id
from opostd.model.records import AccountState, Address, AddressKind, MemberRole, PostPolicy
from opostd.store import accounts, boxes, changes, delivery, directory, moves, provision, schema, sources, sync
from opostd.store.run import Group, Store, Tx, writes
from tests.store.world import DOMAIN, NOW, World, a_delivery, run


def ids(count: int) -> list[PostId]:
    return [new_post_id() for _ in range(count)]


def test_joined_since(store: Store) -> None:
    """Post 1, join, post 2, leave, post 3, rejoin, post 4: two and four."""

    async def main() -> None:
        world = await World(store).make("anna", "cara")
        team = await world.group("team", "anna")
        one, two, three, four = ids(4)
        group, cara = f"team@{DOMAIN}", world.owner("cara")
        await world.send(team, one)
        await provision.join(store, group, cara, now=NOW)
        await world.send(team, two)
        await provision.leave(store, group, cara, now=NOW)
        await world.send(team, three)
        await provision.join(store, group, cara, now=NOW)
        await world.send(team, four)
        assert await world.look("cara") == [two, four]
        assert await world.look("anna") == [one, two, three, four]

    run(main())


def test_joining_twice_keeps_the_first_point(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team", "anna")
        one, two = ids(2)
        await world.send(team, one)
        await provision.join(store, f"team@{DOMAIN}", world.owner("anna"), now=NOW)
        await world.send(team, two)
        assert await world.look("anna") == [one, two]

    run(main())


def test_rows_are_as_in_the_source(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team", "anna")
        (one,) = ids(1)
        await world.send(team, one, date=NOW - 77)
        assert await sync.bring_up(store, *world.key("anna"), now=NOW + 99) == 1
        (row,) = (await store.run(changes.listing, *world.key("anna"))).rows
        assert (row.internaldate, row.savedate, row.bits, row.keywords, row.size) == (
            NOW - 77,
            NOW + 99,
            UNCHARGED,
            (),
            100,
        )

    run(main())


def test_nothing_new_is_no_write(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team", "anna")
        await world.send(team, *ids(3))
        await world.look("anna")
        before = await store.run(boxes.box_by_id, *world.key("anna"))
        assert await sync.bring_up(store, *world.key("anna"), now=NOW) == 0
        assert await store.run(boxes.box_by_id, *world.key("anna")) == before
        assert await sync.bring_up(store, OwnerId(5), BoxId(5), now=NOW) == 0

    run(main())


@pytest.mark.parametrize("count", [499, 500, 501, 1203])
def test_pages(store: Store, count: int) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team", "anna")
        sent = ids(count)
        for at in range(0, count, 500):
            await world.send(team, *sent[at : at + 500])
        assert await sync.bring_up(store, *world.key("anna"), now=NOW) == count
        assert await world.posts_in(*world.key("anna")) == sent

    run(main())


def test_two_sources_and_a_direct_copy_are_one_row(store: Store) -> None:
    """A box gets a post once, however many subscriptions and recipients name it; the watermark moves all the same."""

    async def main() -> None:
        world = await World(store).make("anna")
        team, crew = await world.group("team", "anna"), await world.group("crew", "anna")
        both, direct, only = ids(3)
        await store.run(delivery.deliver, *world.key("anna"), [a_delivery(direct)], NOW)
        for source in (team, crew):
            await world.send(source, both, direct)
        await world.send(crew, only)
        found = await world.look("anna")
        assert sorted(found) == sorted([both, direct, only])
        box = await store.run(boxes.box_by_id, *world.key("anna"))
        assert await store.run(sync.behind, *world.key("anna")) is False
        assert await sync.bring_up(store, *world.key("anna"), now=NOW) == 0
        assert await store.run(boxes.box_by_id, *world.key("anna")) == box

    run(main())


def test_only_known_posts_spend_no_modseq(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team", "anna")
        (one,) = ids(1)
        await store.run(delivery.deliver, *world.key("anna"), [a_delivery(one)], NOW)
        before = await store.run(boxes.box_by_id, *world.key("anna"))
        await world.send(team, one)
        assert await sync.bring_up(store, *world.key("anna"), now=NOW) == 0
        assert await store.run(boxes.box_by_id, *world.key("anna")) == before
        assert await store.run(sync.behind, *world.key("anna")) is False

    run(main())


def test_what_left_the_source_is_not_carried(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team", "anna")
        one, two, three = ids(3)
        await world.send(team, one, two, three)
        await store.run(moves.expunge, SYSTEM_OWNER, team, [Uid(1), Uid(3)], False)
        assert await world.look("anna") == [two]
        assert await store.run(sync.behind, *world.key("anna")) is False

    run(main())


def test_expunged_by_the_reader_does_not_come_back(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        team = await world.group("team", "anna")
        await world.send(team, *ids(2))
        await world.look("anna")
        await store.run(moves.expunge, *world.key("anna"), None, False)
        assert await world.look("anna") == []

    run(main())


def test_live_behind(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob", "cara")
        team = await world.group("team", "anna", "bob")
        keys = [world.key(name) for name in ("cara", "bob", "anna")]
        assert await store.run(sync.live_behind, keys) == []
        await world.send(team, *ids(1))
        assert await store.run(sync.live_behind, keys) == [world.key("bob"), world.key("anna")]
        await world.look("bob")
        archive = await store.run(boxes.box_named, world.owner("anna"), "Archive")
        assert await store.run(sync.live_behind, [*keys, (world.owner("anna"), archive.box)]) == [world.key("anna")]
        assert await store.run(sync.live_behind, []) == []

    run(main())


@writes(Group.OWNER)
def retarget(tx: Tx, owner: OwnerId, source: BoxId, target: BoxId) -> None:
    sub = schema.subscription
    tx.execute(
        sa.update(sub).where(sub.c.owner_id == owner, sub.c.source_box == source).values(target_box=target)
    )  # fmt: skip


def test_a_subscription_into_another_box(store: Store) -> None:
    """Whatever box a source is carried into, leaving finds it; a box that is deleted takes its subscriptions along."""

    async def main() -> None:
        world = await World(store).make("anna")
        team, crew = await world.group("team", "anna"), await world.group("crew", "anna")
        owner = world.owner("anna")
        lists = await store.run(boxes.create, owner, "Lists/team")
        for source in (team, crew):
            await store.run(retarget, owner, source, lists.box)
        (one,) = ids(1)
        await world.send(team, one)
        await provision.leave(store, f"team@{DOMAIN}", owner, now=NOW)
        assert await world.posts_in(owner, lists.box) == [one]
        await store.run(boxes.delete, owner, "Lists/team")
        await world.send(crew, *ids(1))
        with pytest.raises(NoSuchBox):
            await sync_into(store, owner, lists.box)
        await provision.leave(store, f"crew@{DOMAIN}", owner, now=NOW)
        assert await world.look("anna") == []

    run(main())


async def sync_into(store: Store, owner: OwnerId, box: BoxId) -> None:
    assert await sync.bring_up(store, owner, box, now=NOW) == 0
    await store.run(sync.carry, owner, box, NOW)


# People


def test_everyone_from_now_on(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        everyone = await world.source("everyone")
        one, two = ids(2)
        await world.send(everyone, one)
        world.people["bob"] = await provision.add_user(store, f"bob@{DOMAIN}", secret="s", name="Bob", now=NOW)
        world.inbox["bob"] = (await store.run(boxes.box_named, world.owner("bob"), "INBOX")).box
        await world.send(everyone, two)
        assert await world.look("anna") == [one, two]
        assert await world.look("bob") == [two]
        policy = await store.run(provision.source, everyone)
        assert policy is not None
        assert (policy.post, policy.address) == (PostPolicy.ADMINS, f"everyone@{DOMAIN}")

    run(main())


def test_ensure_system_is_idempotent(store: Store) -> None:
    async def main() -> None:
        world = World(store)
        for _ in range(3):
            await provision.ensure_system(store, (DOMAIN, "second.example"), now=NOW)
        sources_ = await store.run(boxes.boxes, SYSTEM_OWNER)
        assert {box.name for box in sources_} == {f"everyone@{DOMAIN}", "everyone@second.example"}
        everyone = await world.source("everyone")
        await provision.set_policy(store, f"everyone@{DOMAIN}", PostPolicy.LOCAL)
        await provision.ensure_system(store, (DOMAIN,), now=NOW)
        policy = await store.run(provision.source, everyone)
        assert policy is not None
        assert policy.post is PostPolicy.LOCAL
        assert await store.run(accounts.address, f"postmaster@{DOMAIN}") is None

    run(main())


def test_an_account(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("bob")
        anna = await provision.add_user(store, f"anna@{DOMAIN}", secret="hash", name="Anna", admin=True, now=NOW)
        assert await store.run(accounts.account, anna.owner) == anna
        assert (anna.login, anna.name, anna.secret, anna.admin, anna.created) == (
            f"anna@{DOMAIN}", "Anna", "hash", True, NOW,
        )  # fmt: skip
        found = await store.run(accounts.addresses, [f"anna@{DOMAIN}", f"nobody@{DOMAIN}", f"everyone@{DOMAIN}"])
        assert found.keys() == {f"anna@{DOMAIN}", f"everyone@{DOMAIN}"}
        assert await store.run(accounts.accounts_by_owner, [anna.owner, OwnerId(5)]) == {anna.owner: anna}
        assert [each.owner for each in await store.run(provision.members, provision.ADMINISTRATORS)] == [anna.owner]
        everybody = await store.run(accounts.accounts)
        assert {each.owner for each in everybody} == {anna.owner, world.owner("bob")}
        assert await store.run(accounts.accounts, everybody[0].owner, 1) == everybody[1:]
        await store.run(accounts.set_secret, anna.owner, "new")
        await store.run(accounts.set_state, anna.owner, AccountState.DISABLED)
        changed = await store.run(accounts.account, anna.owner)
        assert changed is not None
        assert (changed.secret, changed.state) == ("new", AccountState.DISABLED)
        with pytest.raises(NoSuchAddress):
            await store.run(accounts.set_secret, OwnerId(5), "x")
        assert await store.run(accounts.account, OwnerId(5)) is None

    run(main())


def test_addresses_are_taken_once(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        await world.group("team", "anna")
        await provision.add_alias(store, f"sales@{DOMAIN}", [f"anna@{DOMAIN}"])
        for name in ("anna", "team", "sales", "everyone"):
            with pytest.raises(AddressTaken):
                await provision.add_user(store, f"{name}@{DOMAIN}", secret=None, now=NOW)
            with pytest.raises(AddressTaken):
                await provision.add_group(
                    store, f"{name}@{DOMAIN}", title="", members=[], post=PostPolicy.LOCAL, now=NOW
                )  # fmt: skip
            if name != "sales":
                with pytest.raises(AddressTaken):
                    await provision.add_alias(store, f"{name}@{DOMAIN}", [f"anna@{DOMAIN}"])
        assert len(await store.run(boxes.boxes, world.owner("anna"))) == len(boxes.DEFAULT_BOXES)

    run(main())


def test_aliases(store: Store) -> None:
    async def main() -> None:
        await World(store).make("anna", "bob")
        sales = f"sales@{DOMAIN}"
        await provision.add_alias(store, sales, [f"anna@{DOMAIN}", f"bob@{DOMAIN}"])
        await provision.add_alias(store, sales, [f"bob@{DOMAIN}"])
        found = await store.run(accounts.address, sales)
        assert found == Address(sales, OwnerId(0), AddressKind.ALIAS, BoxId(0), f"bob@{DOMAIN}")
        await provision.remove_alias(store, sales)
        assert await store.run(accounts.address, sales) is None
        for name in ("sales", "anna"):
            with pytest.raises(NoSuchAddress):
                await provision.remove_alias(store, f"{name}@{DOMAIN}")

    run(main())


def test_delete_user(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob")
        team = await world.group("team", "anna", "bob")
        (one,) = ids(1)
        await world.send(team, one)
        await world.look("anna")
        await world.fill("anna", 3)
        await provision.delete_user(store, f"anna@{DOMAIN}")
        assert await store.run(accounts.address, f"anna@{DOMAIN}") is None
        assert await store.run(accounts.account, world.owner("anna")) is None
        assert await store.run(boxes.boxes, world.owner("anna")) == []
        assert await store.run(boxes.lsub_names, world.owner("anna")) == []
        assert [member.address for member in await store.run(provision.members, team)] == [f"bob@{DOMAIN}"]
        assert await world.look("bob") == [one]
        with pytest.raises(NoSuchAddress):
            await provision.delete_user(store, f"anna@{DOMAIN}")
        with pytest.raises(NoSuchAddress):
            await provision.delete_user(store, f"team@{DOMAIN}")
        again = await provision.add_user(store, f"anna@{DOMAIN}", secret=None, now=NOW)
        assert again.owner != world.owner("anna")

    run(main())


# Groups


def test_members_and_senders(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob")
        team, addr = await world.group("team", "anna", post=PostPolicy.NAMED), f"team@{DOMAIN}"
        await provision.give_role(store, addr, world.owner("anna"), MemberRole.SENDER)
        await provision.give_role(store, addr, world.owner("bob"), MemberRole.SENDER)
        both = MemberRole.READER | MemberRole.SENDER
        assert [(each.address, each.role) for each in await store.run(provision.members, team)] == [
            (f"anna@{DOMAIN}", both), (f"bob@{DOMAIN}", MemberRole.SENDER),
        ]  # fmt: skip
        assert await store.run(provision.role, team, world.owner("anna")) == both
        assert not await store.run(provision.role, team, OwnerId(5))
        await provision.leave(store, addr, world.owner("anna"), now=NOW)
        assert await store.run(provision.role, team, world.owner("anna")) == MemberRole.SENDER
        await provision.take_role(store, addr, world.owner("anna"), MemberRole.SENDER)
        assert [each.owner for each in await store.run(provision.members, team)] == [world.owner("bob")]
        await world.send(team, *ids(1))
        assert await world.look("bob") == []
        with pytest.raises(NoSuchAddress):
            await provision.join(store, f"anna@{DOMAIN}", world.owner("bob"), now=NOW)
        with pytest.raises(NoSuchAddress):
            await provision.join(store, addr, OwnerId(5), now=NOW)

    run(main())


def test_delete_group_brings_what_was_posted(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob")
        team = await world.group("team", "anna", "bob")
        sent = ids(600)
        await world.send(team, *sent[:500])
        await world.send(team, *sent[500:])
        await provision.delete_group(store, f"team@{DOMAIN}")
        assert await world.posts_in(*world.key("anna")) == sent
        assert await world.look("bob") == sent
        assert await store.run(provision.source, team) is None
        with pytest.raises(NoSuchBox):
            await world.send(team, *ids(1))
        with pytest.raises(NoSuchAddress):
            await provision.delete_group(store, f"team@{DOMAIN}")
        await world.group("team", "anna")

    run(main())


# What broke off in the middle


async def claim(store: Store, name: str, kind: AddressKind, owner: OwnerId, box: BoxId) -> None:
    wanted = Address(f"{name}@{DOMAIN}", owner, kind, box, "")
    assert await store.run(directory.claim, wanted) == wanted


def test_add_user_goes_on_where_it_broke_off(store: Store) -> None:
    async def main() -> None:
        await World(store).make("bob")
        owner = new_owner_id()
        await claim(store, "anna", AddressKind.USER, owner, BoxId(0))
        anna = await provision.add_user(store, f"anna@{DOMAIN}", secret=None, now=NOW)
        assert anna.owner == owner
        assert len(await store.run(boxes.boxes, owner)) == len(boxes.DEFAULT_BOXES)

    run(main())


def test_add_group_goes_on_where_it_broke_off(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob")
        box = new_box_id()
        await claim(store, "team", AddressKind.SOURCE, SYSTEM_OWNER, box)
        await store.run(sources.join, world.owner("anna"), box, NOW)
        assert await world.look("anna") == []
        assert await world.group("team", "anna", "bob") == box
        (one,) = ids(1)
        await world.send(box, one)
        assert await world.look("anna") == await world.look("bob") == [one]

    run(main())


def test_deletions_go_on_where_they_broke_off(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob")
        team = await world.group("team", "anna", "bob")
        await claim(store, "never", AddressKind.SOURCE, SYSTEM_OWNER, new_box_id())
        await provision.delete_group(store, f"never@{DOMAIN}")
        assert await store.run(accounts.address, f"never@{DOMAIN}") is None
        await store.run(directory.release, f"team@{DOMAIN}", AddressKind.SOURCE)
        await provision.delete_group(store, f"team@{DOMAIN}")
        assert await store.run(provision.source, team) is None
        await store.run(provision._remove_account, world.owner("anna"))
        await provision.delete_user(store, f"anna@{DOMAIN}")
        assert await store.run(boxes.boxes, world.owner("anna")) == []

    run(main())
