"""SQLite in one file: a message is kept and put into its boxes by one commit, with no row in the spool."""

import asyncio
import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import pytest

from opostd.config import StoreSettings
from opostd.intake.commit import keep
from opostd.intake.intake import NewMessage
from opostd.model.errors import NoSuchBox, OverQuota, Unavailable
from opostd.model.ids import BoxId, Uid
from opostd.model.mailing import Mailing
from opostd.store import boxes, queue, quota
from opostd.store.delivery import Delivered, Delivery
from opostd.store.run import Group, Store, Tx, writes
from tests.intake.test_intake import GIVES_UP_S, Faults
from tests.intake.world import NOW, add_groups, text, world
from tests.store.world import new_post
from tests.support.mail import to


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def one_file(sqlite_settings: StoreSettings, faults: Faults) -> Iterator[Store]:
    store = Store(replace(sqlite_settings, retry_deadline_s=GIVES_UP_S), faults=faults)
    assert store.together
    yield store
    store.close_sync()


def test_only_in_one_file(postgres_settings: StoreSettings, sqlite_settings: StoreSettings) -> None:
    for settings in (postgres_settings, replace(sqlite_settings, post_url=sqlite_settings.url + ".other")):
        store = Store(settings)
        assert not store.together
        store.close_sync()


def test_one_commit(one_file: Store, faults: Faults) -> None:
    async def main() -> None:
        async with world(one_file) as here:
            await add_groups(here)
            before = faults.commits
            await here.submit("direct", "anna", "bob")
            await here.submit("to all", "anyone")
            assert faults.commits == before + 2
            await here.queue_is_empty()
            assert faults.commits == before + 2
            assert await here.subjects("bob") == ["direct", "to all"]

    asyncio.run(main())


def test_all_or_nothing(one_file: Store, faults: Faults) -> None:
    async def main() -> None:
        async with world(one_file) as here:
            targets = await here.targets("anna")
            faults.fail_from(1)
            with pytest.raises(Unavailable):
                await here.submit("no", "anna")
            messages = [NewMessage(text(str(at))) for at in range(3)]
            for some in (messages, messages[:1]):
                with pytest.raises(Unavailable):
                    await here.intake.append(some, targets[0].owner, targets[0].box)
            faults.fail_from(None)
            assert await here.subjects("anna") == []
            assert await one_file.run(queue.depth) == 0
            assert (await here.intake.append(messages, targets[0].owner, targets[0].box))[1] == (1, 2, 3)

    asyncio.run(main())


def test_a_commit_whose_answer_is_lost(one_file: Store, faults: Faults) -> None:
    async def main() -> None:
        async with world(one_file) as here:
            for count in (1, 2):
                faults.commits, faults.once_after = 0, 1
                await here.submit(f"s{count}", "anna")
                assert faults.once_after is None
            box = await one_file.run(boxes.box_named, here.people["anna"].owner, "INBOX")
            faults.commits, faults.once_after = 0, 1
            await here.intake.append([NewMessage(text("a")), NewMessage(text("b"))], box.owner, box.box)
            assert await here.subjects("anna") == ["s1", "s2", "a", "b"]
            await here.queue_is_empty()

    asyncio.run(main())


def test_new_posts_are_looked_for_in_no_box(one_file: Store) -> None:
    """Unless an earlier try may have put them there: then in each, and nothing is there twice."""

    async def main() -> None:
        async with world(one_file) as here:
            targets = await here.targets("anna", "bob")
            mailing = Mailing(new_post())
            said: list[str] = []

            @writes(Group.POST)
            def traced(tx: Tx, again: bool) -> list[Delivered]:
                driver = tx._connection.connection.dbapi_connection
                assert isinstance(driver, sqlite3.Connection)
                one = Delivery(mailing.post.facts.id, 9, NOW, again=again)
                driver.set_trace_callback(said.append)
                try:
                    return keep(tx, [], [mailing], NOW, [(each.owner, each.box, [one]) for each in targets])
                finally:
                    driver.set_trace_callback(None)

            for again, looks, fresh in ((False, 0, 1), (True, 2, 0)):
                said.clear()
                found = await one_file.run(traced, again)
                assert [(each.uids, each.fresh) for each in found] == [((Uid(1),), fresh)] * 2
                assert sum("FROM delivered_post" in each for each in said) == looks, said

    asyncio.run(main())


def test_a_box_that_is_gone_takes_nobody_with_it(one_file: Store) -> None:
    async def main() -> None:
        async with world(one_file) as here:
            (anna,) = await here.targets("anna")
            gone = replace(anna, box=BoxId(4711))
            await asyncio.gather(
                here.submit("before", "bob"),
                here.submit("half", recipients=to(anna, gone)),
                here.submit("lost", recipients=to(gone)),
                here.submit("after", "bob"),
            )
            assert await here.subjects("anna") == ["half"]
            assert sorted(await here.subjects("bob")) == ["after", "before"]
            with pytest.raises(NoSuchBox):
                await here.intake.append([NewMessage(text("x"))], anna.owner, BoxId(4711))
            await here.queue_is_empty()

    asyncio.run(main())


def test_a_box_that_is_full(one_file: Store) -> None:
    """Kept for it, while others have theirs."""

    async def main() -> None:
        async with world(one_file) as here:
            (anna,) = await here.targets("anna")
            await one_file.run(quota.set_own, anna.owner, quota.Own(messages=1))
            await here.submit("one", "anna", "bob")
            await here.submit("two", "anna", "bob")
            assert await here.subjects("anna") == ["one"]
            assert await here.subjects("bob") == ["one", "two"]
            await here.queue_is_empty(but=1)
            assert await one_file.run(queue.depth) == 1
            with pytest.raises(OverQuota):
                await here.intake.append([NewMessage(text("x"))], anna.owner, anna.box)
            with pytest.raises(OverQuota):
                await here.intake.append([NewMessage(text("x")), NewMessage(text("y"))], anna.owner, anna.box)

    asyncio.run(main())
