"""The lazy timer, the pace of refusals, and the spool."""

import asyncio

from opostd.intake.spool import OF_ALL, OF_EACH, Spool
from opostd.smtp.timing import LazyTimer, Pace
from tests.smtp.world import run as in_thread


def test_lazy_timer_fires_once_after_the_last_move() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        fired = asyncio.Event()
        times: list[float] = []
        timer = LazyTimer(loop, lambda: (times.append(loop.time()), fired.set())[1])
        start = loop.time()
        timer.after(0.01)
        timer.after(0.05)
        await asyncio.wait_for(fired.wait(), 60)
        assert times[0] - start >= 0.045
        assert len(times) == 1

    in_thread(run())


def test_lazy_timer_can_be_moved_nearer_paused_and_cancelled() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        fired = asyncio.Event()
        timer = LazyTimer(loop, fired.set)
        timer.after(1000)
        timer.after(0.005)
        await asyncio.wait_for(fired.wait(), 60)
        fired.clear()
        other = asyncio.Event()
        timer.after(0.001)
        timer.pause()
        LazyTimer(loop, other.set).after(0.02)
        await asyncio.wait_for(other.wait(), 60)
        assert not fired.is_set()
        timer.after(0.001)
        timer.cancel()
        other.clear()
        LazyTimer(loop, other.set).after(0.02)
        await asyncio.wait_for(other.wait(), 60)
        assert not fired.is_set()

    in_thread(run())


def test_pace_lets_a_second_through_and_then_slows() -> None:
    pace = Pace(10)
    waits = [pace.wait_s("a", 0.0) for _ in range(31)]
    assert waits[10] == 0
    assert abs(waits[30] - 2.0) < 1e-9
    assert pace.wait_s("b", 0.0) == 0
    assert pace.wait_s("a", 100.0) == 0


def test_pace_remembers_a_bounded_number_of_peers() -> None:
    pace = Pace(10, max_peers=3)
    for peer in "abcdef":
        pace.wait_s(peer, 0.0)
    assert len(pace._free_at) == 3


def test_spool_gives_back_what_it_got_from_memory_and_from_disk() -> None:
    for size in (10, 64, 65, 5000):
        spool = Spool(in_memory=64)
        octets = bytes(range(256)) * 20
        for at in range(0, size, 7):
            spool.append(octets[at : min(at + 7, size)])
        assert b"".join(spool.take()) == octets[:size]


def test_spools_of_many_together_are_bounded() -> None:
    """Each of five thousand slow clients could hold a MiB otherwise."""
    before = Spool.in_all
    chunk = b"x" * 32 * 1024
    spools = [Spool() for _ in range(300)]
    for _ in range(24):
        for spool in spools:
            spool.append(chunk)
        assert Spool.in_all <= OF_ALL + len(spools) * (OF_EACH + len(chunk))
    assert sum(each._file is not None for each in spools) > 100
    assert [b"".join(each.take()) for each in spools[:150]] == [chunk * 24] * 150
    for spool in spools[150:]:
        if spool._file is not None:
            spool.drop()
    del spools, spool  # one that was left, too
    assert Spool.in_all == before


def test_spool_dropped_holds_nothing() -> None:
    spool = Spool(in_memory=4)
    spool.append(b"0123456789")
    spool.drop()
    assert b"".join(spool.take()) == b""
