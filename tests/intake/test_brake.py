"""The brake for reply-all, and how many posts a group takes in an hour: counted once, by all processes together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from opostd.config import GroupSettings
from opostd.intake.trace import Trace
from opostd.model.errors import Explained, Later
from opostd.model.records import MemberRole, PostPolicy
from opostd.store import changes, provision, sources, tally
from opostd.store.run import Store
from opostd.store.tally import Full, Limit
from tests.intake.world import DOMAIN, NOW, World, text, world

TEAM = f"team@{DOMAIN}"
SETTINGS = GroupSettings()


class Clock:
    now = NOW


@contextlib.asynccontextmanager
async def group(store: Store, **limits: int) -> AsyncIterator[tuple[World, Clock]]:
    """anna and bob read team, cara owns it; root is an administrator."""
    clock = Clock()
    async with world(store, "anna", "bob", "cara", "root", now=lambda: clock.now) as here:
        members = [here.people[name].owner for name in ("anna", "bob")]
        await provision.add_group(store, TEAM, title="team", members=members, post=PostPolicy.ANYONE, now=NOW)
        await provision.give_role(store, TEAM, here.people["cara"].owner, MemberRole.OWNER)
        for field, value in limits.items():
            await provision.change(store, TEAM, field, value)
        yield here, clock


async def reply(here: World, sender: str, thread: str = "first", subject: str = "Re: lunch") -> None:
    raw = f"In-Reply-To: <{thread}@x>\r\n".encode() + text(subject, "me too", sender=sender)
    await here.submit("", "team", sender=sender, raw=raw)


async def posts(here: World) -> int:
    found = await here.store.run(sources.source_at, TEAM)
    assert found is not None
    return len((await here.store.run(changes.listing, found.owner, found.box)).rows)


def test_a_conversation_is_closed_and_opens_again(store: Store) -> None:
    async def main() -> None:
        async with group(store, brake=3) as (here, clock):
            for sender in ("anna", "bob", "anna"):
                await reply(here, sender)
            for sender in ("bob", "anna"):
                with pytest.raises(Explained, match="closed until"):
                    await reply(here, sender)
            assert await posts(here) == 3
            await here.queue_is_empty()
            (notice,) = [raw for raw in await here.raws("cara") if b"Closed for a while" in raw]  # once
            assert b"Subject: Re: lunch" in notice
            await reply(here, "anna", "second")  # another one
            await here.submit("new", "team", sender="anna")  # no reply
            await reply(here, "cara")  # who may end it with a word
            await reply(here, "root")
            assert await posts(here) == 7
            clock.now += SETTINGS.brake_pause_s - 1
            with pytest.raises(Explained):
                await reply(here, "bob")
            clock.now += 1
            for sender in ("anna", "bob", "anna"):
                await reply(here, sender)
            with pytest.raises(Explained):
                await reply(here, "bob")
            await here.queue_is_empty()
            assert len([each for each in await here.subjects("cara") if "Closed" in each]) == 2

    asyncio.run(main())


def test_slow_conversations_go_on(store: Store) -> None:
    async def main() -> None:
        async with group(store, brake=3) as (here, clock):
            for _ in range(4):
                for _ in range(3):
                    await reply(here, "anna")
                clock.now += SETTINGS.brake_window_s
            assert await posts(here) == 12

    asyncio.run(main())


def test_reopened(store: Store) -> None:
    async def main() -> None:
        async with group(store, brake=1) as (here, _):
            await reply(here, "anna")
            with pytest.raises(Explained):
                await reply(here, "anna")
            box = (await here.store.run(sources.sources))[-1].box
            assert await store.run(tally.forget, box) == 1
            await reply(here, "anna")

    asyncio.run(main())


def test_a_refused_reply_reaches_nobody(store: Store) -> None:
    async def main() -> None:
        async with group(store, brake=1) as (here, _):
            await reply(here, "anna")
            raw = b"References: <first@x>\r\n" + text("Re: lunch", sender="anna")
            with pytest.raises(Explained):
                await here.submit("", "team", "root", sender="anna", raw=raw)
            assert await here.subjects("root") == []

    asyncio.run(main())


def test_posts_of_one_sender_and_of_all(store: Store) -> None:
    async def main() -> None:
        async with group(store, sender_posts=2, all_posts=5) as (here, clock):
            for sender in ("anna", "bob"):
                for _ in range(2):
                    await here.submit("x", "team", sender=sender)
                with pytest.raises(Later, match="try again after"):
                    await here.submit("x", "team", sender=sender)
            # What was refused counts: whoever goes on at once is not let in sooner
            with pytest.raises(Later):
                await here.submit("x", "team")
            await here.submit("x", "team", sender="cara")
            clock.now += 3600
            await here.submit("x", "team", sender="anna")
            assert await posts(here) == 6

    asyncio.run(main())


def test_strangers_are_told_apart_by_the_envelope(store: Store) -> None:
    async def main() -> None:
        async with group(store, sender_posts=1) as (here, _):
            (recipient,) = await here.recipients("team")

            async def post(mail_from: str) -> None:
                await here.intake.submit(
                    text("x"), mail_from=mail_from, recipients=[recipient], account=None, markdown=False, trace=Trace()
                )

            await post("x@far.example")
            await post("y@far.example")
            for again in ("X@far.example", "x@FAR.example"):
                with pytest.raises(Later):
                    await post(again)

    asyncio.run(main())


def test_limits_of_the_settings_and_of_the_group(store: Store) -> None:
    async def main() -> None:
        async with group(store) as (here, _):
            here.intake._groups.brake._settings = GroupSettings(brake_replies=type(SETTINGS.brake_replies)(1))
            await reply(here, "anna")
            with pytest.raises(Explained):
                await reply(here, "anna")
            await provision.change(store, TEAM, "brake", 0)
            await reply(here, "anna")

    asyncio.run(main())


def test_many_at_once(store: Store) -> None:
    """Exactly as many as the limit go on, and one is the one that closes it."""

    async def main() -> None:
        async with group(store) as (here, _):
            box = (await here.store.run(sources.sources))[-1].box
            limits = [Limit("t x", 7, 600, 3600), Limit("a", 100, 600, 3600)]
            results = await asyncio.gather(*(store.run(tally.count, box, limits, NOW) for _ in range(20)))
            full = [each for result in results for each in result]
            assert len([result for result in results if not result]) == 7
            assert sorted(full, key=lambda each: not each.fresh)[:2] == [
                Full("t x", NOW + 3600, True), Full("t x", NOW + 3600, False),
            ]  # fmt: skip
            await provision.delete_group(store, TEAM)
            assert await store.run(tally.forget, box) == 0

    asyncio.run(main())
