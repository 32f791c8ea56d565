"""kill -9 again and again under load: all that was answered 250 or OK is here exactly once.

Of the daemon, over each database, and of the database.  ``OPOSTD_TEST_KILLS=100`` for so many of each.  A reader moves
what comes all the while; what leaves for another server is there at least once, and at most once more for each
connection that was cut between the final dot and the answer to it (RFC 5321 4.5.3.2.6 leaves no other way).
"""

import contextlib
import imaplib
import os
import random
import re
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opostd.config import StoreSettings
from opostd.store import migrate
from tests.e2e.conftest import Site
from tests.e2e.faults import site_over, until
from tests.e2e.mailbox import imap, subjects, submission, text_mail
from tests.e2e.smarthost import CONNECTIONS, relay, smarthost, subject
from tests.support import postgres
from tests.worker.peer import Peer

ROUNDS = int(os.environ.get("OPOSTD_TEST_KILLS", "3"))
KINDS = ("direct", "group", "leaving", "append")


class Load:
    """Clients that work until told to stop, and remember what was answered 250 or OK."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.accepted: dict[str, set[str]] = {kind: set() for kind in KINDS}
        self.moves = 0
        self.sent = 0

    @property
    def submitted(self) -> int:
        return sum(len(names) for kind, names in self.accepted.items() if kind != "append")

    def _name(self, kind: str) -> str:
        with self.lock:
            self.sent += 1
            return f"{kind}-{self.sent}"

    def submit(self, kind: str, *to: str) -> None:
        while not self.stop.is_set():
            with contextlib.suppress(OSError, smtplib.SMTPException), submission(self.site, "anna") as client:
                while not self.stop.is_set():
                    name = self._name(kind)
                    client.send_message(text_mail("anna", "you", name, "text"), to_addrs=to)
                    with self.lock:
                        self.accepted[kind].add(name)
            self.stop.wait(0.05)

    def append(self) -> None:
        while not self.stop.is_set():
            with contextlib.suppress(OSError, imaplib.IMAP4.error), imap(self.site, "anna") as client:
                while not self.stop.is_set():
                    name = self._name("append")
                    status, _ = client.append("Archive", None, None, f"Subject: {name}\r\n\r\ntext".encode())
                    if status == "OK":
                        with self.lock:
                            self.accepted["append"].add(name)
            self.stop.wait(0.05)

    def move(self) -> None:
        """bob puts away whatever is in INBOX, at once."""
        while not self.stop.is_set():
            with contextlib.suppress(OSError, imaplib.IMAP4.error), imap(self.site, "bob") as client:
                while not self.stop.is_set():
                    status, (count, *_) = client.select("INBOX")
                    if status == "OK" and count and int(count):
                        client.uid("MOVE", "1:*", "Archive")
                        self.moves += 1
                    self.stop.wait(0.005)
            self.stop.wait(0.05)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        self.stop.clear()
        to = "bob@opost.example", "x@else.example"
        threads = [
            threading.Thread(target=self.submit, args=("direct", to[0])),
            threading.Thread(target=self.submit, args=("direct", to[0])),
            threading.Thread(target=self.submit, args=("group", "team@opost.example")),
            threading.Thread(target=self.submit, args=("leaving", *to)),
            threading.Thread(target=self.append),
            threading.Thread(target=self.move),
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join(60)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with smarthost() as found:
        yield found


@pytest.mark.timeout(1800)
def test_the_daemon_is_killed(store_settings: StoreSettings, tmp_path: Path, peer: Peer) -> None:
    with site_over(store_settings, tmp_path, tables=relay(peer.port)) as site:

        def kill() -> None:
            site.daemon.kill()

        _kill_again_and_again(site, peer, kill, site.daemon.restart)


@pytest.mark.timeout(1800)
def test_the_database_is_killed(tmp_path: Path, peer: Peer) -> None:
    with postgres.own(fsync=True) as server:
        settings = StoreSettings(url=server.create_database())
        migrate.up(settings)
        with site_over(settings, tmp_path, tables=relay(peer.port)) as site:
            _kill_again_and_again(site, peer, server.kill, server.restart)


def _kill_again_and_again(site: Site, peer: Peer, kill: Callable[[], None], bring_back: Callable[[], None]) -> None:
    chance = random.Random(1)
    load = Load(site)
    for _ in range(ROUNDS):
        before = load.submitted
        with load.working():
            # Until something was accepted, and a random while more.
            assert until(lambda before=before: load.submitted > before, 30.0)  # type: ignore[misc]
            load.stop.wait(chance.uniform(0.1, 0.8))
            kill()
        bring_back()
    _check(site, load, peer)


def _check(site: Site, load: Load, peer: Peer) -> None:
    # What waits is carried at once after a start; the queue is then empty.
    deadline = time.monotonic() + 90
    while '"' in site.cli("queue", "list", "--json") and time.monotonic() < deadline:
        threading.Event().wait(0.2)
    with imap(site, "bob") as client:
        bob = Counter([*subjects(client), *subjects(client, "Archive")])
    with imap(site, "anna") as client:
        group = Counter(subjects(client))
        archive = Counter(subjects(client, "Archive"))
    outside = Counter(subject(each.raw) for each in peer.taken)
    counts = ", ".join(f"{len(names)} {kind}" for kind, names in load.accepted.items())
    twice = sum(times - 1 for times in outside.values())
    print(f"{ROUNDS} kills, accepted: {counts}; {load.moves} moves; {twice} of {len(outside)} left twice")
    assert min(map(len, load.accepted.values())) > 0, "no load"
    assert load.moves > 0
    for kind, box in (
        ("direct", bob), ("group", bob), ("leaving", bob), ("group", group), ("append", archive), ("leaving", outside),
    ):  # fmt: skip
        lost = load.accepted[kind] - set(box)
        assert not lost, f"{len(lost)} of {kind} lost: {sorted(lost)[:5]}"
    for box in (bob, group, archive):
        doubled = [name for name, times in box.items() if times > 1]
        assert not doubled, f"doubled: {doubled[:5]}"
    assert twice <= ROUNDS * CONNECTIONS
    assert not [name for name in outside if not re.match("leaving-", name)]
