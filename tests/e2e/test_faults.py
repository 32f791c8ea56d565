"""Faults around a running server: what was answered is there, what cannot be is answered "later", and it heals.

security.md 2; design.md 2, promises 1 and 8.
"""

import re
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Site
from tests.e2e.faults import (
    PATIENCE_S,
    RETRY_S,
    Reader,
    Sender,
    SmallDisk,
    Wire,
    connections,
    cpu_s,
    descriptors,
    site_over,
    sqlite_in,
    until,
)
from tests.e2e.mailbox import imap, subjects
from tests.support import postgres
from tests.support.postgres import OwnServer

MESSAGES = 20


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Site]:
    with site_over(sqlite_in(tmp_path), tmp_path) as site:
        yield site


def boxes(site: Site) -> tuple[Counter[str], Counter[str]]:
    """The subjects in anna's INBOX and Archive, and how often each is there."""
    with imap(site, "anna") as client:
        return Counter(subjects(client)), Counter(subjects(client, "Archive"))


def test_each_answer_comes_after_an_fsync_of_its_message(tmp_path: Path) -> None:
    """Power may be lost at any moment: the octets that were answered for are on the disk, not in the system's cache."""
    assert shutil.which("strace"), "strace is not installed; .ci/run does it"
    trace = tmp_path / "trace"
    calls = "trace=pwrite64,fsync,fdatasync,write,writev,sendto,sendmsg"
    strace = ("strace", "-D", "-f", "-y", "-s", "5000", "-e", calls, "-e", "signal=none", "-o", str(trace), "--")
    with site_over(sqlite_in(tmp_path), tmp_path, under=strace) as site:
        with Sender(site) as sender, Reader(site) as reader:
            for number in range(MESSAGES):
                assert sender.deliver(f"smtp-{number:03}-token").startswith("250")
                assert reader.append(f"imap-{number:03}-token").startswith("OK")
    assert until(lambda: "+++ exited" in trace.read_text(errors="replace").splitlines()[-1])
    expected = [f"{door}-{number:03}-token" for number in range(MESSAGES) for door in ("smtp", "imap")]
    assert _answered(trace.read_text(errors="replace").splitlines(), expected) == [(token, True) for token in expected]


def _answered(lines: list[str], tokens: list[str]) -> list[tuple[str, bool]]:
    """For each answer, in order: its message, and whether the log that has it was on the disk before the answer.

    What is indexed later is written to the log again, and an fsync counts for what was written before it began.
    """
    answers: list[tuple[str, bool]] = []
    written: set[str] = set()
    begun: dict[str, set[str]] = {}
    synced: set[str] = set()
    for line in lines:
        process = line.split(maxsplit=1)[0]
        if " pwrite64(" in line and "opostd.db-wal" in line:
            written.update(re.findall(r"(?:smtp|imap)-\d{3}-token", line))
        if re.search(r" (fsync|fdatasync)\(\d+<[^>]*opostd\.db-wal>", line):
            begun[process] = set(written)
        if re.search(r"(fsync|fdatasync)(\(| resumed>).* = 0$", line):
            synced |= begun.pop(process, set())
        if re.search(r'(write|writev|sendto|sendmsg)\(\d+<(TCP|socket)[^"]*"(250 2\.6\.0|A1 OK \[APPENDUID)', line):
            token = tokens[len(answers)] if len(answers) < len(tokens) else "one too many"
            answers.append((token, token in synced))
    return answers


def test_the_database_is_killed_and_comes_back(tmp_path: Path) -> None:
    from opostd.config import StoreSettings
    from opostd.store import migrate

    with postgres.own(fsync=True) as server:
        settings = StoreSettings(url=server.create_database())
        migrate.up(settings)
        with site_over(settings, tmp_path) as site:
            _kill_and_bring_back(site, server)


