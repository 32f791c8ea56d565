"""Who may take a post back, until when and from which boxes; by a letter, and what it answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from opostd.config import GroupSettings
from opostd.model.errors import Explained, NoSuchPost
from opostd.model.flags import SEEN, FlagAction, Flags
from opostd.model.ids import PostId, post_id_text
from opostd.model.records import MemberRole, PostPolicy, Recall, Withdraw
from opostd.store import boxes, flags, provision, reach, withdraw
from opostd.store.run import Store
from tests.intake.test_brake import Clock
from tests.intake.world import DOMAIN, NOW, World, text, world

TEAM = f"team@{DOMAIN}"
WINDOW_S = GroupSettings().recall_window_s


@contextlib.asynccontextmanager
async def group(store: Store, recall: Recall = Recall.ANY) -> AsyncIterator[tuple[World, Clock]]:
    """anna and bob read team, cara owns it; root is an administrator."""
    clock = Clock()
    async with world(store, "anna", "bob", "cara", "root", now=lambda: clock.now) as here:
        members = [here.people[name].owner for name in ("anna", "bob")]
        await provision.add_group(store, TEAM, title="team", members=members, post=PostPolicy.ANYONE, now=NOW)
        await provision.give_role(store, TEAM, here.people["cara"].owner, MemberRole.OWNER)
        await provision.change(store, TEAM, "recall", int(recall))
        yield here, clock


async def post(here: World, sender: str = "anna", *more: str, mid: str = "1") -> PostId:
    raw = f"Message-ID: <{mid}@x>\r\n".encode() + text("lunch", sender=sender)
    return await here.submit("", "team", *more, sender=sender, raw=raw)


async def letter(here: World, sender: str, subject: str = "recall", header: str = "In-Reply-To: <1@x>\r\n") -> None:
    raw = header.encode() + text(subject, sender=sender)
    await here.submit("", f"team-request@{DOMAIN}", sender=sender, raw=raw)
    await here.until(lambda: not here.intake._tasks)
    await here.queue_is_empty()


async def read(here: World, name: str) -> None:
    """Marks the newest in somebody's INBOX as read."""
    await here.raws(name)
    owner = here.people[name].owner
    box = await here.store.run(boxes.box_named, owner, "INBOX")
    last = box.uidnext - 1
    await here.store.run(flags.store_flags, owner, box.box, [(last, last)], FlagAction.ADD, Flags(SEEN), None)


def test_by_a_letter(store: Store) -> None:
    async def main() -> None:
        async with group(store) as (here, _):
            id_ = await post(here)
            assert await here.subjects("bob") == ["lunch"]
            await letter(here, "anna")
            assert await here.subjects("bob") == []
            (answer,) = await here.raws("anna")
            assert (
                f"The post {post_id_text(id_)} is recalled from 1 box; 1 box had it, 0 read, 0 keep it.".encode()
                in answer
            )
            found = await store.run(withdraw.withdrawal, id_)
            assert found is not None
            assert (found.by, found.policy) == (f"anna@{DOMAIN}", Withdraw.ALL)
            with pytest.raises(Explained):  # it is not there any more
                await letter(here, "anna")

    asyncio.run(main())


def test_which_post_is_meant(store: Store) -> None:
    async def main() -> None:
        async with group(store) as (here, _):
            one, two, three = [await post(here, mid=mid) for mid in "123"]
            for header, subject in (
                ("", "recall"), ("In-Reply-To: <9@x>\r\n", "recall"), ("", "recall " + "0" * 32),
                ("References: <1@x> <9@x>\r\n", "recall"),
            ):  # fmt: skip
                with pytest.raises(Explained, match="answer it"):
                    await letter(here, "anna", subject, header)
            await letter(here, "anna", f"Recall {post_id_text(three).upper()}", "")
            await letter(here, "anna", "RECALL", "References: <1@x> <2@x>\r\n")
            places = [bool(await store.run(reach.places, each)) for each in (one, two, three)]
            assert places == [True, False, False]

    asyncio.run(main())


