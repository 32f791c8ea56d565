"""kill -9 of the daemon again and again under load: all that was answered 250 or OK is there exactly once."""

import contextlib
import imaplib
import os
import random
import smtplib
import threading
import time
from collections import Counter

import pytest

from tests.e2e.conftest import Site
from tests.e2e.mailbox import imap, subjects, submission, text_mail

ROUNDS = int(os.environ.get("OPOSTD_TEST_KILLS", "10"))


class Load:
    """Clients that send until told to stop, and remember what was answered 250 or OK."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.accepted: dict[str, set[str]] = {"direct": set(), "group": set(), "append": set()}
        self.sent = 0

    def _name(self, kind: str) -> str:
        with self.lock:
            self.sent += 1
            return f"{kind}-{self.sent}"

    def submit(self, kind: str, to: str) -> None:
        while not self.stop.is_set():
            with contextlib.suppress(OSError, smtplib.SMTPException), submission(self.site, "anna") as client:
                while not self.stop.is_set():
                    name = self._name(kind)
                    client.send_message(text_mail("anna", to, name, "text"))
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


@pytest.mark.timeout(600)
def test_nothing_answered_is_lost_or_doubled(site: Site) -> None:
    chance = random.Random(1)
    load = Load(site)
    for _ in range(ROUNDS):
        load.stop.clear()
        threads = [
            threading.Thread(target=load.submit, args=("direct", "bob")),
            threading.Thread(target=load.submit, args=("direct", "bob")),
            threading.Thread(target=load.submit, args=("group", "team")),
            threading.Thread(target=load.append),
        ]
        for thread in threads:
            thread.start()
        before = len(load.accepted["direct"]) + len(load.accepted["group"])
        deadline = time.monotonic() + 20
        moment = chance.uniform(0.1, 0.8)
        while time.monotonic() < deadline:  # until something was accepted, and a random while more
            if len(load.accepted["direct"]) + len(load.accepted["group"]) > before:
                load.stop.wait(moment)
                break
            load.stop.wait(0.02)
        site.daemon.kill()
        load.stop.set()
        for thread in threads:
            thread.join(60)
        site.daemon.restart()
    _check(site, load)


def _check(site: Site, load: Load) -> None:
    # what waits in the spool is carried at once after a start; the queue is then empty
    deadline = time.monotonic() + 60
    while '"' in site.cli("queue", "list", "--json") and time.monotonic() < deadline:
        threading.Event().wait(0.2)
    with imap(site, "bob") as client:
        direct = Counter(subjects(client))
    with imap(site, "anna") as client:
        group = Counter(subjects(client))
        archive = Counter(subjects(client, "Archive"))
    assert min(map(len, load.accepted.values())) > 0, "no load"
    for kind, box in (("direct", direct), ("group", direct), ("group", group), ("append", archive)):
        lost = load.accepted[kind] - set(box)
        assert not lost, f"{len(lost)} of {kind} lost: {sorted(lost)[:5]}"
    for box in (direct, group, archive):
        doubled = [name for name, times in box.items() if times > 1]
        assert not doubled, f"doubled: {doubled[:5]}"
    print(f"{ROUNDS} kills, accepted: " + ", ".join(f"{len(names)} {kind}" for kind, names in load.accepted.items()))
