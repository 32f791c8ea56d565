"""A time by which a message is to be delivered (RFC 2852): returned then, or told of; passed on; traced."""

import asyncio

import pytest

from opostd.intake.trace import Trace
from opostd.model.errors import NotAllowed
from opostd.model.mailing import NOT_SAID, Notify, Outside, Recipient, Terms, Wish
from opostd.model.records import Moderation, PostPolicy
from opostd.store import outgoing, provision
from opostd.store.run import Store
from tests.intake.world import DOMAIN, NOW, text
from tests.worker.peer import OFFERS, told_peer
from tests.worker.world import Site, X, Y, site

TIMED = (*OFFERS, "DELIVERBY 20")


async def send(here: Site, terms: Terms, *to: str, notify: Notify = NOT_SAID) -> bytes:
    return await here.here.intake.submit(
        text("s", "text", sender="bob"),
        mail_from=f"bob@{DOMAIN}",
        recipients=[Recipient(Wish(each, notify), (Outside(each),)) for each in to],
        account=here.here.people["bob"],
        markdown=False,
        trace=Trace(),
        terms=terms,
    )


def later(line: str) -> str | None:
    return "450 4.2.1 later" if line.startswith("RCPT") else None


def by(seconds: int, mode: str) -> Terms:
    return Terms(deliver_by=NOW + seconds, by_mode=mode)


def mails(said: list[str]) -> list[str]:
    return [line.partition(" BY=")[2].partition(" ")[0] for line in said if line.startswith("MAIL")]


async def delivered(here: Site, waiting: int = 0) -> list[bytes]:
    """What bob has, once it has been delivered.  waiting: rows that have not left yet."""
    await here.here.queue_is_empty(but=waiting)
    return await here.here.raws("bob")


def test_what_is_left_of_the_time_goes_on(store: Store) -> None:
    async def main() -> None:
        async with told_peer(offers=TIMED) as peer, site(store, peer) as here:
            await send(here, by(100, "RT"), X)
            await send(here, by(-5, "N"), Y)
            here.now += 30
            assert await here.agent.drain() == 2
            assert sorted(mails(peer.said)) == ["-35;N", "70;RT"]
            (report,) = await delivered(here)  # of the one that is traced
            assert b"\r\nAction: relayed\r\n" in report
            assert b"\r\nDeliver-By-Date: " in report

    asyncio.run(main())


def test_what_is_late_is_returned_at_its_time(store: Store) -> None:
    async def main() -> None:
        async with told_peer(later, TIMED) as peer, site(store, peer) as here:
            post = await send(here, by(65, "R"), X)
            tries = []
            for _ in range(10):
                await here.agent.drain()
                waiting = await store.run(outgoing.of_post, post)
                if not waiting:
                    break
                tries.append(waiting[0].next_at - NOW)
                here.now = waiting[0].next_at
            assert tries[-1] == 65
            assert here.now == NOW + 65
            report = (await delivered(here))[-1]
            assert b"\r\nStatus: 5.4.7\r\n" in report
            assert b"\r\nAction: failed\r\n" in report
            sessions = len(mails(peer.said))
            await here.agent.drain()
            assert len(mails(peer.said)) == sessions

    asyncio.run(main())


def test_what_is_late_is_told_of_once_and_tried_further(store: Store) -> None:
    async def main() -> None:
        refusing = [True]
        async with (
            told_peer(lambda line: later(line) if refusing[0] else None, TIMED) as peer,
            site(store, peer) as here,
        ):
            post = await send(here, by(15, "N"), X, notify=Notify.FAILURE)
            await here.agent.drain()
            here.now += 11
            await here.agent.drain()
            assert await delivered(here, waiting=1) == []
            here.now = NOW + 15
            await here.agent.drain()
            (report,) = await delivered(here, waiting=1)
            assert b"\r\nStatus: 4.4.7\r\n" in report
            assert b"\r\nAction: delayed\r\n" in report
            (waiting,) = await store.run(outgoing.of_post, post)
            refusing[0] = False
            here.now = waiting.next_at
            await here.agent.drain()
            assert peer.copies(X) == 1
            assert mails(peer.said)[-1] == f"{NOW + 15 - here.now};N"
            assert len(await delivered(here)) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("mode", "notify", "copies", "told"),
    [
        ("R", NOT_SAID, 0, b"Status: 5.3.3"),
        ("N", NOT_SAID, 1, b"Action: relayed"),
        ("NT", Notify.NEVER, 1, b""),
        ("", NOT_SAID, 1, b""),
    ],
)
def test_a_server_that_knows_no_time(sqlite: Store, mode: str, notify: Notify, copies: int, told: bytes) -> None:
    async def main() -> None:
        async with told_peer() as peer, site(sqlite, peer) as here:
            await send(here, by(100, mode) if mode else Terms(), X, notify=notify)
            await here.agent.drain()
            assert peer.copies(X) == copies
            assert set(mails(peer.said)) <= {""}
            reports = await delivered(here)
            assert len(reports) == bool(told)
            assert not told or told in reports[0]

    asyncio.run(main())


def test_a_server_that_needs_more_time_than_is_left(sqlite: Store) -> None:
    async def main() -> None:
        async with told_peer(offers=TIMED) as peer, site(sqlite, peer) as here:
            await send(here, by(60, "R"), X)
            here.now += 41
            await here.agent.drain()
            assert peer.copies(X) == 0
            (report,) = await delivered(here)
            assert b"\r\nStatus: 5.4.7\r\n" in report

    asyncio.run(main())


def test_nothing_is_promised_where_a_moderator_decides(sqlite: Store) -> None:
    async def main() -> None:
        async with told_peer() as peer, site(sqlite, peer) as here:
            await provision.add_group(sqlite, f"team@{DOMAIN}", title="", members=[], post=PostPolicy.ANYONE, now=NOW)
            await provision.change(sqlite, f"team@{DOMAIN}", "moderation", int(Moderation.ALL))
            with pytest.raises(NotAllowed):
                await here.here.intake.submit(
                    text("s", "text", sender="bob"),
                    mail_from=f"bob@{DOMAIN}",
                    recipients=await here.here.recipients("team", sender="bob"),
                    account=here.here.people["bob"],
                    markdown=False,
                    trace=Trace(),
                    terms=by(100, "R"),
                )

    asyncio.run(main())