def _kill_and_bring_back(site: Site, server: OwnServer) -> None:
    accepted: list[str] = []
    kept: list[str] = []
    with Sender(site) as sender, Reader(site) as reader:

        def one(name: str) -> tuple[str, str]:
            replies = sender.deliver(name), reader.append(name)
            accepted.extend([name] if replies[0].startswith("250") else [])
            kept.extend([name] if replies[1].startswith("OK") else [])
            return replies

        assert one("before")[0].startswith("250")
        server.kill()
        for number in range(3):
            mail, append = one(f"meanwhile-{number}")
            assert mail.startswith("451 4.3.0"), mail
            assert append.startswith("NO [UNAVAILABLE]"), append
        server.restart()
        after = iter(range(1000))
        assert until(lambda: all(map(str.startswith, one(f"after-{next(after)}"), ("250", "OK"))))
        # Whoever comes new is served, too.
        with Reader(site) as other:
            assert other.ask("SELECT INBOX").startswith("OK")
    inbox, archive = boxes(site)
    assert inbox == Counter(accepted)
    assert archive == Counter(kept)


def test_sqlite_is_locked_by_another_process(on_sqlite: Site) -> None:
    """As by a backup that takes its time: later, within the deadline, and reading goes on."""
    path = on_sqlite.settings.url.removeprefix("sqlite:///")
    with Sender(on_sqlite) as sender, Reader(on_sqlite) as reader:
        assert sender.deliver("before").startswith("250")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        sender.socket.settimeout(RETRY_S + 25)  # and not the 30 s of the default
        reply = sender.deliver("meanwhile")
        assert reply.startswith("451 4.3.0"), reply
        assert reader.append("meanwhile").startswith("NO [UNAVAILABLE]")
        assert reader.ask("SELECT INBOX").startswith("OK"), reader.said
        assert reader.ask("FETCH 1 BODY.PEEK[]").startswith("OK"), reader.said
        other.execute("ROLLBACK")
        other.close()
        assert sender.deliver("after").startswith("250")
        assert reader.append("after").startswith("OK")
    assert boxes(on_sqlite) == (Counter(["before", "after"]), Counter(["after"]))