def test_who_and_until_when(store: Store) -> None:
    async def main() -> None:
        async with group(store) as (here, clock):
            await post(here)
            with pytest.raises(Explained, match="only its author"):
                await letter(here, "bob")
            clock.now += WINDOW_S
            with pytest.raises(Explained, match="could take it back until"):
                await letter(here, "anna")
            assert len(await here.subjects("bob")) == 1
            await letter(here, "cara")
            assert await here.subjects("bob") == []
            await post(here, mid="2")
            clock.now += WINDOW_S - 1
            await letter(here, "anna", header="In-Reply-To: <2@x>\r\n")
            assert await here.subjects("bob") == []

    asyncio.run(main())


def test_an_owner_of_one_group_only(store: Store) -> None:
    """What stands in two groups is taken back by who owns both."""

    async def main() -> None:
        async with group(store) as (here, _):
            bob = here.people["bob"].owner
            await provision.add_group(store, f"crew@{DOMAIN}", title="", members=[bob], post=PostPolicy.LOCAL, now=NOW)
            id_ = await post(here, "anna", "crew")
            with pytest.raises(Explained):
                await here.intake.recalling.begin(id_, here.people["cara"])
            await provision.give_role(store, f"crew@{DOMAIN}", here.people["cara"].owner, MemberRole.OWNER)
            await here.intake.recalling.begin(id_, here.people["cara"])
            await here.intake.recalling.finish(id_)
            assert await here.subjects("bob") == []

    asyncio.run(main())


def test_what_was_read_stays(store: Store) -> None:
    async def main() -> None:
        async with group(store, Recall.UNREAD) as (here, _):
            await post(here)
            await read(here, "bob")
            await here.subjects("anna")
            await letter(here, "anna")
            assert b"recalled from 1 box; 2 boxes had it, 1 read, 1 keep it." in (await here.raws("anna"))[-1]
            assert await here.subjects("bob") == ["lunch"]

    asyncio.run(main())


def test_never_but_by_administrators(store: Store) -> None:
    async def main() -> None:
        async with group(store, Recall.NEVER) as (here, _):
            id_ = await post(here)
            for name in ("anna", "cara"):
                with pytest.raises(Explained, match="administrators"):
                    await letter(here, name)
            assert await here.intake.recalling.begin(id_, here.people["root"], unread_only=True) is Withdraw.UNREAD

    asyncio.run(main())


def test_what_is_in_no_group(store: Store) -> None:
    async def main() -> None:
        async with group(store) as (here, _):
            id_ = await here.submit("x", "bob", sender="anna")
            for each in (id_, PostId(bytes(16))):
                with pytest.raises(NoSuchPost):
                    await here.intake.recalling.begin(each, here.people["anna"])
            assert await here.subjects("bob") == ["x"]

    asyncio.run(main())


def test_a_forged_author_gives_no_right(store: Store) -> None:
    """A stranger may write anna's address into From; that is hers to take back, and nobody else's."""

    async def main() -> None:
        async with group(store) as (here, _):
            await here.submit("", "team", raw=b"Message-ID: <1@x>\r\nFrom: anna@opost.example\r\nSubject: x\r\n\r\n")
            with pytest.raises(Explained):
                await letter(here, "bob")
            await letter(here, "anna")
            assert await here.subjects("bob") == []

    asyncio.run(main())


def test_killed_before_the_boxes(store: Store) -> None:
    """What was begun is done by the agent."""

    async def main() -> None:
        async with group(store) as (here, clock):
            id_ = await post(here)
            assert await here.subjects("bob") == ["lunch"]
            await here.intake.recalling.begin(id_, here.people["anna"])
            assert await store.run(withdraw.due, clock.now) == [id_]
            await withdraw.sweep(store, id_, clock.now)
            assert await here.subjects("bob") == []

    asyncio.run(main())
