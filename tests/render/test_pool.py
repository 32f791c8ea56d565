"""Worker processes: they are killed, replaced, ended and never left behind."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from opostd.config import RenderSettings
from opostd.render.message import document, fallback
from opostd.render.pool import QUEUE_TIMES, RenderPool
from opostd.render.sanitize import sanitize

HANGS = "[" * 20_000  # Python-Markdown #798: longer than any test's patience
PATIENCE_S = 30.0
# feasibility.md 7: over 6 s, or RecursionError, at 20 KB or at 64 KB
HOSTILE = [
    "[",
    "![",
    "[a][",
    "[](",
    "[a](",
    "<a ",
    "<x y='",
    "> ",
    ">",
    "`",
    "\\",
    "<b>",
    "<div>",
    "1. ",
    "_a",
    "*a_ ",
    "&",
    "<",
]


MakePool = Callable[..., RenderPool]


@pytest.fixture
def make_pool() -> Iterator[MakePool]:
    """Makes pools that are closed afterwards.  Texts have all the time in the world unless told otherwise."""
    pools: list[RenderPool] = []

    def make(*, idle_s: float = 60.0, **changes: float) -> RenderPool:
        values = {"timeout_s": PATIENCE_S, **changes}
        pools.append(RenderPool(RenderSettings(**values), idle_s=idle_s))  # type: ignore[arg-type]
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


@pytest.fixture
def pool(make_pool: MakePool) -> RenderPool:
    return make_pool()


def is_gone(pid: int) -> bool:
    """Not there, not even as a zombie."""
    return not Path(f"/proc/{pid}").exists()


async def until(condition: Callable[[], object]) -> None:
    """Look again and again, between turns of the loop; a deadline ends it."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for is another process
            await asyncio.sleep(0.005)


