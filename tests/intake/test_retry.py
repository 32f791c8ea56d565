"""How long the spool waits, how it ends, and that one row which no box takes holds up no other."""

import asyncio
from email import message_from_bytes

import pytest

from opostd.intake.deliver import Arrival, Deliverer, Ticket
from opostd.intake.retry import Retry
from opostd.intake.schedule import Schedule
from opostd.mime.facts import new_post
from opostd.model.ids import BoxId, OwnerId
from opostd.model.mailing import Notify, Recipient, Target, Wish
from opostd.model.new_ids import new_post_id
from opostd.model.records import NewPost
from opostd.store import accounts, posts, queue
from opostd.store.delivery import Delivery
from opostd.store.run import Store
from opostd.store.spooling import HELD_AT
from tests.intake.world import DOMAIN, NOW, World, text, world
from tests.support.mail import mailing

SCHEDULE = Schedule(tries=6, first_pause_s=10, longest_pause_s=100, warn_after_s=60)


def retry(here: World, deliverer: Deliverer | None = None, now: int = NOW) -> Retry:
    return Retry(
        here.store,
        deliverer or here.intake._deliverer,
        schedule=SCHEDULE,
        teller=here.intake.teller,
        kept=here.intake.kept,
        now=lambda: now,
        chance=lambda: 0.0,
    )


def refusing(store: Store) -> Deliverer:
    """A deliverer whose clock is past what a column takes, so that every box refuses its row."""
    return Deliverer(
        store,
        now=lambda: 2**70,
        settled=lambda keys: None,
        failed=lambda row, error: None,
        ended=lambda row, error: None,
    )


