"""Somebody comes back to very many posts: an answer at once, the rest by itself, each once and in order, whoever dies.

Two daemons serve one store; the one that is at work is killed.
"""

import imaplib
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from opostd.config import StoreSettings
from opostd.imap.live import PAGES_AT_ONCE
from opostd.store.sync import PAGE
from tests.e2e.conftest import CONFIG, NOW, Site
from tests.e2e.mailbox import imap
from tests.support.daemon import start_daemon

MANY = int(os.environ.get("OPOSTD_TEST_POSTS", "30000"))  # 100,000 of each kind take a minute more
FEWER = 15_000
MORE_MIB = 60.0  # measured 12 to 25: the box itself is 4, and the collector comes when it comes

FLOOD = """
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :many)
INSERT INTO delivered_post
  (owner_id, box_id, uid, modseq, internaldate, savedate, size, bits, post_id, keywords)
SELECT owner_id, box_id, n, 2, :now + n, :now, 100, 32, {post}, '' FROM number, box WHERE owner_id = 1 AND name LIKE 'team@%'
"""
POST = {
    "sqlite": "CAST(substr('0000000000000000' || n, -16) AS BLOB)",
    "postgresql": "CAST(lpad(to_hex(n), 32, '0') AS uuid)",
}
ROWS = "SELECT uid, post_id, internaldate FROM delivered_post WHERE owner_id = "
ANNA = "(SELECT owner_id FROM account WHERE login LIKE 'anna@%')"
SAME = f"SELECT count(*) FROM ({ROWS} {ANNA} INTERSECT {ROWS} 1) AS same"


@pytest.fixture
def second(site: Site, tmp_path: Path) -> Iterator[Site]:
    """Another daemon on the same store."""
    folder = tmp_path / "second"
    folder.mkdir()
    daemon = start_daemon(folder, config_text=CONFIG.format(url=site.settings.url), migrate=False)
    try:
        yield replace(site, config=daemon.config, daemon=daemon)
    finally:
        daemon.stop()


def ask(settings: StoreSettings, question: str) -> int:
    engine = sa.create_engine(settings.url, execution_options={"outside": True})
    with engine.connect() as connection:
        found = int(connection.execute(sa.text(question)).scalar_one())
    engine.dispose()
    return found


def flood(settings: StoreSettings, many: int = MANY) -> None:
    """So many posts in the group, by the database itself."""
    engine = sa.create_engine(settings.url, execution_options={"outside": True})
    with engine.begin() as connection:
        statement = FLOOD.format(post=POST[engine.dialect.name])
        connection.execute(sa.text(statement), {"many": many, "now": NOW})
        set_ = f"UPDATE box SET uidnext = {many + 1}, highestmodseq = 2 WHERE owner_id = 1 AND name LIKE 'team@%'"
        connection.execute(sa.text(set_))
    engine.dispose()


def peak(pid: int) -> float:
    """MiB, the most that a process has had resident."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def selected(client: imaplib.IMAP4) -> int:
    return int(client.select("INBOX", readonly=True)[1][0] or 0)


def until(client: imaplib.IMAP4, count: int) -> list[int]:
    """The EXISTS that IDLE brings, up to that one or a larger."""
    client.send(b"i1 IDLE\r\n")
    told = [0]
    while told[-1] < count:
        if found := re.fullmatch(rb"\* (\d+) EXISTS\r\n", line := client.readline()):
            told.append(int(found[1]))
        assert line
    client.send(b"DONE\r\n")
    while not client.readline().startswith(b"i1 OK"):
        pass
    return told[1:]


def test_very_many_posts(site: Site, second: Site) -> None:
    flood(site.settings)
    before = peak(site.daemon.pid)
    with imap(site, "anna") as client, imap(second, "bob") as other:
        first = selected(client)
        assert PAGES_AT_ONCE * PAGE <= first < MANY  # the answer does not wait for the rest
        assert peak(site.daemon.pid) - before < MORE_MIB
        with imap(second, "anna") as elsewhere:  # both daemons carry into one box
            assert selected(elsewhere) >= first
            told = until(client, MANY // 4)
            assert told == sorted(told)
            site.daemon.kill()
            assert selected(other) >= PAGES_AT_ONCE * PAGE  # somebody else waits for none of it
            assert until(elsewhere, MANY)[-1] == MANY
            assert elsewhere.uid("SEARCH", "UID", f"{MANY}:*")[1] == [b"%d" % MANY]
            answer = elsewhere.fetch(f"{MANY // 2}", "(UID)")[1]
            assert answer == [b"%d (UID %d)" % (MANY // 2, MANY // 2)]
        other.close()
    assert ask(site.settings, SAME) == MANY
    assert ask(site.settings, f"SELECT uidnext FROM box WHERE owner_id = {ANNA} AND name = 'INBOX'") == MANY + 1
    site.daemon.restart()
    with imap(site, "anna") as client:
        assert selected(client) == MANY


def test_the_agent_does_the_rest(site: Site) -> None:
    """Who looks, and goes away at once, finds all of it when they come back."""
    flood(site.settings, FEWER)
    with imap(site, "anna") as client:
        assert selected(client) < FEWER
    site.daemon.stop()  # what was begun in this process is not to be what goes on
    site.daemon.restart()
    deadline = time.monotonic() + 120
    while json.loads(site.cli("subscription", "list", "anna", "--json"))[-1]["behind"]:
        assert time.monotonic() < deadline
    assert ask(site.settings, SAME) == FEWER
    with imap(site, "anna") as client:
        assert selected(client) == FEWER