def is_busy(pid: int) -> bool:
    """Whether a worker has taken a text: its alarm is set then, and nothing else makes it run for 0.7 s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") > 0.7


def test_a_text_is_rendered(pool: RenderPool) -> None:
    html = asyncio.run(pool.render("# Title\n\n*x*"))
    assert ">Title</h1>" in html
    assert "<em>x</em>" in html
    assert len(pool.pids) == 1


def test_each_gets_its_own(pool: RenderPool) -> None:
    async def main() -> list[str]:
        return await asyncio.gather(*(pool.render(f"**{number}**") for number in range(60)))

    for number, html in enumerate(asyncio.run(main())):
        assert f"<strong>{number}</strong>" in html
    assert len(pool.pids) <= RenderSettings().workers


def test_a_lone_surrogate_and_controls_do_not_stop_it(pool: RenderPool) -> None:
    html = asyncio.run(pool.render("a\ud800b\x00c *d*"))
    assert "<em>d</em>" in html
    html.encode()


def test_no_process_before_the_first_text(make_pool: MakePool) -> None:
    pool = make_pool()
    assert pool.pids == ()


def test_a_source_over_the_limit_asks_no_worker(make_pool: MakePool) -> None:
    pool = make_pool(max_source_octets=10)
    for source in ("x" * 11, "é" * 6, "*a*" * 100_000):
        assert asyncio.run(pool.render(source)) == fallback(source)
    assert pool.pids == ()
    assert "<p" in asyncio.run(pool.render("x" * 10))


@pytest.mark.parametrize("octets", [20_000, 64_000])
def test_hostile_texts_come_back_as_written_within_the_limit(make_pool: MakePool, octets: int) -> None:
    """Every one has an answer; the ones that cannot be rendered in time are shown as written, and hold up nobody."""
    pool = make_pool(timeout_s=0.25)
    sources = [(pattern * octets)[:octets] for pattern in HOSTILE]

    async def timed(source: str) -> tuple[str, float]:
        before = time.monotonic()
        return await pool.render(source), time.monotonic() - before

    for source in sources:
        html, took_s = asyncio.run(timed(source))
        assert html.startswith("<!DOCTYPE html>")
        assert html == fallback(source) or "<pre style" not in html
        assert took_s < PATIENCE_S
    assert asyncio.run(timed(HANGS))[0] == fallback(HANGS)


def test_a_text_over_its_time_costs_the_worker(make_pool: MakePool) -> None:
    pool = make_pool(timeout_s=0.3, workers=1)
    assert asyncio.run(pool.render(HANGS)) == fallback(HANGS)
    assert pool.pids == ()
    assert "<em>" in asyncio.run(render_in_time(pool, "*x*"))


async def render_in_time(pool: RenderPool, source: str) -> str:
    """Rendered, even where 0.3 s are short on a busy machine."""
    html = fallback(source)
    async with asyncio.timeout(PATIENCE_S):
        while html == fallback(source):
            html = await pool.render(source)
    return html


def test_nothing_of_a_text_is_logged_or_printed(
    make_pool: MakePool, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    pool = make_pool(timeout_s=0.3)
    with caplog.at_level(logging.DEBUG):
        asyncio.run(pool.render("SECRET " + HANGS))
        asyncio.run(pool.render("SECRET " + "<b>" * 15_000))
    pool.close()
    assert "not rendered" in caplog.text
    assert "SECRET" not in caplog.text
    assert "SECRET" not in "".join(capfd.readouterr())


def test_a_worker_killed_in_the_middle_of_a_text_is_replaced(pool: RenderPool) -> None:
    async def main() -> str:
        task = asyncio.create_task(pool.render(HANGS))
        await until(lambda: pool.pids)
        (first,) = pool.pids
        await until(lambda: is_busy(first))
        os.kill(first, signal.SIGKILL)
        await until(lambda: pool.pids and pool.pids != (first,))
        assert is_gone(first)
        (second,) = pool.pids
        await until(lambda: is_busy(second))
        os.kill(second, signal.SIGKILL)  # twice is enough: it may be the text
        html = await task
        assert is_gone(second)
        assert "<em>x</em>" in await pool.render("*x*")
        return html

    assert asyncio.run(main()) == fallback(HANGS)


def test_a_worker_killed_while_idle_is_replaced_without_loss(make_pool: MakePool) -> None:
    pool = make_pool(workers=1)  # a second one would do the second text, and leave the first to be reaped later

    async def main() -> None:
        await pool.render("x")
        (pid,) = pool.pids
        os.kill(pid, signal.SIGKILL)
        assert "<em>x</em>" in await pool.render("*x*")
        assert is_gone(pid)

    asyncio.run(main())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_for_everybody_do_not_end_a_worker(pool: RenderPool, number: signal.Signals) -> None:
    """systemd sends SIGTERM to all, a terminal SIGINT: there are still texts to finish."""

    async def main() -> None:
        await pool.render("x")
        (pid,) = pool.pids
        os.kill(pid, number)
        assert "<em>x</em>" in await pool.render("*x*")
        assert pid in pool.pids  # a second one may have been started beside it

    asyncio.run(main())


def test_a_text_over_its_memory_is_shown_as_written(make_pool: MakePool, caplog: pytest.LogCaptureFixture) -> None:
    """A table of 30,000 cells takes 85 MB."""
    pool = make_pool(memory_octets=56 * 1024 * 1024, workers=1)
    bomb = "|a" * 200 + "\n" + "|-" * 200 + "\n" + ("|b" * 200 + "\n") * 150
    assert asyncio.run(pool.render(bomb)) == fallback(bomb)
    assert "over" not in caplog.text  # not for its time
    assert "<em>x</em>" in asyncio.run(pool.render("*x*"))


@pytest.mark.parametrize("program", ["/bin/false", "/nonexistent/python"])
def test_workers_that_cannot_start_are_not_tried_again_at_once(
    make_pool: MakePool, program: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    pool = make_pool(workers=1)

    async def main() -> list[str]:
        return await asyncio.gather(*(pool.render("*x*") for _ in range(20)))

    assert set(asyncio.run(main())) == {fallback("*x*")}
    assert caplog.text.count("a render worker did not start") == 1


def test_close_while_busy_answers_all_and_leaves_no_process(make_pool: MakePool) -> None:
    pool = make_pool()

    async def main() -> list[str]:
        tasks = [asyncio.create_task(pool.render(HANGS)) for _ in range(6)]
        await until(lambda: len(pool.pids) == RenderSettings().workers)
        pids = pool.pids
        await until(lambda: all(is_busy(pid) for pid in pids))
        await asyncio.to_thread(pool.close)
        assert all(is_gone(pid) for pid in pids)
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == [fallback(HANGS)] * 6
    assert pool.pids == ()
    assert asyncio.run(pool.render("*x*")) == fallback("*x*")


def test_workers_and_threads_end_when_there_is_nothing_to_do(make_pool: MakePool) -> None:
    pool = make_pool(idle_s=0.05)

    async def main() -> None:
        for _ in range(2):
            await pool.render("x")
            await until(lambda: pool.pids == () and not [t for t in threading.enumerate() if t.name == "render"])

    asyncio.run(main())


def test_one_pool_serves_loops_after_and_beside_each_other(pool: RenderPool) -> None:
    results: list[str] = []

    def work() -> None:
        results.append(asyncio.run(pool.render("*x*")))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work()
    assert len(results) == 5
    assert len(set(results)) == 1
    assert "<em>x</em>" in results[0]


def test_it_runs_under_uvloop_beside_threads(pool: RenderPool) -> None:
    """As in the daemon: no worker is a fork of a process that has threads."""

    async def main() -> list[str]:
        await asyncio.to_thread(time.monotonic)
        return await asyncio.gather(*(pool.render("*x*") for _ in range(10)))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert all("<em>x</em>" in html for html in runner.run(main()))


def test_a_caller_who_goes_away_disturbs_nobody(make_pool: MakePool) -> None:
    pool = make_pool(workers=1)

    async def main() -> None:
        busy = asyncio.create_task(pool.render(HANGS))
        await until(lambda: pool.pids)
        waiting = [asyncio.create_task(pool.render("*x*")) for _ in range(3)]
        await asyncio.sleep(0)
        for task in (busy, waiting[1]):
            task.cancel()
        (pid,) = pool.pids
        await until(lambda: is_busy(pid))
        os.kill(pid, signal.SIGKILL)
        await until(lambda: pool.pids and pool.pids != (pid,))
        os.kill(pool.pids[0], signal.SIGKILL)
        for html in await asyncio.gather(waiting[0], waiting[2]):
            assert html.startswith("<!DOCTYPE html>")

    asyncio.run(main())


def test_a_text_that_waits_too_long_is_shown_as_written(make_pool: MakePool, caplog: pytest.LogCaptureFixture) -> None:
    """Bombs of one author do not hold up the mail of another for longer than QUEUE_TIMES the time limit."""
    pool = make_pool(timeout_s=0.1, workers=1)

    async def main() -> list[str]:
        return await asyncio.gather(*(pool.render(HANGS) for _ in range(40)))

    assert asyncio.run(main()) == [fallback(HANGS)] * 40
    assert caplog.text.count("waited too long") >= 40 - QUEUE_TIMES


PARENT = """
import asyncio, os, sys
from opostd.config import RenderSettings
from opostd.render.pool import RenderPool
async def main():
    pool = RenderPool(RenderSettings(workers=2, timeout_s=1.0))
    await pool.render("x")
    if sys.argv[1] == "busy":
        task = asyncio.create_task(pool.render("[" * 20000))
        await asyncio.sleep(0.05)
    print(*pool.pids, flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_a_worker_does_not_outlive_its_parent(state: str) -> None:
    """A busy one has an alarm of its own; an idle one sees the end of its socket."""
    done = subprocess.run([sys.executable, "-c", PARENT, state], capture_output=True, text=True, timeout=PATIENCE_S)
    pids = [int(pid) for pid in done.stdout.split()]
    assert pids, done.stderr
    # Whoever adopts orphans here may not reap them: a zombie has ended too.
    asyncio.run(until(lambda: all(is_gone(pid) or has_ended(pid) for pid in pids)))


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_worker_sees_no_secret_and_no_descriptor_of_ours(pool: RenderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "topsecret")
    with open(os.devnull) as ours:
        os.set_inheritable(ours.fileno(), True)
        asyncio.run(pool.render("x"))
        (pid,) = pool.pids
        assert b"topsecret" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert sorted(os.listdir(f"/proc/{pid}/fd"), key=int) == ["0", "1", "2"]


def test_the_daemon_itself_loads_none_of_the_libraries() -> None:
    code = (
        "import sys, opostd.render.pool;"
        "print([m for m in ('markdown', 'bleach', 'pygments', 'css_inline') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.stdout == "[]\n", done.stderr


def test_an_idle_worker_is_small(pool: RenderPool) -> None:
    asyncio.run(pool.render("x"))
    (pid,) = pool.pids
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert resident < 45 * 1024 * 1024  # 30 MB measured


def test_html_of_others_is_cleaned(pool: RenderPool) -> None:
    html = "<html><head><title>no</title><style>p{}</style></head><body onload=x()><p>yes<script>x()</script><img src=http://x/>"
    cleaned = asyncio.run(pool.clean(html))
    assert cleaned is not None
    assert cleaned == document(sanitize("<p>yes<img>"))
    assert asyncio.run(pool.render("**x**")).count("<strong>x</strong>") == 1  # the same worker does both


def test_hostile_html_is_given_up_in_time(make_pool: MakePool) -> None:
    """Deep, long and broken: within some time there is a document without anything harmful, or None."""
    pool = make_pool(timeout_s=0.5, max_source_octets=512 * 1024, workers=1)
    for pattern in (
        "<div>",
        "<ul><li>",
        "<b><i>",
        "<table><tr><td>",
        "<a href='http://x'>",
        "&",
        "<",
        "<!--",
        "<svg><style>",
    ):
        begun = time.monotonic()
        cleaned = asyncio.run(pool.clean((pattern * 100_000)[:400_000]))
        assert cleaned is None or "<script" not in cleaned
        assert time.monotonic() - begun < PATIENCE_S, pattern
    assert asyncio.run(pool.clean("x" * 600_000)) is None
