"""Mail leaves: taken, refused, tried again as scheduled, told, by one agent or several."""

import asyncio
import re

import pytest

from opostd.model.errors import BadAddress, NotAllowed
from opostd.model.mailing import Notify
from opostd.store import outgoing, queue
from opostd.store.run import Store
from opostd.worker import agent as agents
from tests.intake.world import NOW, text, world
from tests.worker.peer import CLOSE, OFFERS, Peer, aiosmtpd_peer, told_peer
from tests.worker.world import QUEUE, X, Y, site


def test_mail_leaves_and_stays(store: Store) -> None:
    async def main() -> None:
        async with aiosmtpd_peer() as peer, site(store, peer) as here:
            raw = b"From: bob@opost.example\r\nBcc: x@else.example\r\nSubject: s\r\n\r\n.dot\r\ntext\r\n"
            await here.send("", X, "anna", Y, X, raw=raw)
            assert await here.agent.drain() == 2
            (taken,) = peer.taken
            assert taken.sender == "bob@opost.example"
            assert sorted(taken.recipients) == [Y, X]
            assert taken.raw.startswith(b"Received: from client.example ")
            assert taken.raw.endswith(b"\r\n\r\n.dot\r\ntext\r\n")
            assert b"Bcc" not in taken.raw
            await here.here.queue_is_empty()
            assert await here.here.subjects("anna") == ["s"]
            assert await here.here.subjects("bob") == []

    asyncio.run(main())


def test_nothing_leaves_without_a_login_or_a_relay(store: Store) -> None:
    async def main() -> None:
        async with world(store, relay=True) as here:
            with pytest.raises(NotAllowed):
                await here.intake.route(X, None)
            for bad in (
                "x@",
                "x y@else.example",
                "x@else..example",
                "x@-else.example",
                'x"@else.example',
                "x@[192.0.2.1]",
            ):
                with pytest.raises(BadAddress):
                    await here.intake.route(bad, here.people["anna"])
        async with world(store, made=True) as here:
            with pytest.raises(BadAddress):
                await here.intake.route(X, here.people["anna"])

    asyncio.run(main())


def test_every_pause_the_delay_and_the_end_are_as_configured(store: Store) -> None:
    async def main() -> None:
        async with told_peer(lambda line: "451 4.7.1 grey\x01listed" if line.startswith("RCPT") else None) as peer:
            async with site(store, peer) as here:
                post = await here.send("late", X)
                waits, told = [], []
                while rows := await store.run(outgoing.of_post, post):
                    here.now = max(here.now, rows[0].next_at - 1)
                    assert await here.agent.drain() == (1 if rows[0].next_at <= here.now else 0)
                    here.now = max(here.now, rows[0].next_at)
                    if rows[0].next_at > NOW:
                        assert await here.agent.drain() == 1
                    waits.append(here.now - NOW)
                    await here.here.queue_is_empty(but=len(await store.run(outgoing.of_post, post)))
                    told.append([_action(raw) for raw in await here.here.raws("bob")])
                assert waits == [0, 11, 32, 73, 134]
                assert told == [[], [], ["delayed"], ["delayed"], ["delayed", "failed"]]
                delayed, failed = await here.here.raws("bob")
                assert b"\r\nWill-Retry-Until: " in delayed
                assert (
                    b"\r\nStatus: 4.7.1\r\nRemote-MTA: dns; 127.0.0.1\r\nDiagnostic-Code: smtp; 451 4.7.1 grey?listed\r\n"
                    in delayed
                )
                assert b"\r\nFinal-Recipient: rfc822; x@else.example\r\nAction: failed\r\nStatus: 5.4.7\r\n" in failed
                assert b"Subject: late\r\n" in failed
                await here.here.queue_is_empty()
                assert sum(line.startswith("RCPT") for line in peer.said) == QUEUE.tries

    asyncio.run(main())


def _action(raw: bytes) -> str:
    found = re.search(rb"\r\nAction: (\w+)\r\n", raw)
    assert found
    return found[1].decode()


REFUSALS = [
    ("RCPT TO:<Why", "550 5.1.1 nobody", {X}, "5.1.1"),
    ("MAIL", "550 nothing from you", set(), "5.0.0"),
    ("DATA", "554 5.7.1 no", set(), "5.7.1"),
    (".", "554 5.6.0 bad", set(), "5.6.0"),
]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(("command", "said", "taken", "status"), REFUSALS)
def test_what_is_refused_is_told_at_once(
    sqlite: Store, command: str, said: str, taken: set[str], status: str, pipelining: bool
) -> None:
    async def main() -> None:
        offers = OFFERS if pipelining else OFFERS[1:]
        async with told_peer(lambda line: said if line.startswith(command) else None, offers) as peer:
            async with site(sqlite, peer) as here:
                await here.send("s", X, Y)
                await here.agent.drain()
                await here.here.queue_is_empty()
                assert {address for each in peer.taken for address in each.recipients} == taken
                (report,) = await here.here.raws("bob")
                assert f"\r\nAction: failed\r\nStatus: {status}\r\n".encode() in report
                assert report.count(b"Final-Recipient:") == 2 - len(taken)

    asyncio.run(main())


