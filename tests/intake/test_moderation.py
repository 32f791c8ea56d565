"""Posts that wait for a moderator: told once, decided once, delivered once, whatever happens in between."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import pytest

from opostd.config import GroupSettings
from opostd.intake.moderation import DECIDED
from opostd.intake.office import digest
from opostd.model.errors import Explained, LimitReached, NoSuchAddress, NoSuchPost, NotAllowed
from opostd.model.ids import SYSTEM_OWNER, PostId
from opostd.model.mailing import Notify, Target
from opostd.model.records import MemberRole, Moderation, PostPolicy, Withdraw
from opostd.store import accounts, changes, held, nesting, outgoing, outside, provision, reap, sources, withdraw
from opostd.store.held import Held
from opostd.store.run import Store
from tests.intake.world import DOMAIN, NOW, World, text, world

TEAM = f"team@{DOMAIN}"
DAY = 86400


@contextlib.asynccontextmanager
async def moderated(
    store: Store, moderation: Moderation = Moderation.ALL, post: PostPolicy = PostPolicy.ANYONE, now: int = NOW
) -> AsyncIterator[World]:
    """``team``: anna and bob read it, mod moderates it; cara is nothing in it, root is an administrator."""
    async with world(store, "anna", "bob", "cara", "mod", "root", now=lambda: now) as here:
        members = [here.people[name].owner for name in ("anna", "bob")]
        await provision.add_group(store, TEAM, title="team", members=members, post=post, now=NOW)
        await provision.change(store, TEAM, "moderation", int(moderation))
        await provision.give_role(store, TEAM, here.people["mod"].owner, MemberRole.MODERATOR)
        yield here


async def rows(here: World) -> list[Held]:
    return await here.store.run(held.waiting, None, 100)


async def the_row(here: World) -> Held:
    (row,) = await rows(here)
    return row


async def told(here: World, *names: str) -> None:
    """Waits until the held post has been told of, and the letters are where they go."""
    async with asyncio.timeout(60):
        while any(not row.told for row in await rows(here)):  # noqa: ASYNC110
            await asyncio.sleep(0)
    await here.queue_is_empty()


async def token_of(here: World, name: str) -> str:
    (subject,) = [each for each in await here.subjects(name) if "Held for" in each]
    found = re.match(r"\[([a-z2-7]{26})\] Held for ", subject)
    assert found is not None, subject
    return found[1]


async def answer(here: World, sender: str, subject: str, body: str = "") -> None:
    raw = text(subject, body, sender=sender)
    await here.submit("", f"team-request@{DOMAIN}", sender=sender, raw=raw)


async def source_posts(here: World, name: str = TEAM) -> list[PostId]:
    found = await here.store.run(sources.source_at, name)
    assert found is not None
    return [row.post for row in (await here.store.run(changes.listing, SYSTEM_OWNER, found.box)).rows]


# Held, told, decided


def test_accepted_by_an_answer(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            post = await here.submit("Hello", "team", "cara", sender="anna")
            assert await here.subjects("cara") == ["Hello"]  # who was named as well has it at once
            assert await source_posts(here) == []
            await told(here)
            (notice,) = await here.raws("mod")
            assert notice.startswith(b"Return-Path: <>\r\n")
            for line in (b"Auto-Submitted: auto-generated", b"Content-Type: message/rfc822", b"Subject: Hello"):
                assert line in notice
            assert await here.subjects("anna") == ["Your message is delayed"]
            await answer(here, "mod", f"Re: [{await token_of(here, 'mod')}] Held for team: Hello", "Accept, please")
            assert await source_posts(here) == [post]
            assert await here.subjects("bob") == ["Hello"]
            assert await here.subjects("root") == []
            assert await rows(here) == []
            await here.queue_is_empty()

    asyncio.run(main())


def test_discarded_by_the_link(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            await here.submit("Hello", "team", sender="cara")
            await told(here)
            await answer(here, "mod", f"discard {await token_of(here, 'mod')}")
            assert await rows(here) == []
            await here.queue_is_empty()
            assert await here.subjects("cara") == ["Your message is delayed", "Your message could not be delivered"]
            assert b"A moderator of the group did not accept it." in (await here.raws("cara"))[-1]
            assert await here.subjects("bob") == []

    asyncio.run(main())


def test_a_stranger_is_told_nothing(store: Store) -> None:
    """Anybody can write another's address: no letter leaves for a sender that nothing vouches for."""

    async def main() -> None:
        async with moderated(store) as here:
            await here.submit("Hello", "team")
            await told(here)
            assert b"so that it may be anybody" in (await here.raws("mod"))[0]
            await here.intake.moderators.discard(await the_row(here))
            await here.queue_is_empty()
            for name in ("anna", "bob", "cara", "root"):
                assert await here.subjects(name) == []

    asyncio.run(main())


