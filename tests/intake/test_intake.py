"""From a message to its boxes, on both databases: kept once, delivered once, in order, whatever fails in between."""

import asyncio
import shutil
import sqlite3
import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa

from opostd.config import LimitSettings, StoreSettings
from opostd.intake.append import Appender
from opostd.intake.commit import GroupCommit
from opostd.intake.deliver import Deliverer
from opostd.intake.intake import NewMessage, Trace
from opostd.mime.facts import new_post
from opostd.model.errors import BadMessage, NoSuchAddress, NoSuchBox, NoSuchMessage, NotAllowed, TooBig, Unavailable
from opostd.model.flags import FLAGGED, SEEN, Flags
from opostd.model.ids import BoxId, Uid
from opostd.model.mailing import Target
from opostd.model.new_ids import new_post_id
from opostd.model.records import PostPolicy
from opostd.store import boxes, changes, posts, provision, queue
from opostd.store.run import Group, Store
from tests.intake.world import DOMAIN, NOW, text, world
from tests.support.mail import mailing, to

GIVES_UP_S = 1.0  # short, for tests wait as long; a transaction that fails once is to be tried again in it


class Faults:
    """Counts commits, and lets some of them fail.  fail: given the moment and the number of the commit, from 1."""

    def __init__(self) -> None:
        self.commits = 0
        self.broken = False
        self.broken_from: int | None = None
        self.once_after: int | None = None
        self.no_answers = False
        self._lock = threading.Lock()

    def __call__(self, moment: str) -> None:
        with self._lock:
            self.commits += moment == "before"
            number = self.commits
            lost = moment == "after" and (self.no_answers or number == self.once_after)
            if number == self.once_after and lost:
                self.once_after = None
        if lost or (moment == "before" and (self.broken or (self.broken_from or number + 1) <= number)):
            raise sqlite3.OperationalError("the test's fault")

    def fail_from(self, number: int | None) -> None:
        """Fail each commit from that one on, counted from now; None: no more."""
        with self._lock:
            self.commits = 0
            self.broken_from = number


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def faulty(store_settings: StoreSettings, faults: Faults) -> Store:
    """A store that gives up quickly, with faults to switch on; each test closes it."""
    return Store(replace(store_settings, retry_deadline_s=GIVES_UP_S), faults=faults)


@pytest.fixture
def apart(store_settings: StoreSettings, faults: Faults) -> Store:
    """As ``faulty``, where what is kept and what is delivered are two commits: on SQLite a file for each group."""
    return Store(replace(in_parts(store_settings), retry_deadline_s=GIVES_UP_S), faults=faults)


def in_parts(settings: StoreSettings) -> StoreSettings:
    file = sa.make_url(settings.url).database
    if not settings.url.startswith("sqlite") or file is None:
        return settings
    copies = {f"{group.value}_url": f"{file}.{group.value}" for group in Group}
    for copy in copies.values():
        shutil.copy(file, copy)
    return replace(settings, **{name: f"sqlite:///{copy}" for name, copy in copies.items()})