def test_a_bounce_is_never_answered(sqlite: Store) -> None:
    async def main() -> None:
        async with told_peer(lambda line: "550 no" if line.startswith("MAIL") else None) as peer:
            async with site(sqlite, peer) as here:
                from opostd.intake.trace import Trace
                from opostd.model.mailing import Outside, Recipient, Wish

                await here.here.intake.submit(
                    text("b"),
                    mail_from="",
                    recipients=[Recipient(Wish(X), (Outside(X),))],
                    account=None,
                    markdown=False,
                    trace=Trace(),
                )
                await here.agent.drain()
                await here.here.queue_is_empty()
                assert [line for line in peer.said if line.startswith("MAIL")] == ["MAIL FROM:<>"]
                for name in ("anna", "bob", "root"):
                    assert await here.here.raws(name) == []

    asyncio.run(main())


def test_success_is_told_by_us_where_the_server_will_not(sqlite: Store) -> None:
    async def main() -> None:
        async with told_peer() as plain, site(sqlite, plain) as here:
            await here.send("s", X, notify=Notify.SUCCESS | Notify.FAILURE)
            await here.agent.drain()
            await here.here.queue_is_empty()
            (report,) = await here.here.raws("bob")
            assert b"\r\nAction: relayed\r\nStatus: 2.0.0\r\n" in report
            assert b"\r\nOriginal-Envelope-Id: E+1\r\n" in report
            assert not any("NOTIFY" in line or "ENVID" in line for line in plain.said)

    asyncio.run(main())


def test_wishes_go_on_to_a_server_that_knows_them(sqlite: Store) -> None:
    async def main() -> None:
        async with told_peer(offers=(*OFFERS, "DSN", "SIZE 1000000")) as peer, site(sqlite, peer) as here:
            await here.send("s", X, notify=Notify.SUCCESS | Notify.FAILURE)
            await here.agent.drain()
            await here.here.queue_is_empty()
            assert await here.here.raws("bob") == []
            (mail,) = [line for line in peer.said if line.startswith("MAIL")]
            assert re.fullmatch(r"MAIL FROM:<bob@opost\.example> SIZE=[0-9]+ ENVID=E\+2B1", mail)
            assert f"RCPT TO:<{X}> NOTIFY=SUCCESS,FAILURE" in peer.said

    asyncio.run(main())


UNFIT = [
    ("8BITMIME", "bär".encode(), b"5.6.3"),
    ("SMTPUTF8", b"", b"5.6.7"),
    ("SIZE", b"x" * 500, b"5.3.4"),
]


@pytest.mark.parametrize(("lacking", "body", "status"), UNFIT)
def test_a_message_that_a_server_cannot_take(sqlite: Store, lacking: str, body: bytes, status: bytes) -> None:
    async def main() -> None:
        offers = (*(each for each in OFFERS if each != lacking), "SIZE 400")
        async with told_peer(offers=offers) as peer, site(sqlite, peer) as here:
            subject = "jürgen" if lacking == "SMTPUTF8" else "s"
            raw = f"From: bob@opost.example\r\nSubject: {subject}\r\n\r\n".encode() + body
            await here.send("", X, raw=raw)
            await here.agent.drain()
            await here.here.queue_is_empty()
            (report,) = await here.here.raws("bob")
            assert b"\r\nStatus: " + status in report
            assert peer.taken == []

    asyncio.run(main())


@pytest.mark.parametrize("moment", ["connect", "EHLO", "MAIL", "RCPT", "DATA", "before the answer"])
def test_a_connection_that_is_lost_is_tried_again(sqlite: Store, moment: str) -> None:
    async def main() -> None:
        lost = [1]

        def once(line: str) -> str | None:
            return CLOSE if line.startswith(moment) and lost and not lost.clear() else None

        async with told_peer(once) as peer, site(sqlite, peer) as here:
            post = await here.send("s", X)
            assert await here.agent.drain() == 1
            (row,) = await sqlite.run(outgoing.of_post, post)
            assert (row.attempts, row.next_at) == (1, NOW + 11)
            assert row.last_error
            here.now = NOW + 61
            assert await here.agent.drain() == 1
            assert await sqlite.run(queue.depth) == 0
            # What was answered by nobody is sent again: twice, rather than never (RFC 5321 6.1).
            assert peer.copies(X) == (2 if moment.startswith("before") else 1)
            assert await here.here.raws("bob") == []

    asyncio.run(main())


