"""The way of work to a thread and back: in order, to whoever still waits, and not after the end."""

import asyncio
import threading
import time

import pytest
import sqlalchemy as sa

from opostd.model.errors import Unavailable
from opostd.store.threads import InThread, OnLoop, Threads


def threads(count: int = 1) -> Threads:
    engine = sa.create_engine("sqlite://", poolclass=sa.NullPool)
    return Threads("test", count, engine.connect)


def test_results_and_errors_come_back() -> None:
    pool = threads()

    async def main() -> None:
        good: OnLoop[int] = OnLoop()
        pool.submit(lambda: 7, good)
        bad: OnLoop[float] = OnLoop()
        pool.submit(lambda: 1 / 0, bad)
        assert await good.future == 7
        with pytest.raises(ZeroDivisionError):
            await bad.future

    asyncio.run(main())
    here: InThread[int] = InThread()
    pool.submit(lambda: 8, here)
    assert here.future.result(60) == 8
    pool.close()


def test_threads_begin_as_they_are_needed_and_keep_their_connections() -> None:
    pool = threads(3)
    used = set()
    for _ in range(20):  # one after the other is one thread, and one connection
        outcome: InThread[int] = InThread()
        pool.submit(lambda: id(pool.connection()), outcome)
        used.add(outcome.future.result(60))
    assert len(used) == 1
    gate = threading.Barrier(3)
    together: list[InThread[int]] = [InThread() for _ in range(3)]
    for each in together:
        pool.submit(lambda: gate.wait(60), each)
    assert sorted(each.future.result(60) for each in together) == [0, 1, 2]
    pool.close()


def test_what_nobody_waits_for_does_not_begin_and_what_has_begun_ends() -> None:
    pool = threads()
    begun, gate, done = threading.Event(), threading.Event(), []

    async def main() -> None:
        def first() -> None:
            begun.set()
            gate.wait(60)
            done.append("first")

        running: OnLoop[None] = OnLoop()
        pool.submit(first, running)
        waiting: OnLoop[None] = OnLoop()
        pool.submit(lambda: done.append("second"), waiting)
        await asyncio.to_thread(begun.wait, 10)
        running.future.cancel()
        waiting.future.cancel()
        gate.set()
        last: OnLoop[None] = OnLoop()
        pool.submit(lambda: done.append("last"), last)
        await last.future

    asyncio.run(main())
    assert done == ["first", "last"]
    pool.close()


def test_who_waits_for_what_does_not_come_to_an_end() -> None:
    pool = threads()
    begun, gate = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        gate.wait(60)
        return "too late"

    running, waiting = InThread[str](), InThread[str]()
    assert not pool.stuck(0.0)
    pool.submit(slow, running)
    pool.submit(lambda: "never", waiting)
    assert begun.wait(60)
    assert not pool.stuck(60.0)
    assert pool.stuck(0.0)
    assert pool.abandon(60.0, "silence") == 0
    assert pool.abandon(0.0, "silence") == 2
    for outcome in (running, waiting):
        with pytest.raises(Unavailable, match="silence"):
            outcome.future.result(60)
    assert not pool.stuck(0.0)
    gate.set()
    after = InThread[str]()
    pool.submit(lambda: "done", after)
    assert after.future.result(60) == "done"
    assert not pool.stuck(0.0)
    pool.close()


def test_who_is_slow_is_not_stuck() -> None:
    pool = threads()
    begun, gate = threading.Event(), threading.Event()

    def busy() -> None:
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass
        begun.set()
        gate.wait(60)

    assert not pool.at_work()
    outcome = InThread[None]()
    pool.submit(busy, outcome)
    assert begun.wait(60)
    assert pool.at_work()
    assert not pool.at_work()
    gate.set()
    assert outcome.future.result(60) is None
    pool.close()
    assert not pool.at_work()


def test_the_end_does_not_wait_for_ever() -> None:
    pool = threads()
    begun, gate = threading.Event(), threading.Event()

    def stuck() -> None:
        begun.set()
        gate.wait(60)

    pool.submit(stuck, InThread())
    assert begun.wait(60)
    pool.close(time.monotonic() + 0.05)
    gate.set()


def test_the_end() -> None:
    pool = threads()
    begun, gate = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        gate.wait(60)
        return "done"

    running: InThread[str] = InThread()
    pool.submit(slow, running)
    waiting: InThread[str] = InThread()
    pool.submit(lambda: "never", waiting)
    assert begun.wait(60)
    closing = threading.Thread(target=pool.close)
    closing.start()
    with pytest.raises(Unavailable):
        waiting.future.result(60)
    gate.set()
    closing.join(60)
    assert running.future.result(60) == "done"
    with pytest.raises(Unavailable):
        pool.submit(lambda: "late", InThread())
    pool.close()