def test_a_row_no_box_takes_fails_alone(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            anna, bob = await here.targets("anna", "bob")
            loop = asyncio.get_running_loop()
            ids = [new_post_id() for _ in range(3)]
            arrivals = []
            for id_, size in zip(ids, (1, 2**70, 3), strict=True):  # no column takes the second
                ticket = Ticket(1, loop.create_future())
                arrivals.append(Arrival(anna.owner, anna.box, Delivery(id_, size, NOW), (ticket,), spooled=False))
            ticket = Ticket(1, loop.create_future())
            arrivals.append(Arrival(bob.owner, bob.box, Delivery(ids[0], 1, NOW), (ticket,), spooled=False))
            here.intake._deliverer.put(arrivals)
            await asyncio.gather(*(each.tickets[0].done for each in arrivals))
            errors = [each.tickets[0].error for each in arrivals]
            assert [error is None for error in errors] == [True, False, True, True]
            assert [each.tickets[0].placed[anna.owner, anna.box][1] for each in (arrivals[0], arrivals[2])] == [1, 2]

    asyncio.run(main())


def test_what_is_leased_comes_in_order_of_acceptance_and_once(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            (anna,) = await here.targets("anna")
            new = [_post(f"s{number}") for number in range(5)]
            await store.run(posts.accept, [mailing(each, anna) for each in reversed(new)], NOW)
            assert sum(await asyncio.gather(retry(here).drain(), retry(here).drain())) == 5
            await here.queue_is_empty()
            assert await here.subjects("anna") == [f"s{number}" for number in range(5)]

    asyncio.run(main())


@pytest.mark.parametrize("sender", [f"bob@{DOMAIN}", "", "x@other.example"])
def test_what_fails_again_and_again_is_told_and_held_and_released(store: Store, sender: str) -> None:
    """Hours by the clock's argument: every pause, the delay, the end, as scheduled; then the box takes it after all."""

    async def main() -> None:
        async with world(store) as here:
            (anna,) = await here.targets("anna")
            post = _post("late")
            await store.run(posts.accept, [mailing(post, anna, sender=sender)], NOW)
            deliverer, now, pauses, told = refusing(store), NOW, [], []
            for attempt in range(1, 7):
                assert await retry(here, deliverer, now - 1).drain() == 0, "not before its time"
                assert await retry(here, deliverer, now).drain() == 1
                await here.queue_is_empty(but=1)  # what is told has come
                (row,) = await store.run(queue.of_post, post.facts.id)
                assert (row.attempts, bool(row.last_error)) == (attempt, True)
                pauses.append(row.next_at - now)
                told.append(len(await here.raws("bob")))
                now = row.next_at
            assert pauses[:5] == [11, 21, 41, 81, 101]
            assert (row.next_at, row.held) == (HELD_AT, True)
            local = sender.startswith("bob")
            # The fourth try is at 73 s, past 60: the delay is told once; the last is the end.
            assert told == ([0, 0, 0, 1, 1, 2] if local else [0] * 6)
            if local:
                delayed, failed = (message_from_bytes(raw) for raw in await here.raws("bob"))
                assert "Action: delayed" in str(delayed)
                assert "Will-Retry-Until:" in str(delayed)
                assert "Action: failed" in str(failed)
                assert "Status: 5.4.7" in str(failed)
                assert "Subject: late" in str(failed)
                assert failed["Return-Path"] == "<>"
            assert await retry(here, None, NOW + 10**9).drain() == 0, "what is held waits for a person"
            assert await here.subjects("anna") == []
            await store.run(queue.retry_later, row.key, "", NOW)
            assert await retry(here).drain() == 1
            await here.queue_is_empty()
            assert await here.subjects("anna") == ["late"]

    asyncio.run(main())


def test_a_box_that_is_gone_is_told_and_forgotten(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            gone = Target(OwnerId(12345), BoxId(6))
            post = _post("into nothing")
            await store.run(posts.accept, [mailing(post, gone, sender=f"bob@{DOMAIN}")], NOW)
            assert await retry(here).drain() == 1
            await here.queue_is_empty()
            (failed,) = await here.raws("bob")
            assert b"\r\nAction: failed\r\nStatus: 5.2.1\r\n" in failed
            assert b"somebody@opost.example" in failed

    asyncio.run(main())


@pytest.mark.parametrize(
    ("own", "header", "language"),
    [
        ("", "", b"en"),
        ("", "Accept-Language: tlh, de-AT;q=0.9, fr;q=0.1", b"de"),
        ("fr-CA", "Accept-Language: de", b"fr"),
    ],
)
def test_is_told_in_the_language_of_the_sender(store: Store, own: str, header: str, language: bytes) -> None:
    async def main() -> None:
        async with world(store) as here:
            await store.run(accounts.set_language, here.people["bob"].owner, own)
            post = _post("into nothing", header)
            gone = Target(OwnerId(12345), BoxId(6))
            await store.run(posts.accept, [mailing(post, gone, sender=f"bob@{DOMAIN}")], NOW)
            assert await retry(here).drain() == 1
            await here.queue_is_empty()
            (failed,) = await here.raws("bob")
            assert b"\r\nContent-Language: " + language + b"\r\n" in failed
            assert b"\r\nAction: failed\r\n" in failed

    asyncio.run(main())


def test_success_is_told_once_for_a_person_and_for_a_group(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            (anna,) = await here.targets("anna")
            wanted = Notify.SUCCESS | Notify.FAILURE
            recipients = [
                Recipient(Wish(f"anna@{DOMAIN}", wanted, "rfc822;Anna+2Bx@else.example"), (anna,)),
                Recipient(Wish(f"root@{DOMAIN}", Notify.NEVER), await here.targets("root")),
            ]
            raw = text("receipt", sender="bob")
            post = await here.submit("", sender="bob", raw=raw, recipients=recipients, envid="id+2D7")
            await here.queue_is_empty()
            assert await here.subjects("anna") == ["receipt"]
            (report,) = await here.raws("bob")
            assert b"\r\nAction: delivered\r\nStatus: 2.0.0\r\n" in report
            assert b"\r\nOriginal-Recipient: rfc822; Anna+x@else.example\r\n" in report
            assert b"\r\nOriginal-Envelope-Id: id-7\r\n" in report
            assert b"root@" not in report.partition(b"Content-Type: text/rfc822-headers")[0]
            assert await store.run(queue.of_post, post) == []

    asyncio.run(main())


def test_success_is_told_after_a_crash_before_it(store: Store) -> None:
    """The spool row is there until the report is: who dies in between loses neither."""

    async def main() -> None:
        async with world(store) as here:
            (anna,) = await here.targets("anna")
            post = _post("receipt")
            wish = Wish(f"anna@{DOMAIN}", Notify.SUCCESS)
            kept = mailing(post, anna, sender=f"bob@{DOMAIN}", wish=wish)
            await store.run(posts.accept, [kept], NOW)
            assert await retry(here).drain() == 1
            await here.queue_is_empty()
            (report,) = await here.raws("bob")
            assert b"\r\nAction: delivered\r\n" in report

    asyncio.run(main())


def test_a_lost_post_is_held(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            (anna,) = await here.targets("anna")
            post = _post("lost")
            await store.run(posts.accept, [mailing(post, anna)], NOW)
            await store.run(_forget, post.facts.id)
            await retry(here).drain()
            (row,) = await store.run(queue.waiting, 10)
            assert (row.held, row.last_error) == (True, "LostPost: the store has no such post")

    asyncio.run(main())


@queue.writes(queue.Group.POST)
def _forget(tx: queue.Tx, id_: bytes) -> None:
    import sqlalchemy as sa

    from opostd.store import schema

    tx.execute(sa.delete(schema.post).where(schema.post.c.id == id_))


def _post(subject: str, header: str = "") -> NewPost:
    raw = (header + "\r\n" if header else "").encode() + text(subject)
    return new_post(raw, id=new_post_id(), now=NOW)