def test_who_waits(store: Store) -> None:
    async def main() -> None:
        async with moderated(store, Moderation.NON_MEMBERS, PostPolicy.LOCAL) as here:
            await here.submit("member", "team", sender="bob")
            await here.submit("moderator", "team", sender="mod")
            await here.submit("administrator", "team", sender="root")
            assert await rows(here) == []
            await here.submit("other", "team", sender="cara")
            with pytest.raises(NotAllowed):
                await here.submit("outside", "team")
            assert [row.author for row in await rows(here)] == [here.people["cara"].owner]
            assert len(await source_posts(here)) == 3
            inner = f"inner@{DOMAIN}"  # who reads a group inside of it is a member, too
            await provision.add_group(
                store, inner, title="", members=[here.people["cara"].owner], post=PostPolicy.LOCAL, now=NOW
            )
            await provision.nest(store, TEAM, inner)
            await here.submit("inner", "team", sender="cara")
            assert len(await rows(here)) == 1

    asyncio.run(main())


def test_the_first_post_only(store: Store) -> None:
    async def main() -> None:
        async with moderated(store, Moderation.FIRST_POST, PostPolicy.LOCAL) as here:
            await here.submit("one", "team", sender="anna")
            await here.submit("two", "team", sender="anna")
            first, second = await rows(here)
            await here.intake.moderators.discard(second)
            await here.intake.moderators.accept(first, here.people["mod"])
            await here.submit("three", "team", sender="anna")
            assert await here.subjects("bob") == ["one", "three"]
            roles = await store.run(provision.role, first.box, here.people["anna"].owner)
            assert roles == MemberRole.READER | MemberRole.TRUSTED

    asyncio.run(main())


def test_a_second_pair_of_eyes(store: Store) -> None:
    async def main() -> None:
        async with moderated(store, Moderation.SECOND) as here:
            await here.submit("mine", "team", sender="mod")
            await told(here)
            assert "Held for" not in " ".join(await here.subjects("mod"))
            assert "Held for" in (await here.subjects("root"))[0]  # there is no other moderator, and no owner
            with pytest.raises(NotAllowed, match="somebody else"):
                await here.intake.moderators.accept(await the_row(here), here.people["mod"])
            await answer(here, "root", f"accept {await token_of(here, 'root')}")
            assert await here.subjects("bob") == ["mine"]

    asyncio.run(main())


def test_accepting_reaches_the_groups_below(store: Store) -> None:
    """Those that are below it when it is accepted; a sender who asked hears of success once."""

    async def main() -> None:
        async with moderated(store) as here:
            (recipient,) = await here.recipients("team", sender="anna")
            wish = type(recipient.wish)(TEAM, Notify.SUCCESS)
            await here.submit("x", sender="anna", recipients=[type(recipient)(wish, recipient.places)])
            inner = f"inner@{DOMAIN}"
            cara = here.people["cara"].owner
            await provision.add_group(store, inner, title="", members=[cara], post=PostPolicy.NAMED, now=NOW)
            await provision.nest(store, TEAM, inner)
            await here.intake.moderators.accept(await the_row(here))
            await here.queue_is_empty()
            assert await here.subjects("cara") == ["x"]
            assert sorted(await here.subjects("anna")) == ["Your message was delivered", "x"]

    asyncio.run(main())


def test_accepting_reaches_members_elsewhere(store: Store) -> None:
    """By mail, but for those whom the message names: they had theirs when it came."""

    async def main() -> None:
        async with world(store, "anna", "bob", "mod", "root", relay=True) as here:
            await provision.add_group(store, TEAM, title="", members=[], post=PostPolicy.LOCAL, now=NOW)
            await provision.change(store, TEAM, "moderation", int(Moderation.ALL))
            box = (await the_source(here, TEAM)).box
            for name in ("ann@far.example", "Ben@far.example"):
                await store.run(outside.add, box, name, name[0].lower() * 16)
            raw = b"To: <team@opost.example>, b <ben@FAR.example>\r\n" + text("x", sender="anna")
            post = await here.submit("", "team", "ben@far.example", sender="anna", raw=raw)
            assert [row.address for row in await store.run(outgoing.of_post, post)] == ["ben@far.example"]
            await here.intake.moderators.accept(await the_row(here))
            assert sorted((row.address, row.origin.sender) for row in await store.run(outgoing.of_post, post)) == [
                ("ann@far.example", f"bounce+{'a' * 16}@{DOMAIN}"), ("ben@far.example", f"anna@{DOMAIN}"),
            ]  # fmt: skip

    asyncio.run(main())


