"""The end of a message: the group's time, an earlier one of its author's, and nothing that a stranger says."""

import asyncio
from dataclasses import replace

import pytest

from opostd.daemon.agent import Agent
from opostd.intake.expiry import expires_at, with_expires
from opostd.intake.message import Field, Message, field
from opostd.model.flags import FLAGGED, SEEN, FlagAction, Flags
from opostd.model.ids import SYSTEM_OWNER, BoxId, Uid
from opostd.model.records import PostPolicy, Source, Withdraw
from opostd.store import boxes, flags, moves, provision, withdraw
from opostd.store.run import Store
from tests.store.test_withdraw import sent
from tests.store.world import DOMAIN, NOW, World, run

DAY = 86400
SOURCE = Source(SYSTEM_OWNER, BoxId(7), f"team@{DOMAIN}", "", PostPolicy.LOCAL)
ENDING = replace(SOURCE, expiry_s=30 * DAY)
TOMORROW = b"Wed, 15 Nov 2023 22:13:20 +0000"  # NOW and a day


def message(*expires: bytes) -> Message:
    fields: list[Field] = [field("Subject", b"x"), *(field("Expires", value) for value in expires)]
    return Message(tuple(fields), b"\r\n")


@pytest.mark.parametrize(
    ("written", "own", "sources", "end"),
    [
        ([], True, [SOURCE], None),
        ([TOMORROW], True, [SOURCE], None),
        ([TOMORROW], True, [], None),
        ([], False, [ENDING], NOW + 30 * DAY),
        ([TOMORROW], True, [ENDING], NOW + DAY),
        ([TOMORROW], False, [ENDING], NOW + 30 * DAY),
        ([TOMORROW, TOMORROW], True, [ENDING], NOW + 30 * DAY),
        ([b"Wed, 1 Jan 2020 00:00:00 +0000"], True, [ENDING], NOW + 30 * DAY),
        ([b"Wed, 1 Jan 9999 00:00:00 +0000"], True, [ENDING], NOW + 30 * DAY),
        ([b"soon"], True, [ENDING], NOW + 30 * DAY),
        ([], True, [ENDING, SOURCE, replace(ENDING, expiry_s=DAY)], NOW + DAY),
    ],
)
def test_the_end(written: list[bytes], own: bool, sources: list[Source], end: int | None) -> None:
    assert expires_at(message(*written), sources, own=own, now=NOW) == end


def test_one_field() -> None:
    found = with_expires(message(b"soon", b"later"), NOW + DAY).all(b"expires")
    assert [each.value for each in found] == [TOMORROW.replace(b"+0000", b"-0000")]


def test_unread_flagged_and_moved(store: Store) -> None:
    """Of those who have it, only who has not touched it loses it, and not a second before its end."""

    async def main() -> None:
        world = await World(store).make("anna", "bob", "cara", "dora")
        await world.group("team", "anna", "bob", "cara", "dora")
        post = await sent(world, "team")
        for name in ("anna", "bob", "cara"):
            await world.look(name)
        for name, bit in (("anna", SEEN), ("bob", FLAGGED)):
            await store.run(flags.store_flags, *world.key(name), [(1, 1)], FlagAction.ADD, Flags(bit), None)
        archive = await store.run(boxes.box_named, world.owner("cara"), "Archive")
        await store.run(moves.move, *world.key("cara"), archive.box, [Uid(1)], NOW)
        clock = [NOW]
        agent = Agent(store, lambda: clock[0])
        await withdraw.expire(store, post, NOW + 90)
        await withdraw.expire(store, post, NOW + 60)
        clock[0] = NOW + 59
        assert await agent.once() == 0
        assert await world.look("anna") == [post]
        clock[0] = NOW + 5000  # nobody looked for a while: the later sweeps come all the same
        assert await agent.once() == 1
        assert await world.look("anna") == await world.look("dora") == []
        assert await world.look("bob") == await world.posts_in(archive.owner, archive.box) == [post]
        found = await store.run(withdraw.withdrawal, post)
        assert found is not None
        assert (found.removed, found.kept, found.next_at) == (1, 2, NOW + 5000 + withdraw.AGAIN_S[0])
        await withdraw.expire(store, post, None)  # it has ended
        assert await store.run(withdraw.withdrawal, post) == found
        assert (await withdraw.recall(store, post, Withdraw.ALL, NOW)).removed == 3

    run(main())


def test_no_end_after_all(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        await world.group("team", "anna")
        post = await sent(world, "team")
        await withdraw.expire(store, post, NOW)
        await withdraw.expire(store, post, None)
        assert await Agent(store, lambda: NOW + 1).once() == 0
        await withdraw.recall(store, post, Withdraw.ALL, NOW)
        await withdraw.expire(store, post, NOW + DAY)
        found = await store.run(withdraw.withdrawal, post)
        assert found is not None
        assert (found.policy, found.begins) == (Withdraw.ALL, NOW)

    run(main())


def test_group_setting(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make()
        team = await world.group("team")
        await provision.set_expiry(store, f"team@{DOMAIN}", DAY)
        found = await store.run(provision.source, team)
        assert found is not None
        assert found.expiry_s == DAY

    asyncio.run(main())
