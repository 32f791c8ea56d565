"""A database that says nothing at all, no error either: those who wait are told "later", and it heals (promise 8)."""

import threading
import time
from collections import Counter
from pathlib import Path

from opostd.config import StoreSettings
from opostd.store import migrate
from tests.e2e.faults import RETRY_S, Reader, Sender, site_over, until
from tests.e2e.mailbox import imap, subjects
from tests.support import postgres
from tests.support.postgres import OwnServer

LATE_S = RETRY_S + 3.0 + 1.0  # the deadline, a question whether it is there, and the time between two looks
BUSY_S = 40.0  # for a machine where everything else runs too


def test_who_waits_is_told_later(tmp_path: Path) -> None:
    with postgres.own(fsync=True) as server:
        settings = StoreSettings(url=server.create_database())
        migrate.up(settings)
        _fall_silent(settings, server, tmp_path)


def _fall_silent(settings: StoreSettings, server: OwnServer, tmp_path: Path) -> None:
    told: list[str] = []
    with site_over(settings, tmp_path) as site:
        with Sender(site) as sender, Reader(site) as writer, Reader(site) as looker:
            assert sender.deliver("before").startswith("250")
            assert writer.append("before").startswith("OK")
            with server.silent():
                begun = time.monotonic()
                threads = [
                    threading.Thread(target=lambda: told.append(sender.deliver("meanwhile"))),
                    threading.Thread(target=lambda: told.append(writer.append("meanwhile"))),
                    threading.Thread(target=lambda: told.append(looker.ask("STATUS INBOX (MESSAGES)"))),
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(60)
                took = time.monotonic() - begun
            assert sorted(reply[:8] for reply in told) == ["451 4.3.", "NO [UNAV", "NO [UNAV"], told
            assert took < LATE_S + BUSY_S, took
            assert until(lambda: sender.deliver("after").startswith("250"))
            # Whoever was told "later" sends again, and whatever became of the first try, it is there once.
            assert until(lambda: sender.deliver("meanwhile").startswith("250"))
            assert until(lambda: writer.append("after").startswith("OK"))
            assert looker.ask("STATUS INBOX (MESSAGES)").startswith("OK")
        with imap(site, "anna") as client:
            archive = Counter(subjects(client, "Archive"))
            assert Counter(subjects(client, "INBOX"))["meanwhile"] == 1
        # What was refused before its COMMIT was said is not there.
        assert archive == Counter(["before", *["after"] * archive["after"]])