# Twice, at once, and broken off


def test_two_moderators_at_once(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            for each in range(5):
                post = await here.submit(f"post {each}", "team", sender="anna")
                row = next(row for row in await rows(here) if row.post == post)
                moderators = here.intake.moderators
                results = await asyncio.gather(
                    *(moderators.accept(row, here.people["mod"]) for _ in range(3)), moderators.discard(row),
                    return_exceptions=True,
                )  # fmt: skip
                assert [type(result) for result in results if result is not None] == [NoSuchPost] * 3
                accepted = await source_posts(here)
                assert accepted.count(post) <= 1
                assert (post in accepted) is (None in results[:3])
            await here.queue_is_empty()

    asyncio.run(main())


def test_killed_between_accepting_and_delivering(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            post = await here.submit("x", "team", sender="anna")
            row = await the_row(here)
            targets = [Target(SYSTEM_OWNER, row.box, source=True)]
            assert await store.run(held.accept, post, targets, [], NOW) is not None
            assert await store.run(held.accept, post, targets, [], NOW) is None
            assert await source_posts(here) == []
            with pytest.raises(NoSuchPost, match=DECIDED):
                await here.intake.moderators.accept(row)
            await here.intake._retry.drain()  # what the next process does
            await here.intake._retry.drain()
            assert await source_posts(here) == [post]
            assert await here.subjects("bob") == ["x"]

    asyncio.run(main())


def test_killed_before_anybody_was_told(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            await here.submit("x", "team", sender="anna")
            await told(here)
            async with world(store, "mod", made=True, now=lambda: NOW + 100) as after:
                assert await after.intake.moderators.once() == 0
                await untell(after)
                assert await after.intake.moderators.once() == 1
                assert await after.intake.moderators.once() == 0
                await after.queue_is_empty()
                assert len(await after.subjects("mod")) == 2

    asyncio.run(main())


async def untell(here: World) -> None:
    import sqlalchemy as sa

    from opostd.store import schema
    from opostd.store.run import Group, Tx, writes

    @writes(Group.POST)
    def forget(tx: Tx) -> None:
        tx.execute(sa.update(schema.held).values(told=False))
        tx.execute(sa.delete(schema.held_token))

    await here.store.run(forget)


def test_a_post_that_waits_is_not_reaped(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            post = await here.submit("x", "team")
            await store.run(reap.note, [post], [], NOW)
            assert await store.run(reap.remove, [post], NOW + 1) == []
            await here.intake.moderators.discard(await the_row(here))
            await store.run(reap.note, [post], [], NOW)
            assert await store.run(reap.remove, [post], NOW + 1) == [post]

    asyncio.run(main())


# Tokens


def test_a_token_is_one_moderators_and_serves_once(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            await provision.give_role(store, TEAM, here.people["bob"].owner, MemberRole.MODERATOR)
            await here.submit("x", "team", sender="cara")
            await told(here)
            of_mod, of_bob = await token_of(here, "mod"), await token_of(here, "bob")
            assert of_mod != of_bob
            assert await store.run(held.by_token, of_mod) is None  # the token itself is not kept
            assert await store.run(held.by_token, digest(of_mod)) is not None
            for sender, subject in (
                ("bob", f"accept {of_mod}"),  # another moderator's
                ("cara", f"accept {of_mod}"),  # somebody who has found it
                ("root", f"accept {of_mod}"),
                ("mod", "accept " + "a" * 26),
                ("mod", "accept"),
                ("mod", f"accept {of_mod[:-1]}"),
                ("mod", "accept \udc00".encode("utf-8", "replace").decode()),
            ):
                with pytest.raises(Explained):
                    await answer(here, sender, subject)
            assert len(await rows(here)) == 1
            with pytest.raises(NotAllowed):  # from outside, whatever is in it
                await here.submit("", f"team-request@{DOMAIN}", raw=text(f"accept {of_mod}", sender="mod"))
            await answer(here, "mod", f"ACCEPT {of_mod.upper()}")
            for sender, token in (("mod", of_mod), ("bob", of_bob)):
                with pytest.raises(Explained, match=DECIDED):
                    await answer(here, sender, f"discard {token}")
            assert len(await source_posts(here)) == 1

    asyncio.run(main())


def test_whoever_moderates_no_more_decides_no_more(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            await here.submit("x", "team", sender="cara")
            await told(here)
            token = await token_of(here, "mod")
            await provision.take_role(store, TEAM, here.people["mod"].owner, MemberRole.MODERATOR)
            with pytest.raises(Explained, match="no moderator"):
                await answer(here, "mod", f"accept {token}")
            assert len(await rows(here)) == 1

    asyncio.run(main())


def test_robots_are_not_answered(store: Store) -> None:
    """An absence note that answers a moderator's letter decides nothing, and gets no answer."""

    async def main() -> None:
        async with moderated(store) as here:
            await here.submit("x", "team", sender="cara")
            await told(here)
            token = await token_of(here, "mod")
            for line in ("Auto-Submitted: auto-replied", "Precedence: Bulk", "List-Id: <x.example>"):
                raw = (line + "\r\n").encode() + text(f"Re: [{token}]", "accept", sender="mod")
                await here.submit("", f"team-request@{DOMAIN}", sender="mod", raw=raw)
            assert len(await rows(here)) == 1
            assert len(await here.subjects("mod")) == 1
            raw = b"Auto-Submitted: No\r\n" + text(f"Re: [{token}]", "accept", sender="mod")
            await here.submit("", f"team-request@{DOMAIN}", sender="mod", raw=raw)
            assert await rows(here) == []

    asyncio.run(main())


def test_help_is_sent_to_whoever_asks(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            await answer(here, "cara", "help")
            await answer(here, "cara", "what is this?")
            await here.queue_is_empty()
            raws = await here.raws("cara")
            assert await here.subjects("cara") == [f"About {TEAM}"] * 2
            assert b"Auto-Submitted: auto-replied\r\n" in raws[0]
            with pytest.raises(NoSuchAddress):
                await here.submit("", f"team-request+x@{DOMAIN}", sender="cara")
            with pytest.raises(NoSuchAddress):
                await here.submit("", f"nothing-request@{DOMAIN}", sender="cara")

    asyncio.run(main())


# Ends


def test_nobody_decides(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            await here.submit("x", "team", sender="cara")
            await told(here)
            token = await token_of(here, "mod")
            days = GroupSettings().held_days
            async with world(store, "mod", "cara", made=True, now=lambda: NOW + days * DAY - 1) as before:
                assert await before.intake.moderators.once() == 0
            async with world(store, "mod", "cara", made=True, now=lambda: NOW + days * DAY) as after:
                assert await after.intake.moderators.once() == 1
                await after.queue_is_empty()
                assert b"No moderator of the group has decided in time." in (await after.raws("cara"))[-1]
                with pytest.raises(Explained, match=DECIDED):
                    await answer(after, "mod", f"accept {token}")

    asyncio.run(main())


def test_the_group_goes_while_a_post_waits(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            await here.submit("one", "team", sender="cara")
            await here.submit("two", "team", sender="cara")
            first, _ = await rows(here)
            await provision.delete_group(store, TEAM)
            with pytest.raises(NoSuchAddress):
                await here.intake.moderators.accept(first)
            await here.intake.moderators.once()
            await here.queue_is_empty()
            assert await rows(here) == []
            failures = [raw for raw in await here.raws("cara") if b"The group is not there any more." in raw]
            assert len(failures) == 2

    asyncio.run(main())


def test_the_author_goes_while_a_post_waits(store: Store) -> None:
    """What was sent was sent: a moderator decides, and nobody is told."""

    async def main() -> None:
        async with moderated(store, Moderation.FIRST_POST) as here:
            await here.submit("one", "team", sender="cara")
            await here.submit("two", "team", sender="cara")
            await told(here)
            await provision.delete_user(store, f"cara@{DOMAIN}")
            first, second = await rows(here)
            await here.intake.moderators.accept(first)
            await here.intake.moderators.discard(second)
            await here.queue_is_empty()
            assert await here.subjects("bob") == ["one"]

    asyncio.run(main())


def test_taken_back_while_it_waits(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            post = await here.submit("x", "team", sender="anna")
            row = await the_row(here)
            await withdraw.recall(store, post, Withdraw.ALL, NOW)
            assert await rows(here) == []
            with pytest.raises(NoSuchPost):
                await here.intake.moderators.accept(row)
            assert await source_posts(here) == []

    asyncio.run(main())


def test_its_end_comes_while_it_waits(store: Store) -> None:
    """What has come to its end is not let out after it, when no sweep would take it back."""

    async def main() -> None:
        async with moderated(store) as here:
            await provision.set_expiry(store, TEAM, DAY)
            await here.submit("x", "team", sender="anna")
            async with world(store, "anna", "bob", made=True, now=lambda: NOW + DAY) as later:
                with pytest.raises(NoSuchPost, match="end"):
                    await later.intake.moderators.accept(await the_row(later))
                assert await rows(later) == []
                assert await later.subjects("bob") == []

    asyncio.run(main())


def test_a_letter_to_somebody_and_to_the_server(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            await here.submit("help", "team-request", "bob", sender="cara")
            await here.queue_is_empty()
            assert await here.subjects("bob") == ["help"]
            assert await here.subjects("cara") == [f"About {TEAM}"]
            with pytest.raises(Explained):
                await here.submit("accept", "team-request", "bob", sender="cara")
            assert await here.subjects("bob") == ["help"]

    asyncio.run(main())


def test_there_is_an_end_to_what_waits(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            here.intake.moderators._settings = GroupSettings(max_held=2)
            for each in ("one", "two"):
                await here.submit(each, "team")
            with pytest.raises(LimitReached):
                await here.submit("three", "team", "bob")
            assert await here.subjects("bob") == []  # refused is refused for all of its recipients
            assert len(await rows(here)) == 2

    asyncio.run(main())


# The addresses beside a group


def test_letters_to_the_owners(store: Store) -> None:
    async def main() -> None:
        async with moderated(store) as here:
            await here.submit("to whom it concerns", "team-owner")
            assert await here.subjects("root") == ["to whom it concerns"]
            await provision.give_role(store, TEAM, here.people["bob"].owner, MemberRole.OWNER)
            await here.submit("again", "team-owner")
            assert await here.subjects("bob") == ["again"]
            assert len(await here.subjects("root")) == 1

    asyncio.run(main())


def test_nobody_has_an_address_beside_a_group(store: Store) -> None:
    async def main() -> None:
        from opostd.model.errors import AddressTaken, BadAddress

        async with moderated(store) as here:
            for word in ("join", "leave", "owner", "request"):
                with pytest.raises(AddressTaken):
                    await provision.add_user(store, f"team-{word}@{DOMAIN}", secret=None, now=NOW)
                with pytest.raises(AddressTaken):
                    await provision.add_alias(store, f"team-{word}@{DOMAIN}", [f"anna@{DOMAIN}"])
                with pytest.raises(AddressTaken):
                    await add_group(here, f"team-{word}")
            await provision.add_user(store, f"club-leave@{DOMAIN}", secret=None, now=NOW)
            with pytest.raises(AddressTaken, match="club-leave"):
                await add_group(here, "club")
            assert await store.run(accounts.address, f"club@{DOMAIN}") is None  # all of them or none
            assert await store.run(accounts.address, f"club-join@{DOMAIN}") is None
            with pytest.raises(BadAddress):
                await add_group(here, "x" * 57)
            await add_group(here, "x" * 56)
            await provision.delete_group(store, TEAM)
            await provision.add_user(store, f"team-owner@{DOMAIN}", secret=None, now=NOW)

    asyncio.run(main())


async def add_group(here: World, name: str) -> None:
    await provision.add_group(here.store, f"{name}@{DOMAIN}", title="", members=[], post=PostPolicy.LOCAL, now=NOW)


def test_nesting_needs_no_second_moderator(store: Store) -> None:
    """The outer group's policy decides for what is sent to it; a post that waits for the inner one as well is there once."""

    async def main() -> None:
        async with moderated(store) as here:
            await provision.add_group(
                store, f"all@{DOMAIN}", title="", members=[here.people["cara"].owner], post=PostPolicy.LOCAL, now=NOW
            )
            await provision.nest(store, f"all@{DOMAIN}", TEAM)
            box = (await the_source(here, f"all@{DOMAIN}")).box
            assert len(await store.run(nesting.below, box)) == 1
            await here.submit("both", "all", "team", sender="cara")
            assert await here.subjects("bob") == ["both"]
            await here.intake.moderators.accept(await the_row(here))
            assert await here.subjects("bob") == ["both"]
            assert len(await source_posts(here)) == 1

    asyncio.run(main())


async def the_source(here: World, addr: str) -> sources.Source:
    found = await here.store.run(sources.source_at, addr)
    assert found is not None
    return found
