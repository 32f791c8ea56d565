"""What is done again and again: a fault is said and ends nothing, and closing breaks off what is being done."""

import asyncio
import logging

import pytest

from opostd.intake.rounds import Loop
from opostd.model.errors import Unavailable

log = logging.getLogger("opostd.test")


def test_no_fault_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        faults: list[Exception] = [Unavailable("the database is down"), ValueError("a bug")]
        done, begun = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            if faults:
                raise faults.pop(0)
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                done.set()

        loop = Loop("the sweeper", work, 0.0, log)
        loop.start()
        async with asyncio.timeout(60):
            await begun.wait()
        await loop.close()
        assert done.is_set()

    asyncio.run(main())
    first, second = caplog.records
    assert first.getMessage() == "the sweeper: not done, trying again: the database is down"
    assert second.getMessage() == "the sweeper met a bug, and goes on"
    assert second.exc_info


def test_later() -> None:
    """It begins with the pause; one that was never started is closed without a word."""

    async def main() -> None:
        order, done = list[str](), asyncio.Event()

        async def work() -> None:
            order.append("work")

        async def pause() -> None:
            order.append("pause")
            if len(order) > 3:
                done.set()
                await asyncio.Event().wait()

        await Loop("nothing", work, 1.0, log).close()
        loop = Loop("something", work, pause, log, later=True)
        loop.start()
        async with asyncio.timeout(60):
            await done.wait()
        await loop.close()
        assert order == ["pause", "work", "pause", "work", "pause"]

    asyncio.run(main())
