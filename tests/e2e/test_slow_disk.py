"""A disk that is slow: who waits for it keeps nobody else waiting (design.md 2, promise 7; security.md 2, event loop)."""

import contextlib
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Site
from tests.e2e.faults import PATIENCE_S, Reader, Sender, site_over, sqlite_in

SLOW_S = 1.0  # what each read from the disk takes, or each sync: a hundred times what a client waits for its answer
OTHERS = 3  # answers for which somebody has waited so long; meanwhile those who need no disk are looked at


@contextlib.contextmanager
def slow(site: Site, call: str, delay_s: float) -> Iterator[None]:
    """Each of these calls of the daemon takes so long, where it is for the database."""
    assert shutil.which("strace"), "strace is not installed; .ci/run does it"
    path = site.settings.url.removeprefix("sqlite:///")
    inject = f"inject={call}:delay_enter={int(delay_s * 1_000_000)}"
    files = [word for name in (path, f"{path}-wal") for word in ("-P", name)]
    strace = subprocess.Popen(
        ["strace", "-f", "-p", str(site.daemon.pid), "-o", "/dev/null", "-e", f"trace={call}", "-e", inject, *files],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert strace.stderr is not None
    with strace.stderr:
        assert "attached" in strace.stderr.readline()
        try:
            yield
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(60)


def waits(reader: Reader, enough: Callable[[], bool]) -> list[float]:
    """How long a client that needs no disk waits, one time after the other; seconds."""
    found: list[float] = []
    end = time.monotonic() + PATIENCE_S
    while not enough() and time.monotonic() < end:
        begun = time.monotonic()
        assert reader.ask("ENABLE CONDSTORE").startswith("OK")
        found.append(time.monotonic() - begun)
        threading.Event().wait(0.05)
    return found


@contextlib.contextmanager
def busy(*works: Callable[[threading.Event], None]) -> Iterator[None]:
    """Others, at their work meanwhile."""
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=(stop,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Site]:
    with site_over(sqlite_in(tmp_path), tmp_path) as site:
        yield site


@pytest.mark.parametrize("call", ["pread64", "fdatasync,fsync"])
def test_only_those_wait_who_need_it(on_sqlite: Site, call: str) -> None:
    waited: list[str] = []

    def wait(ask: Callable[[], str]) -> None:
        begun = time.monotonic()
        answer = ask()
        if time.monotonic() - begun >= SLOW_S:
            waited.append(answer)

    def look(stop: threading.Event) -> None:
        """Each of them reads from the disk: what another has written since is not in memory."""
        with Reader(on_sqlite) as reader:
            while not stop.is_set():
                wait(lambda: reader.ask("STATUS INBOX (MESSAGES)"))

    def write(stop: threading.Event) -> None:
        with Sender(on_sqlite) as sender:
            while not stop.is_set():
                wait(lambda: sender.deliver("one"))

    with Reader(on_sqlite) as first:
        assert first.ask("STATUS INBOX (MESSAGES)").startswith("OK")
    with Reader(on_sqlite) as reader, busy(look, look, write):
        with slow(on_sqlite, call, SLOW_S):
            waited.clear()
            beats = waits(reader, lambda: len(waited) >= OTHERS)
    assert len(waited) >= OTHERS
    assert len(beats) > OTHERS
    print(f"{call}: longest {max(beats):.3f} s of {len(beats)}, others waited {len(waited)} times")
    # Once the loop itself may meet the slow disk: after that it does not look by itself.
    assert sorted(beats)[-3] < SLOW_S