def test_found_at_once_after_submit(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            for number in range(3):
                post = await here.submit(f"s{number}", "anna", "bob", "anna")
                assert len(await here.raws("anna")) == number + 1
                raw = await store.run(posts.raw, post)
                assert raw == (await here.raws("bob"))[-1]
            assert await here.subjects("anna") == ["s0", "s1", "s2"]
            await here.queue_is_empty()

    asyncio.run(main())


def test_those_who_wait_share_commits(faulty: Store, faults: Faults) -> None:
    async def main() -> None:
        async with world(faulty) as here:
            await here.submit("warm", "anna")
            await here.queue_is_empty()
            faults.commits = 0
            await asyncio.gather(*(here.submit(f"s{number}", "anna", "bob") for number in range(60)))
            await here.queue_is_empty()
            # One by one it were 120 and more.  The first has a commit of its own, the others come while it runs.
            assert faults.commits <= 20, faults.commits
            assert sorted(await here.subjects("bob"))[1:] == sorted(f"s{number}" for number in range(1, 60))
            assert len(await here.subjects("anna")) == 61
        await faulty.close()

    asyncio.run(main())


def test_one_after_the_other_costs_two_commits(faulty: Store, faults: Faults) -> None:
    async def main() -> None:
        async with world(faulty) as here:
            await here.submit("warm", "anna")
            await here.queue_is_empty()
            faults.commits = 0
            for number in range(20):
                await here.submit(f"s{number}", "anna")
            await here.queue_is_empty()
            assert faults.commits <= 3 * 20
            assert await here.subjects("anna") == ["warm", *(f"s{number}" for number in range(20))]
        await faulty.close()

    asyncio.run(main())


def test_a_caller_who_goes_away_stops_nothing(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            targets = await here.targets("anna")
            await here.intake.submit(
                text("before", sender="x"),
                mail_from="",
                recipients=to(*targets),
                account=None,
                markdown=False,
                trace=Trace(),
            )
            gone = asyncio.create_task(here.submit("gone", "anna"))
            await here.until(lambda: bool(here.intake._tasks))  # it has begun
            gone.cancel()
            await asyncio.wait([gone])
            assert gone.cancelled()
            await here.submit("after", "anna")
            assert await here.subjects("anna") == ["before", "gone", "after"]

    asyncio.run(main())


def test_a_post_the_database_refuses_fails_alone(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            targets = await here.targets("anna")
            commit = here.intake._commit
            good = [new_post(text(f"s{number}"), id=new_post_id(), now=NOW) for number in range(4)]
            bad = new_post(text("bad"), id=new_post_id(), now=NOW)
            bad = replace(bad, facts=replace(bad.facts, size=2**70))  # no column takes it
            every = [good[0], good[1], bad, good[2], good[3]]
            results = await asyncio.gather(
                *(commit.keep(mailing(each, *targets)) for each in every), return_exceptions=True
            )
            assert [isinstance(result, Exception) for result in results] == [False, False, True, False, False]
            for each in good:
                assert await store.run(posts.raw, each.facts.id) == each.raw
            assert await store.run(queue.depth) == 4

    asyncio.run(main())


def test_a_box_that_is_gone_stops_nobody(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            targets = await here.targets("anna", "bob")
            missing = Target(here.people["bob"].owner, BoxId(4711))
            await provision.delete_user(store, f"root@{DOMAIN}")
            dead = Target(here.people["root"].owner, BoxId(1))
            await here.intake.submit(
                text("s"),
                mail_from="",
                recipients=to(missing, *targets, dead),
                account=None,
                markdown=False,
                trace=Trace(),
            )
            assert await here.subjects("anna") == ["s"]
            assert await here.subjects("bob") == ["s"]
            await here.queue_is_empty()

    asyncio.run(main())


def test_kept_but_not_delivered_is_delivered_later_in_order(apart: Store, faults: Faults) -> None:
    async def main() -> None:
        async with world(apart) as here:
            await here.submit("zero", "anna")
            await here.queue_is_empty()
            faults.fail_from(2)
            await here.submit("one", "anna")  # 250: the first commit has it
            faults.fail_from(None)
            assert await here.subjects("anna") == ["zero"]
            assert await apart.run(queue.depth) == 1
            await here.submit("two", "anna")
            assert await here.subjects("anna") == ["zero", "one", "two"]
            await here.queue_is_empty()
        await apart.close()

    asyncio.run(main())


def test_an_unknown_outcome_is_not_a_second_post(apart: Store, faults: Faults) -> None:
    async def main() -> None:
        async with world(apart) as here:
            await here.submit("zero", "anna")
            await here.queue_is_empty()
            for number in (1, 2, 3):  # the commit that keeps, that delivers, that clears the spool
                faults.commits, faults.once_after = 0, number
                await here.submit(f"s{number}", "anna")
                await here.until(lambda: faults.once_after is None)
                await here.queue_is_empty()
            assert await here.subjects("anna") == ["zero", "s1", "s2", "s3"]
        await apart.close()

    asyncio.run(main())


def test_what_a_crash_left_is_delivered_once_at_the_next_start(store_settings: StoreSettings, faults: Faults) -> None:
    settings = in_parts(store_settings)

    async def before() -> None:
        store = Store(replace(settings, retry_deadline_s=GIVES_UP_S), faults=faults)
        async with world(store) as here:
            await here.submit("zero", "anna", "bob")
            await here.queue_is_empty()
            faults.fail_from(2)
            await here.submit("one", "anna", "bob")
            faults.fail_from(None)
            faults.commits, faults.broken_from = 0, 3
            await here.submit("two", "bob")  # with it "one" reaches bob; its spool rows stay
        await store.close()

    async def after() -> None:
        store = Store(settings)
        for _ in range(2):
            async with world(store, made=True) as here:
                await here.intake.start()
                await here.queue_is_empty()
                assert await here.subjects("anna") == ["zero", "one"]
                assert await here.subjects("bob") == ["zero", "one", "two"]
        await store.close()

    asyncio.run(before())
    asyncio.run(after())


def test_the_database_away_is_no_250(faulty: Store, faults: Faults) -> None:
    async def main() -> None:
        async with world(faulty) as here:
            await here.submit("zero", "anna")
            await here.queue_is_empty()
            targets = await here.targets("anna")
            faults.broken = True
            with pytest.raises(Unavailable):
                await here.intake.submit(
                    text("no"), mail_from="", recipients=to(*targets), account=None, markdown=False, trace=Trace()
                )
            with pytest.raises(Unavailable):
                await here.intake.append([NewMessage(text("no"))], targets[0].owner, targets[0].box)
            faults.broken = False
            await here.submit("yes", "anna")
            assert await here.subjects("anna") == ["zero", "yes"]
        await faulty.close()

    asyncio.run(main())


def test_append(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            owner = here.people["anna"].owner
            box = await store.run(boxes.box_named, owner, "Archive")
            raw = b"Subject: kept\n\nas it is\rhere \xff"
            flags = Flags(SEEN | FLAGGED, ("$Forwarded",))
            uidvalidity, uids = await here.intake.append([NewMessage(raw, NOW - 5, flags)], owner, box.box)
            assert (uidvalidity, uids) == (box.uidvalidity, (1,))
            assert await here.raws("anna", "Archive") == [raw]
            (row,) = (await store.run(changes.listing, owner, box.box)).rows
            assert (row.bits, row.keywords, row.internaldate) == (flags.bits, flags.keywords, NOW - 5)
            again = await here.intake.append([NewMessage(raw)], owner, box.box)
            assert again[1] == (2,)  # the same octets are another message
            assert (await store.run(changes.listing, owner, box.box)).rows[1].internaldate == NOW
            many = [here.intake.append([NewMessage(raw)], owner, box.box) for _ in range(10)]
            assert sorted(uids for _, uids in await asyncio.gather(*many)) == [(uid,) for uid in range(3, 13)]
            assert await store.run(queue.depth) == 0
            with pytest.raises(NoSuchBox):
                await here.intake.append([NewMessage(raw)], owner, BoxId(4711))
            with pytest.raises(BadMessage):
                await here.intake.append([NewMessage(b"\0")], owner, box.box)
            with pytest.raises(TooBig):
                await here.intake.append([NewMessage(b"\r\n" + b"x" * 1_000_000)], owner, box.box)

    asyncio.run(main())


def test_several_messages_go_in_together(store: Store) -> None:
    """RFC 3502 6.3.11: in their order, with UIDs in a row, whatever else is delivered meanwhile."""

    async def main() -> None:
        async with world(store) as here:
            owner = here.people["anna"].owner
            box = await store.run(boxes.box_named, owner, "INBOX")
            calls = [
                here.intake.append([NewMessage(text(f"{letter}{at}")) for at in range(7)], owner, box.box)
                for letter in "ab"
            ]
            first, second, *_ = await asyncio.gather(*calls, *(here.submit(f"c{at}", "anna") for at in range(5)))
            subjects = dict(enumerate(await here.subjects("anna"), 1))
            for letter, (_, uids) in zip("ab", (first, second), strict=True):
                assert list(uids) == list(range(uids[0], uids[0] + 7))
                assert [subjects[uid] for uid in uids] == [f"{letter}{at}" for at in range(7)]

    asyncio.run(main())


def test_others_have_their_turn_while_many_messages_are_looked_through(store: Store) -> None:
    """MULTIAPPEND of many small ones: each takes the loop half a millisecond."""

    async def main() -> None:
        deliverer = Deliverer(
            store, now=lambda: NOW, settled=lambda _: None, failed=lambda *_: None, ended=lambda *_: None
        )
        commit = GroupCommit(store, now=lambda: NOW)
        appender = Appender(store, commit, deliverer, LimitSettings(), kept=lambda: None)
        made = asyncio.ensure_future(appender.made([NewMessage(text(str(at))) for at in range(41)], NOW))
        turns = 0
        while not made.done():
            await asyncio.sleep(0)
            turns += 1
        assert len(made.result()) == 41
        assert turns >= 10

    asyncio.run(main())


def test_several_messages_or_none(apart: Store, faults: Faults) -> None:
    async def main() -> None:
        async with world(apart) as here:
            owner = here.people["anna"].owner
            box = await apart.run(boxes.box_named, owner, "INBOX")
            messages = [NewMessage(text(str(at))) for at in range(3)]
            with pytest.raises(BadMessage):
                await here.intake.append([*messages, NewMessage(b"\0")], owner, box.box)
            with pytest.raises(NoSuchBox):
                await here.intake.append(messages, owner, BoxId(4711))
            for number in (1, 2):  # the posts are kept, or not even they
                faults.fail_from(number)
                with pytest.raises(Unavailable):
                    await here.intake.append(messages, owner, box.box)
                faults.fail_from(None)
                assert await here.subjects("anna") == []
            assert await here.intake.append(messages, owner, box.box) == (box.uidvalidity, (1, 2, 3))
            assert await here.subjects("anna") == ["0", "1", "2"]
        await apart.close()

    asyncio.run(main())


def test_replace_both_or_neither(faulty: Store, faults: Faults) -> None:
    async def main() -> None:
        async with world(faulty) as here:
            owner = here.people["anna"].owner
            box = await faulty.run(boxes.box_named, owner, "INBOX")
            archive = await faulty.run(boxes.box_named, owner, "Archive")
            await here.intake.append([NewMessage(text("a")), NewMessage(text("b"))], owner, box.box)
            new = NewMessage(text("c"))
            for number in (1, 2):  # the post is kept, or not even that
                faults.fail_from(number)
                with pytest.raises(Unavailable):
                    await here.intake.replace(new, owner, archive.box, (owner, box.box), Uid(1))
                faults.fail_from(None)
                assert await here.subjects("anna") == ["a", "b"]
            with pytest.raises(NoSuchMessage):
                await here.intake.replace(new, owner, archive.box, (owner, box.box), Uid(7))
            assert await here.raws("anna", "Archive") == []
            assert await here.intake.replace(new, owner, archive.box, (owner, box.box), Uid(1)) == (
                archive.uidvalidity,
                1,
            )
            assert await here.subjects("anna") == ["b"]
            assert await here.raws("anna", "Archive") == [text("c")]
            assert await here.intake.replace(new, owner, box.box, (owner, box.box), Uid(2)) == (box.uidvalidity, 3)
            assert await here.subjects("anna") == ["c"]
        await faulty.close()

    asyncio.run(main())


def test_refused_messages_leave_nothing(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            for error, raw, sender in (
                (BadMessage, b"a\nb", None),
                (TooBig, b"\r\n" + b"x\r\n" * 333_400, None),
                (NotAllowed, text("forged", sender="bob"), "anna"),
                (BadMessage, b"From: a\r\n" + text("two"), "anna"),
            ):
                with pytest.raises(error):
                    await here.submit("", "bob", sender=sender, raw=raw)
            with pytest.raises(NoSuchAddress):
                await here.submit("to nobody")
            assert await here.raws("bob") == []
            assert await store.run(queue.depth) == 0

    asyncio.run(main())


def test_markdown_is_built_once_for_all(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            anna = here.people["anna"]
            await provision.add_group(
                store, f"team@{DOMAIN}", title="The team", members=[anna.owner], post=PostPolicy.LOCAL, now=NOW
            )
            targets = await here.targets("team", "bob", sender="anna")
            for mode in (True, "plain", "off", False, "marked"):
                await here.intake.submit(
                    text("s", "*hi*"),
                    mail_from=anna.login,
                    recipients=to(*targets),
                    account=anna,
                    markdown=mode,
                    trace=Trace(),
                )
            found = await here.raws("anna")
            assert found == await here.raws("bob")
            assert [b"<em>hi</em>" in raw for raw in found] == [True, True, False, False, False]
            assert all(b"List-Id: The team <team.opost.example>\r\n" in raw for raw in found)
            # never for mail from elsewhere, whatever the caller says
            await here.intake.submit(
                text("s", "*hi*"), mail_from="", recipients=to(*targets), account=None, markdown=True, trace=Trace()
            )
            assert b"<em>" not in (await here.raws("anna"))[-1]

    asyncio.run(main())


def test_close_answers_first_then_takes_no_more(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            await here.intake.start()
            under_way = [asyncio.create_task(here.submit(f"s{number}", "anna")) for number in range(20)]
            await here.until(lambda: bool(here.intake._tasks))
            await here.intake.close()
            results = await asyncio.gather(*under_way, return_exceptions=True)
            answered = [result for result in results if isinstance(result, bytes)]
            assert answered
            assert all(isinstance(result, bytes | Unavailable) for result in results)
            assert len(await here.subjects("anna")) == len(answered)
            assert await store.run(queue.depth) == 0
            with pytest.raises(Unavailable):
                await here.submit("late", "anna")

    asyncio.run(main())


def test_what_waits_in_memory_is_bounded(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            targets = await here.targets("anna")
            commit = GroupCommit(store, now=lambda: NOW, max_waiting_octets=30_000)
            waiting: list[int] = []
            items = [new_post(text("s", *["x" * 70] * 100), id=new_post_id(), now=NOW) for _ in range(40)]

            async def keep(number: int) -> None:
                await commit.keep(mailing(items[number], *targets))
                waiting.append(commit._waiting_octets)

            await asyncio.gather(*(keep(number) for number in range(40)))
            assert max(waiting) <= 30_000
            await commit.finish()
            assert await store.run(queue.depth) == 40

    asyncio.run(main())
