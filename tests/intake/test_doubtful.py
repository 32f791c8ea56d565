"""A COMMIT without an answer: its sender is told "later", sends again, and the message is there once (promise 1)."""

import asyncio
import contextlib
from functools import partial

import pytest

from opostd.intake.doubtful import EACH, Doubtful
from opostd.model.errors import Unavailable
from opostd.model.mailing import Mailing, Outside, Recipient, Wish
from opostd.store import outgoing
from opostd.store.run import Store
from tests.intake.test_intake import Faults, apart, faults, faulty  # noqa: F401
from tests.intake.world import NOW, text, world
from tests.store.world import new_post


def test_it_is_the_same_post(faulty: Store, faults: Faults) -> None:  # noqa: F811
    _sent_again(faulty, faults)


def test_it_is_the_same_post_where_it_is_delivered_later(apart: Store, faults: Faults) -> None:  # noqa: F811
    _sent_again(apart, faults)


def _sent_again(store: Store, fault: Faults) -> None:
    """Also where its rows of the spool are done meanwhile: they are not written again."""

    async def main() -> None:
        async with world(store) as here:
            recipients = [
                *await here.recipients("anna", "bob"),
                Recipient(Wish("x@elsewhere.example"), (Outside("x@elsewhere.example"),)),
            ]

            async def send(subject: str) -> bytes:
                return await here.submit(subject, recipients=recipients, raw=text(subject, "text", sender="x"))

            fault.no_answers = True
            with pytest.raises(Unavailable):
                await send("doubtful")
            fault.no_answers = False
            (row,) = await store.run(outgoing.lease, 2**40, 60, 10)
            assert await store.run(outgoing.settle, [row.key], [], [], NOW)
            first, second = await asyncio.gather(send("doubtful"), send("doubtful"))
            assert first == second == row.post
            assert await store.run(outgoing.waiting, 10) == []
            other = await send("another")
            assert other != first
            for name in ("anna", "bob"):
                assert await here.subjects(name) == ["doubtful", "another"]
            await here.queue_is_empty(but=1)  # of another, which leaves
            again = await send("doubtful")  # it has been answered: this is a message of its own
            assert again != first
            assert await here.subjects("bob") == ["doubtful", "another", "doubtful"]
            await store.close()

    asyncio.run(main())


def test_one_that_was_not_kept_is_kept_then(faulty: Store, faults: Faults) -> None:  # noqa: F811
    async def main() -> None:
        async with world(faulty) as here:
            faults.fail_from(1)
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await here.submit("never", "anna")
            faults.fail_from(None)
            await here.submit("other", "anna", "bob")
            await here.submit("never", "anna")
            assert await here.subjects("anna") == ["other", "never"]
            await here.submit("never", "bob")  # of another recipient nobody was told "later"
            assert await here.subjects("bob") == ["other", "never"]
            await faulty.close()

    asyncio.run(main())


def test_what_is_remembered_is_bounded() -> None:
    one = 2 * EACH
    doubtful = Doubtful(3 * one)
    mailings = [Mailing(new_post("x" * 100)) for _ in range(10)]
    keys = [bytes([number]) for number in range(10)]
    for key, mailing in zip(keys, mailings, strict=True):
        for again in (False, True):
            with contextlib.suppress(Unavailable), doubtful.kept(partial(bytes, key), mailing) as before:
                assert before is again
                raise Unavailable("the test's fault")
    left = [key for key in keys if doubtful.find(partial(bytes, key))]
    assert left == keys[-len(left) :]
    assert 1 <= len(left) <= 5
    for key, mailing in zip(keys, mailings, strict=True):
        with doubtful.kept(partial(bytes, key), mailing) as before:
            assert before is (key in left)
    assert [doubtful.find(partial(bytes, key)) for key in keys] == [None] * 10
