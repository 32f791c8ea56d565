"""What a sender asks of the way: REQUIRETLS, a time before which nothing is sent, a priority."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from opostd.intake.trace import Trace
from opostd.model.errors import NotAllowed
from opostd.model.mailing import Outside, Recipient, Terms, Wish
from opostd.model.records import Moderation, PostPolicy
from opostd.store import outgoing, provision, queue
from opostd.store.run import Store
from tests.intake.test_retry import retry
from tests.intake.world import DOMAIN, NOW, text
from tests.worker.certificates import make
from tests.worker.peer import OFFERS, aiosmtpd_peer, told_peer
from tests.worker.world import Site, X, Y, site

HOUR_S = 3600


async def send(here: Site, subject: str, terms: Terms, *to: str, sender: str = f"bob@{DOMAIN}") -> bytes:
    own = sender.endswith(DOMAIN)
    return await here.here.intake.submit(
        text(subject, "text", sender="bob" if own else "x"),
        mail_from=sender,
        recipients=[
            Recipient(Wish(each), (Outside(each),)) if "@" in each else (await here.here.recipients(each))[0]
            for each in to
        ],
        account=here.here.people["bob"] if own else None,
        markdown=False,
        trace=Trace(),
        terms=terms,
    )


def test_nothing_is_there_or_leaves_before_its_time(store: Store) -> None:
    async def main() -> None:
        async with told_peer() as peer, site(store, peer) as here:
            post = await send(here, "later", Terms(hold_until=NOW + HOUR_S), "anna", X)
            await here.here.submit("now", "anna")
            assert await here.here.subjects("anna") == ["now"]
            assert await here.agent.drain() == 0
            assert await retry(here.here, now=NOW + HOUR_S - 1).drain() == 0
            (waiting,) = await store.run(outgoing.of_post, post)
            assert (waiting.next_at, waiting.created) == (NOW + HOUR_S, NOW + HOUR_S)
            here.now = NOW + HOUR_S
            assert await here.agent.drain() == 1
            assert peer.copies(X) == 1
            assert await retry(here.here, now=NOW + HOUR_S).drain() == 1
            assert await here.here.subjects("anna") == ["now", "later"]
            await here.here.queue_is_empty()

    asyncio.run(main())


def test_a_restart_does_not_release_it(sqlite: Store) -> None:
    async def main() -> None:
        async with told_peer() as peer:
            async with site(sqlite, peer) as here:
                await send(here, "later", Terms(hold_until=NOW + HOUR_S), "anna")
                await here.here.intake._retry.start()
                assert await here.here.subjects("anna") == []
                assert await sqlite.run(queue.depth) == 1

    asyncio.run(main())


def test_what_a_moderator_decides_is_not_held_or_promised(sqlite: Store) -> None:
    async def main() -> None:
        async with told_peer() as peer, site(sqlite, peer) as here:
            people = here.here.people
            await provision.add_group(
                sqlite, f"team@{DOMAIN}", title="", members=[people["anna"].owner], post=PostPolicy.ANYONE, now=NOW
            )
            await provision.change(sqlite, f"team@{DOMAIN}", "moderation", int(Moderation.ALL))
            for terms in (Terms(hold_until=NOW + 1), Terms(require_tls=True)):
                with pytest.raises(NotAllowed):
                    await send(here, "s", terms, "team")

    asyncio.run(main())


def test_who_has_priority_leaves_first(store: Store) -> None:
    async def main() -> None:
        offers = (*OFFERS, "MT-PRIORITY")
        async with told_peer(offers=offers) as peer, site(store, peer) as here:
            for priority in (0, -4, 9, 0, 4):
                await send(here, f"p{priority}", Terms(priority=priority), X)
            await here.agent.drain()
            assert [line.partition("MT-PRIORITY=")[2] for line in peer.said if line.startswith("MAIL")] == [
                "9",
                "4",
                "",
                "",
                "-4",
            ]

    asyncio.run(main())


def test_a_server_that_knows_no_priority_is_told_none(sqlite: Store) -> None:
    async def main() -> None:
        async with told_peer() as peer, site(sqlite, peer) as here:
            await send(here, "s", Terms(priority=9), X)
            await here.agent.drain()
            assert not any("MT-PRIORITY" in line for line in peer.said)
            assert peer.copies(X) == 1

    asyncio.run(main())


REQUIRE = [("verify", True), ("encrypt", False), ("off", False)]


@pytest.mark.parametrize(("checks", "goes"), REQUIRE)
def test_requiretls_goes_to_who_is_known_alone(sqlite: Store, tmp_path: Path, checks: Any, goes: bool) -> None:
    """aiosmtpd does not offer it: who does is added to its answer."""

    async def main() -> None:
        authority = make(tmp_path, "authority")
        context = make(tmp_path, "localhost", issuer=authority).context()
        async with aiosmtpd_peer(None if checks == "off" else context, requiretls=True) as peer:
            relay = {"smarthost": f"localhost:{peer.port}", "tls": checks, "ca_file": str(authority.file)}
            async with site(sqlite, peer, **relay) as here:
                await send(here, "ordinary", Terms(), Y)
                await send(here, "careful", Terms(require_tls=True), X)
                await here.agent.drain()
                await here.here.queue_is_empty()
                assert (peer.copies(X), peer.copies(Y)) == (int(goes), 1)
                assert peer.required == ([X] if goes else [])
                told = await here.here.raws("bob")
                if goes:
                    assert told == []
                else:
                    (report,) = told
                    assert b"\r\nStatus: 5.7.30\r\n" in report
                    assert b"text/rfc822-headers" in report  # RFC 8689 5: no more of it than must be

    asyncio.run(main())


def test_what_is_told_of_it_is_sent_with_the_same_care(store: Store) -> None:
    async def main() -> None:
        async with told_peer() as peer, site(store, peer) as here:
            await send(here, "s", Terms(require_tls=True), X, sender="y@third.example")
            assert await here.agent.drain() == 2  # the message, and what tells of it: neither may go in the clear
            assert not [line for line in peer.said if line.startswith("MAIL")]
            await here.here.queue_is_empty()

    asyncio.run(main())
