"""Joining and leaving by letters: who may, who is asked first, and what happens twice, at once, or to the wrong people."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import pytest

from opostd.config import GroupSettings
from opostd.intake.membership import DECIDED
from opostd.intake.trace import Trace
from opostd.model.errors import Explained, NoSuchAddress
from opostd.model.ids import NOBODY
from opostd.model.mailing import Recipient
from opostd.model.records import Joining, MemberRole, PostPolicy
from opostd.store import outgoing, outside, petitions, posts, provision, queue, sources
from opostd.store.petitions import Petition, State
from opostd.store.run import Store
from tests.intake.world import DOMAIN, NOW, World, text, world

TEAM = f"team@{DOMAIN}"
FAR = "ann@far.example"
DAYS = GroupSettings().petition_days * 86400


@contextlib.asynccontextmanager
async def joinable(store: Store, joining: Joining = Joining.OPEN, *, relay: bool = False) -> AsyncIterator[World]:
    """``team``: bob reads it, mod moderates it; anna and cara do not."""
    async with world(store, "anna", "bob", "cara", "mod", "root", relay=relay) as here:
        bob = here.people["bob"].owner
        await provision.add_group(store, TEAM, title="team", members=[bob], post=PostPolicy.LOCAL, now=NOW)
        await provision.change(store, TEAM, "joining", int(joining))
        await provision.give_role(store, TEAM, here.people["mod"].owner, MemberRole.MODERATOR)
        yield here


async def source(here: World) -> sources.Source:
    found = await here.store.run(sources.source_at, TEAM)
    assert found is not None
    return found


async def reads(here: World, name: str) -> bool:
    return bool(await here.store.run(sources.targets, here.people[name].owner, (await source(here)).box))


async def write(here: World, sender: str, to: str, subject: str = "", body: str = "", header: bytes = b"") -> None:
    """From one of us who has logged in."""
    await here.submit("", f"{to}@{DOMAIN}", sender=sender, raw=header + text(subject, body, sender=sender))
    await here.queue_is_empty()


async def from_outside(here: World, mail_from: str, to: str, subject: str = "") -> None:
    """Under an address that nothing vouches for: by MX, or from a server in front (LMTP)."""
    recipient: Recipient = await here.intake.recipient(f"{to}@{DOMAIN}", None)
    raw = b"From: x@y.example\r\nSubject: " + subject.encode() + b"\r\n\r\n\r\n"
    await here.intake.submit(
        raw, mail_from=mail_from, recipients=[recipient], account=None, markdown=False, trace=Trace()
    )


async def asked(here: World, address: str) -> Petition | None:
    return await here.store.run(petitions.petition, (await source(here)).box, address)


async def last_token(here: World, name: str) -> str:
    (found,) = re.findall(r"^\[([a-z2-7]{26})\] ", (await here.subjects(name))[-1])
    return str(found)


# Who has logged in


def test_open_joining_and_leaving(store: Store) -> None:
    async def main() -> None:
        async with joinable(store) as here:
            await write(here, "anna", "team-join")
            await write(here, "cara", "team-request", "Subscribe")
            assert (await reads(here, "anna"), await reads(here, "cara")) == (True, True)
            await write(here, "bob", "team", "one")
            await write(here, "anna", "team-leave")
            await write(here, "cara", "team-request", "x", "unsubscribe")
            await write(here, "bob", "team", "two")
            assert (await reads(here, "anna"), await reads(here, "cara")) == (False, False)
            about = f"About {TEAM}"
            assert await here.subjects("anna") == [about, "one", about]
            raw = (await here.raws("anna"))[0]
            for line in (b"Return-Path: <>\r\n", b"Auto-Submitted: auto-replied\r\n", b"From: team <team-request@"):
                assert line in raw
            assert await store.run(petitions.waiting) == []

    asyncio.run(main())


def test_twice_and_in_vain(store: Store) -> None:
    async def main() -> None:
        async with joinable(store) as here:
            await write(here, "bob", "team-join")
            await write(here, "anna", "team-leave")
            await write(here, "anna", "team-leave")
            assert b"You read team@opost.example already." in (await here.raws("bob"))[-1]
            assert b"You do not read team@opost.example." in (await here.raws("anna"))[-1]
            assert (await reads(here, "bob"), await reads(here, "anna")) == (True, False)
            await asyncio.gather(*(write(here, "cara", "team-join") for _ in range(4)))
            members = [each.address for each in await store.run(provision.members, (await source(here)).box)]
            assert members == [f"{name}@{DOMAIN}" for name in ("bob", "cara", "mod")]

    asyncio.run(main())


def test_a_closed_group(store: Store) -> None:
    async def main() -> None:
        async with joinable(store, Joining.CLOSED) as here:
            for sender, to in (("anna", "team-join"), ("bob", "team-leave"), ("bob", "everyone-leave")):
                with pytest.raises(Explained, match="owners"):
                    await write(here, sender, to)
            with pytest.raises(Explained):
                await from_outside(here, f"anna@{DOMAIN}", "team-join")
            assert (await reads(here, "anna"), await reads(here, "bob")) == (False, True)
            assert await here.subjects("anna") == []

    asyncio.run(main())


def test_robots_join_nothing(store: Store) -> None:
    async def main() -> None:
        async with joinable(store) as here:
            for header in (b"Auto-Submitted: auto-generated\r\n", b"Precedence: list\r\n", b"List-Id: <x>\r\n"):
                await write(here, "anna", "team-join", header=header)
            await from_outside(here, "", "team-join")
            assert not await reads(here, "anna")
            assert await here.subjects("anna") == []

    asyncio.run(main())


# Who has to be let in


def test_let_in(store: Store) -> None:
    async def main() -> None:
        async with joinable(store, Joining.APPROVAL) as here:
            await write(here, "anna", "team-join")
            await write(here, "anna", "team-join")
            assert len(await here.subjects("anna")) == 2
            assert await here.subjects("mod") == [f"[{await last_token(here, 'mod')}] Asks to join {TEAM}"]
            token = await last_token(here, "mod")
            assert not await reads(here, "anna")
            for sender in ("anna", "bob", "root"):  # a token counts from the login it was sent to
                with pytest.raises(Explained):
                    await write(here, sender, "team-request", f"accept {token}")
            await write(here, "mod", "team-request", f"Re: [{token}] Asks to join", "accept")
            assert await reads(here, "anna")
            with pytest.raises(Explained):
                await write(here, "mod", "team-request", f"discard {token}")
            assert b"You read team@opost.example from now on." in (await here.raws("anna"))[-1]
            await write(here, "anna", "team-leave")  # nobody is asked for that
            assert not await reads(here, "anna")

    asyncio.run(main())


def test_not_let_in(store: Store) -> None:
    async def main() -> None:
        async with joinable(store, Joining.APPROVAL) as here:
            await write(here, "anna", "team-join")
            await write(here, "mod", "team-request", f"discard {await last_token(here, 'mod')}")
            assert not await reads(here, "anna")
            assert b"it was not granted" in (await here.raws("anna"))[-1]
            await write(here, "anna", "team-join")  # may ask again
            assert len(await store.run(petitions.waiting)) == 1
            await provision.take_role(store, TEAM, here.people["mod"].owner, MemberRole.MODERATOR)
            with pytest.raises(Explained, match="no moderator"):
                await write(here, "mod", "team-request", f"accept {await last_token(here, 'mod')}")

    asyncio.run(main())


def test_two_decide_at_once(store: Store) -> None:
    async def main() -> None:
        async with joinable(store, Joining.APPROVAL) as here:
            address = f"anna@{DOMAIN}"
            for _ in range(5):
                await write(here, "anna", "team-join")
                team, decide = await source(here), here.intake.membership.decide
                results = await asyncio.gather(
                    *(decide(team, address, None, accept=accept) for accept in (True, False, True, False)),
                    return_exceptions=True,
                )
                assert [str(each) for each in results if each is not None] == [DECIDED] * 3
                assert await reads(here, "anna") is (None in (results[0], results[2]))
                await provision.leave(store, TEAM, here.people["anna"].owner, NOW)
            await here.queue_is_empty()

    asyncio.run(main())


# Who is not certain


def test_under_somebodys_address(store: Store) -> None:
    """One letter, to whom it is said to be; nothing happens until it comes back, and then once."""

    async def main() -> None:
        async with joinable(store) as here:
            for _ in range(3):
                await from_outside(here, f"anna@{DOMAIN}", "team-join")
            await here.queue_is_empty()
            (subject,) = await here.subjects("anna")
            assert subject.endswith(f"Please confirm: join {TEAM}")
            assert not await reads(here, "anna")
            token = await last_token(here, "anna")
            with pytest.raises(Explained):  # it is anna's
                await write(here, "bob", "team-request", f"confirm {token}")
            await write(
                here, "anna", "team-request", f"Re: [{token}] Please confirm", "confirm\r\n\r\n> Somebody, perhaps"
            )
            assert await reads(here, "anna")
            with pytest.raises(Explained):
                await write(here, "anna", "team-request", f"confirm {token}")
            await from_outside(here, f"anna@{DOMAIN}", "team-leave")
            await here.queue_is_empty()
            assert await reads(here, "anna")
            await from_outside(here, f"anna@{DOMAIN}", "team-request", f"confirm {await last_token(here, 'anna')}")
            assert not await reads(here, "anna")

    asyncio.run(main())


def test_nobody_learns_who_reads_it(store: Store) -> None:
    """The same answer, and no letter, whether somebody reads it or not."""

    async def main() -> None:
        async with joinable(store, relay=True) as here:
            await from_outside(here, f"bob@{DOMAIN}", "team-join")
            await from_outside(here, f"anna@{DOMAIN}", "team-leave")
            await from_outside(here, FAR, "team-leave")
            for name in ("anna", "bob"):
                assert await here.subjects(name) == []
            assert await store.run(queue.depth) == 0
            for nobody in (f"nobody@{DOMAIN}", TEAM):
                with pytest.raises(Explained):
                    await from_outside(here, nobody, "team-join")

    asyncio.run(main())


def test_from_elsewhere(store: Store) -> None:
    async def main() -> None:
        async with joinable(store, relay=True) as here:
            for _ in range(2):
                await from_outside(here, FAR, "team-join")
            (row,) = await store.run(outgoing.waiting, 10)
            assert (row.address, row.origin.sender) == (FAR, "")
            token = re.search(rb"confirm%20([a-z2-7]{26})", await store.run(posts.raw, row.post))
            assert token is not None
            await from_outside(here, "other@far.example", "team-request", f"confirm {token[1].decode()}")
            members = await store.run(outside.members, (await source(here)).box)
            assert [each.address for each in members] == [FAR]
            await from_outside(here, FAR, "team-join")  # is in it already
            assert len(await store.run(outgoing.waiting, 10)) == 2  # the question, and the welcome
            await from_outside(here, FAR.upper(), "team-leave")
            assert len(await store.run(outgoing.waiting, 10)) == 3
        async with world(store, "anna", made=True) as off:
            with pytest.raises(Explained, match="log in"):  # no mail leaves: nobody could be asked
                await from_outside(off, "x@far.example", "team-join")

    asyncio.run(main())


# Ends


def test_nobody_confirms_or_decides(store: Store) -> None:
    async def main() -> None:
        async with joinable(store, Joining.APPROVAL) as here:
            await from_outside(here, f"anna@{DOMAIN}", "team-join")
            await write(here, "cara", "team-join")
            token = await last_token(here, "anna")
            async with world(store, "anna", "cara", made=True, now=lambda: NOW + DAYS) as later:
                with pytest.raises(Explained):
                    await write(later, "anna", "team-request", f"confirm {token}")
                assert await later.intake.membership.once() == 2
                assert await later.intake.membership.once() == 0
                await later.queue_is_empty()
                assert len(await later.subjects("anna")) == 1
                assert b"nobody has decided in time" in (await later.raws("cara"))[-1]

    asyncio.run(main())


def test_broken_off_anywhere(store: Store) -> None:
    """A process that dies after any step leaves a row that the next one finishes, once."""

    async def main() -> None:
        async with joinable(store, Joining.APPROVAL) as here:
            box = (await source(here)).box
            for name, state in (("anna", State.GRANTED), ("cara", State.WAITING)):
                row = Petition(box, f"{name}@{DOMAIN}", here.people[name].owner, False, state, False, NOW, NOW + DAYS)
                assert await store.run(petitions.begin, row, "")
            async with world(store, "anna", "cara", "mod", made=True, now=lambda: NOW + 100) as later:
                assert await later.intake.membership.once() == 2
                assert await later.intake.membership.once() == 0
                await later.queue_is_empty()
                assert (await reads(later, "anna"), await reads(later, "cara")) == (True, False)
                await write(later, "mod", "team-request", f"accept {await last_token(later, 'mod')}")
                assert await reads(later, "cara")

    asyncio.run(main())


def test_the_group_or_the_person_goes_meanwhile(store: Store) -> None:
    async def main() -> None:
        async with joinable(store, Joining.APPROVAL) as here:
            await write(here, "anna", "team-join")
            await write(here, "cara", "team-join")
            token = await last_token(here, "mod")
            await provision.delete_user(store, f"cara@{DOMAIN}")
            assert [row.address for row in await store.run(petitions.waiting)] == [f"anna@{DOMAIN}"]
            with pytest.raises(Explained):
                await write(here, "mod", "team-request", f"accept {token}")
            team = await source(here)
            await provision.delete_group(store, TEAM)
            assert await store.run(petitions.waiting) == []
            with pytest.raises(NoSuchAddress):
                await write(here, "anna", "team-join")
            row = Petition(team.box, f"anna@{DOMAIN}", NOBODY, False, State.WAITING, False, NOW, NOW + DAYS)
            assert not await store.run(petitions.begin, row, "")  # of one that was routed just before
            assert await here.intake.membership.once() == 0

    asyncio.run(main())


def test_there_is_an_end_to_petitions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        from opostd.model.errors import LimitReached

        monkeypatch.setattr(petitions, "MAX_OPEN", 2)
        async with joinable(store, relay=True) as here:
            for each in ("a", "b"):
                await from_outside(here, f"{each}@far.example", "team-join")
            with pytest.raises(LimitReached):
                await from_outside(here, "c@far.example", "team-join")
            assert len(await store.run(outgoing.waiting, 10)) == 2

    asyncio.run(main())
