"""Who comes too often, says nothing, waits for too long or does not read: told, cut, and no burden to others (security.md 1.5)."""

import asyncio
import imaplib
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opostd.config import StoreSettings
from tests.e2e.conftest import CONFIG, PASSWORD, Site, people
from tests.e2e.mailbox import imap
from tests.support.daemon import Daemon, start_daemon

# The daemon's own waits, shorter: of who does not read, and between two looks at deadlines.
PROGRAM = """
import sys
import opostd.imap.server as server
server.STALLED_S, server.SWEEP_S = 2.0, 0.2
from opostd.cli import main
sys.exit(main())
"""
# Long enough for those who do log in, or do something, on a machine where everything else runs too.
LIMITS = "login_timeout_s = 8\nidle_timeout_s = 10\nmax_connections_per_user = 3\n[submission]"
PATIENCE_S = 60.0
MESSAGES = 40
BIG = b"Subject: big\r\n\r\n" + b"A line that nobody reads, again and again and again.\r\n" * 18_000


@pytest.fixture
def limited(sqlite_settings: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(Daemon, "program", ("-c", PROGRAM))
    asyncio.run(people(sqlite_settings))
    config = CONFIG.replace("[submission]", LIMITS, 1).format(url=sqlite_settings.url)
    return Site(tmp_path / "opostd.toml", start_daemon(tmp_path, config_text=config, migrate=False), sqlite_settings)


def test_limits_of_a_connection(limited: Site) -> None:
    """One daemon for all, for starting it is slow; and all at once, for they wait."""
    try:
        with ThreadPoolExecutor() as threads:
            waiting = [
                threads.submit(_says_nothing, limited, b""),
                threads.submit(_says_nothing, limited, b"x"),
                threads.submit(_waits_in_idle, limited),
            ]
            _comes_too_often(limited)
            _does_not_read(limited)
            for each in waiting:
                each.result(PATIENCE_S)
    finally:
        limited.daemon.stop()


def _comes_too_often(site: Site) -> None:
    with imap(site, "anna"), imap(site, "anna"):
        second = imaplib.IMAP4("127.0.0.1", site.daemon.ports["imap"])
        second.login("anna", PASSWORD)
        with pytest.raises(imaplib.IMAP4.error, match=r"\[LIMIT\]"), imap(site, "anna"):
            pass
        with imap(site, "bob") as other:
            assert other.select()[0] == "OK"
        second.logout()
        with imap(site, "anna"):
            pass


def _says_nothing(site: Site, drip: bytes) -> None:
    """Nor does it help to drip."""
    with socket.create_connection(("127.0.0.1", site.daemon.ports["imap"])) as silent:
        silent.settimeout(0.1)
        told = b""
        for _ in range(int(PATIENCE_S / 0.1)):
            try:
                more = silent.recv(4096)
            except TimeoutError:
                silent.sendall(drip)
                continue
            told += more
            if not more:
                break
        assert told.endswith(b"* BYE idle for too long\r\n"), told


def _waits_in_idle(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.daemon.ports["imap"]), PATIENCE_S) as idle:
        idle.sendall(b'a LOGIN bob "%b"\r\nb SELECT INBOX\r\nc IDLE\r\n' % PASSWORD.encode())
        with idle.makefile("rb") as lines:
            told = lines.readlines()  # to the end
        assert told[-2:] == [b"+ idling\r\n", b"* BYE idle for too long\r\n"]


def _does_not_read(site: Site) -> None:
    with imap(site, "anna") as client:
        for _ in range(MESSAGES):
            client.append("INBOX", "", None, BIG)
    before = _resident(site)
    with socket.create_connection(("127.0.0.1", site.daemon.ports["imap"]), PATIENCE_S) as lazy:
        lazy.sendall(b'a LOGIN anna "%b"\r\nb SELECT INBOX\r\nc FETCH 1:* BODY.PEEK[]\r\n' % PASSWORD.encode())
        with imap(site, "bob") as other:  # is served meanwhile
            assert other.select()[0] == "OK"
        end = select.poll()
        end.register(lazy, 0)  # errors and the end are told all the same
        assert end.poll(PATIENCE_S * 1000), "who does not read is not cut"
        assert _resident(site) - before < 60 * 1024 * 1024
    with imap(site, "anna") as client:
        assert client.select()[1] == [str(MESSAGES).encode()]


def _resident(site: Site) -> int:
    """Octets of memory that the daemon holds."""
    fields = Path(f"/proc/{site.daemon.pid}/status").read_text().split("VmRSS:")[1].split()
    return int(fields[0]) * 1024
