"""Mail leaves a real daemon by a smarthost; kill -9 in flight loses nothing and doubles only what was in flight."""

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from opostd.config import StoreSettings
from tests.e2e.conftest import CONFIG, DOMAIN, PASSWORD, Site
from tests.e2e.mailbox import imap, subjects, submission, text_mail
from tests.e2e.smarthost import CONNECTIONS, relay, smarthost, subject
from tests.support.daemon import start_daemon
from tests.worker.peer import Peer

KILLS = 6


@pytest.fixture
def peer() -> Iterator[Peer]:
    with smarthost() as found:
        yield found


@pytest.fixture
def leaving(store_settings: StoreSettings, tmp_path: Path, peer: Peer) -> Iterator[Site]:
    text = CONFIG.format(url=store_settings.url) + relay(peer.port)
    daemon = start_daemon(tmp_path, config_text=text)
    site = Site(daemon.config, daemon, store_settings)
    try:
        site.add_user("anna")
        yield site
    finally:
        daemon.stop()


def _until_empty(site: Site) -> None:
    deadline = time.monotonic() + 60
    while site.cli("queue", "list", "--json").strip() != "[]":
        assert time.monotonic() < deadline, site.cli("queue", "list")
        threading.Event().wait(0.2)


@pytest.mark.timeout(240)
def test_kill_in_flight(leaving: Site, peer: Peer) -> None:
    accepted: set[str] = set()
    chance = random.Random(7)
    for kill in range(KILLS):
        with contextlib.suppress(Exception), submission(leaving, "anna") as client:
            for number in range(15):
                name = f"m{kill}-{number}"
                client.send_message(text_mail("anna", "x", name, "text"), to_addrs=["x@else.example"])
                accepted.add(name)
        threading.Event().wait(chance.uniform(0, 0.15))
        leaving.daemon.kill()
        leaving.daemon.restart()
    _until_empty(leaving)
    got = Counter(subject(each.raw) for each in peer.taken)
    assert len(accepted) > KILLS
    assert not accepted - set(got), "lost"
    doubled = [name for name, times in got.items() if times > 1]
    assert len(doubled) <= KILLS * CONNECTIONS, doubled  # what was in flight at a kill, and no more
    with imap(leaving, "anna") as client:
        assert subjects(client) == []


def test_the_command_line_queues_and_the_daemon_sends(leaving: Site, peer: Peer) -> None:
    said = leaving.cli(
        "send", "--from", f"anna@{DOMAIN}", "--to", "x@else.example", "--subject", "by hand", text="Hi\n"
    )
    assert said.rstrip().endswith("0 boxes, 1 remote")
    _until_empty(leaving)
    (taken,) = peer.taken
    assert (taken.sender, taken.recipients) == (f"anna@{DOMAIN}", ("x@else.example",))
    assert b"multipart/alternative" in taken.raw
    assert PASSWORD.encode() not in taken.raw