def test_the_disk_is_full_until_somebody_makes_room(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "disk")
    try:
        with site_over(sqlite_in(disk.folder), tmp_path) as site:
            accepted = _fill(site, disk)
            disk.grow(site.daemon.pid)
            with Sender(site) as sender:
                assert until(lambda: sender.deliver("after", 1000).startswith("250"))
            inbox, _ = boxes(site)
            assert set(inbox) == {*accepted, "after"}
            assert all(inbox[name] == 1 for name in accepted)
        with sqlite3.connect(disk.folder / "opostd.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        disk.close()


def _fill(site: Site, disk: SmallDisk) -> list[str]:
    """Send until there is no space; what was accepted."""
    wanted = "452 4.3.1" if disk.mounted else "451 4.3.0"  # a file that may not grow is a fault, and no full disk
    accepted = []
    with Sender(site) as sender:
        assert sender.deliver("first").startswith("250")
        accepted.append("first")
        disk.fill(site.daemon.pid)
        for number in range(100):
            reply = sender.deliver(f"big-{number}", 100_000)
            if not reply.startswith("250"):
                break
            accepted.append(f"big-{number}")
        assert reply.startswith(wanted), reply
        assert sender.deliver("still", 100_000)[:1] == "4"
    with Reader(site) as reader:
        assert reader.ask("SELECT INBOX").startswith("OK"), reader.said
        assert reader.ask("FETCH 1 BODY.PEEK[]").startswith("OK"), reader.said
    return accepted


def test_sigterm_under_load(on_sqlite: Site) -> None:
    accepted: list[str] = []
    last: dict[str, str] = {}
    started = threading.Barrier(5, timeout=PATIENCE_S)

    def load(name: str) -> None:
        with Sender(on_sqlite) as sender:
            for number in range(100_000):
                reply = sender.deliver(f"{name}-{number}")
                if number == 2:
                    started.wait()
                if not reply.startswith("250"):
                    last[name] = reply
                    return
                accepted.append(f"{name}-{number}")

    threads = [threading.Thread(target=load, args=(f"load{number}",)) for number in range(4)]
    with Sender(on_sqlite) as idle, Reader(on_sqlite) as reader:
        for thread in threads:
            thread.start()
        started.wait()
        assert on_sqlite.daemon.stop() == 0  # within 20 s; the time it took is in its last line
        assert idle.line().startswith("421 4.3.2 ")
        said = iter(reader.line, "")
        assert any(line.startswith("* BYE") for line in said)
    for thread in threads:
        thread.join(PATIENCE_S)
    took = re.search(r"store closed \(([0-9.]+) s\)", on_sqlite.daemon.output)
    assert took, on_sqlite.daemon.output
    assert float(took[1]) <= 10.0
    # Whoever was between two commands got 421; whoever was in a message has its reply, or the end of the connection.
    assert {reply[:3] for reply in last.values()} <= {"421", ""}, last
    on_sqlite.daemon.restart()
    inbox, _ = boxes(on_sqlite)
    assert set(accepted) <= set(inbox)
    assert max(inbox.values()) == 1


def test_descriptors_are_used_up(tmp_path: Path) -> None:
    """No crash, no busy loop; when some close, others come in."""
    with (
        site_over(sqlite_in(tmp_path), tmp_path, under=("prlimit", "--nofile=64:128", "--")) as site,
        Sender(site) as early,
        Reader(site) as reader,
    ):
        ports = [site.daemon.ports["smtp"], site.daemon.ports["imap"]]
        wires = [Wire(ports[number % 2]) for number in range(300)]
        try:
            assert until(lambda: descriptors(site.daemon.pid) >= 120)
            before = cpu_s(site.daemon.pid)
            until(lambda: False, 1.0)
            assert cpu_s(site.daemon.pid) - before < 0.7, "it turns in a circle"
            # Whoever was there before is served, or told "later": the database may have no file open yet.
            assert early.deliver("meanwhile")[:4] in ("250 ", "451 ")
            assert reader.ask("SELECT INBOX").startswith(("OK", "NO [UNAVAILABLE]"))
        finally:
            for wire in wires:
                wire.close()
        assert until(lambda: descriptors(site.daemon.pid) < 100)
        with Sender(site) as sender, Reader(site) as other:
            assert sender.deliver("after").startswith("250")
            assert other.ask("NOOP").startswith("OK")
        assert "incident" not in site.daemon.output


CUT_SHORT = [
    ("smtp", "EHLO cli"),
    (
        "smtp",
        "EHLO client.example\r\nMAIL FROM:<someone@other.example>\r\nRCPT TO:<anna@opost.example>\r\nDATA\r\nhalf",
    ),
    (
        "smtp",
        "EHLO client.example\r\nMAIL FROM:<someone@other.example>\r\nRCPT TO:<anna@opost.example>\r\nBDAT 9\r\nhalf",
    ),
    ("submission", "EHLO client.example\r\nSTARTTLS\r\n\x16\x03\x01"),
    ("submissions", "\x16\x03\x01\x02"),
    ("imap", "A1 LOGIN anna dead"),
    ("imap", "A1 LOGIN anna deadbeef\r\nA2 APPEND Archive {100+}\r\nhalf"),
    ("imap", "A1 LOGIN anna deadbeef\r\nA2 SELECT INBOX\r\nA3 IDLE\r\n"),
    ("imaps", "\x16\x03\x01\x02"),
    ("lmtp", "LHLO client.example\r\nMAIL FROM:<>\r\n"),
]


def test_three_hundred_disconnects_in_the_middle(on_sqlite: Site) -> None:
    pid = on_sqlite.daemon.pid
    with Sender(on_sqlite) as sender:
        assert sender.deliver("before").startswith("250")
    start = connections(pid)
    for number in range(300):
        door, text = CUT_SHORT[number % len(CUT_SHORT)]
        wire = Wire(on_sqlite.daemon.ports[door])
        wire.say(text)
        wire.reset() if number % 3 else wire.close()
    assert until(lambda: connections(pid) <= start), (start, connections(pid))
    with Sender(on_sqlite) as sender:
        assert sender.deliver("after").startswith("250")
    assert boxes(on_sqlite) == (Counter(["before", "after"]), Counter())
    assert "Traceback" not in on_sqlite.daemon.output


def test_a_tls_handshake_that_never_ends(tmp_path: Path) -> None:
    with site_over(sqlite_in(tmp_path), tmp_path, more="[imap]\nlogin_timeout_s = 0.5") as site:
        before = connections(site.daemon.pid)
        wires = [Wire(site.daemon.ports["imaps"]) for _ in range(4)]
        for wire, text in zip(wires, ("", "\x16\x03\x01\x02", "\x16", "\x16\x03\x01\x00\xff\x01"), strict=True):
            wire.say(text)
        assert until(lambda: connections(site.daemon.pid) > before)
        assert until(lambda: connections(site.daemon.pid) <= before, 30.0)
        for wire in wires:
            assert wire.line() == ""
            wire.close()