def test_a_destination_that_is_away_is_left_alone_for_a_while(sqlite: Store) -> None:
    async def main() -> None:
        here_peer = Peer(port=1)
        async with site(sqlite, here_peer) as here:
            one = await here.send("one", X)
            assert await here.agent.drain() == 1
            two = await here.send("two", X)
            assert await here.agent.drain() == 1
            ((first,), (second,)) = [await sqlite.run(outgoing.of_post, each) for each in (one, two)]
            assert (first.attempts, first.next_at) == (1, NOW + 11)
            assert "cannot connect to 127.0.0.1" in first.last_error
            assert (second.attempts, second.next_at) == (0, NOW + agents.DOWN_S)

    asyncio.run(main())


def test_one_connection_carries_many(sqlite: Store) -> None:
    async def main() -> None:
        async with aiosmtpd_peer() as peer, site(sqlite, peer, messages_per_connection=10) as here:
            for number in range(25):
                await here.send(f"s{number}", X)
            assert await here.agent.drain() == 25
            assert (len(peer.taken), peer.connections) == (25, 3)

    asyncio.run(main())


def test_two_agents_send_each_message_once(store: Store) -> None:
    async def main() -> None:
        async with aiosmtpd_peer() as peer, site(store, peer, connections=3) as here:
            for number in range(40):
                await here.send(f"s{number}", X, Y)
            assert sum(await asyncio.gather(here.agent.drain(), here.another().drain())) == 80
            assert (peer.copies(X), peer.copies(Y)) == (40, 40)
            assert await store.run(queue.depth) == 0

    asyncio.run(main())


def test_a_message_whose_lease_has_ended_is_not_sent(store: Store) -> None:
    """Somebody else may have it by then: the server must not answer for it twice."""

    async def main() -> None:
        async def drain() -> None:
            await here.agent.drain()

        def late(line: str) -> str | None:
            if line == "DATA":
                here.now = NOW + QUEUE.lease_s
            return None

        async with told_peer(late) as peer, site(store, peer) as here:
            await here.send("s", X)
            await store.run(outgoing.lease, NOW - 1, 1, 10)  # nothing is due
            assert await here.agent.drain() == 2  # the second time, it is within its lease
            assert peer.copies(X) == 1
            assert peer.said.count("DATA") == 2

    asyncio.run(main())


def test_what_is_on_its_way_is_not_taken_up_again_by_its_own_agent(store: Store) -> None:
    """Its lease has ended, for the database was away; it was sent, and is settled as soon as that can be."""

    async def main() -> None:
        looks: list[asyncio.Task[int]] = []

        def look(line: str) -> str | None:
            if line == "." and not looks:
                here.now += QUEUE.lease_s
                looks.append(asyncio.get_running_loop().create_task(here.agent._look()))
            return None

        async with told_peer(look) as peer, site(store, peer) as here:
            await here.send("s", X)
            assert await here.agent.drain() == 1
            assert await looks[0] == 0
            assert peer.copies(X) == 1
            await here.here.queue_is_empty()

    asyncio.run(main())


def test_leases_are_renewed_by_who_has_them_and_end_by_themselves(store: Store) -> None:
    async def main() -> None:
        async with aiosmtpd_peer() as peer, site(store, peer) as here:
            await here.send("s", X, Y)
            rows = await store.run(outgoing.lease, NOW, 10, 10)
            keys = [row.key for row in rows]
            assert [row.attempts for row in rows] == [1, 1]
            assert await store.run(outgoing.lease, NOW + 9, 10, 10) == []
            assert await store.run(outgoing.renew, keys, NOW + 9, 10) == set(keys)
            assert await store.run(outgoing.lease, NOW + 18, 10, 10) == []
            assert await store.run(outgoing.renew, keys, NOW + 19, 10) == set()
            assert len(await store.run(outgoing.lease, NOW + 19, 10, 10)) == 2
            busy = ["else.example"]
            assert [row.address for row in await store.run(outgoing.lease, NOW + 99, 1, 10, busy)] == [Y]

    asyncio.run(main())


def test_a_stop_gives_back_what_was_not_tried(sqlite: Store) -> None:
    async def main() -> None:
        stopped = asyncio.Event()

        def stop(line: str) -> str | None:
            if line == "DATA":
                stopped.set()
            return None

        async with told_peer(stop) as peer, site(sqlite, peer) as here:
            for number in range(5):
                await here.send(f"s{number}", X)
            await here.agent.start()
            await stopped.wait()
            await here.agent.close()
            taken = len(peer.taken)
            rows = await sqlite.run(outgoing.waiting, 10)
            assert len(rows) == 5 - taken
            assert all((row.attempts, row.next_at) == (0, NOW) for row in rows)
            assert await here.another().drain() == 5 - taken
            assert peer.copies(X) == 5

    asyncio.run(main())
