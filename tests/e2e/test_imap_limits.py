"""Who comes too often, says nothing, waits for too long or does not read: told, cut, and no burden to others (security.md 1.5)."""

import asyncio
import contextlib
import imaplib
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from opostd.config import StoreSettings
from opostd.model.records import AccountState
from opostd.store import accounts
from opostd.store.run import Store
from tests.e2e.conftest import CONFIG, DOMAIN, PASSWORD, Site, people
from tests.e2e.faults import Reader, Wire, until
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
AT_ONCE = 6
UNKNOWN = f"\n[limits]\nmax_connections_before_login = {AT_ONCE}\nmany_connections_from = []\n"
PATIENCE_S = 60.0
MESSAGES = 40
BIG = b"Subject: big\r\n\r\n" + b"A line that nobody reads, again and again and again.\r\n" * 18_000


@pytest.fixture
def limited(sqlite_settings: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(Daemon, "program", ("-c", PROGRAM))
    asyncio.run(people(sqlite_settings))
    config = CONFIG.replace("[submission]", LIMITS, 1).format(url=sqlite_settings.url) + UNKNOWN
    return Site(tmp_path / "opostd.toml", start_daemon(tmp_path, config_text=config, migrate=False), sqlite_settings)


def test_limits_of_a_connection(limited: Site) -> None:
    """One daemon for all, for starting it is slow; and all at once, for they wait."""
    try:
        _come_from_one_address(limited)
        with ThreadPoolExecutor() as threads:
            waiting = [
                threads.submit(_says_nothing, limited, b""),
                threads.submit(_says_nothing, limited, b"x"),
                threads.submit(_waits_in_idle, limited),
            ]
            _comes_too_often(limited)
            _is_given_messages(limited)
            _does_not_read(limited)
            _does_not_read(limited, half=True)
            for each in waiting:
                each.result(PATIENCE_S)
        _is_cut_off_between_octets(limited)
    finally:
        limited.daemon.stop()


def _come_from_one_address(site: Site) -> None:
    """Who logs in, or goes, leaves a place to others."""
    port = site.daemon.ports["imap"]

    def greeted() -> bool:
        with Wire(port) as wire:
            return wire.line().startswith("* OK")

    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(port)) for _ in range(AT_ONCE)]
        assert all(each.line().startswith("* OK") for each in wires)
        refused, silent = stack.enter_context(Wire(port)), stack.enter_context(Wire(site.daemon.ports["imaps"]))
        assert refused.line() == "* BYE [UNAVAILABLE] too many connections from your address"
        assert refused.line() == silent.line() == ""
        wires[0].say(f"a LOGIN bob {PASSWORD}\r\n")
        assert wires[0].line().startswith("a OK")
        assert greeted()
    assert until(greeted, PATIENCE_S)


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


def _is_given_messages(site: Site) -> None:
    with imap(site, "anna") as client:
        for _ in range(MESSAGES):
            client.append("INBOX", "", None, BIG)


def _does_not_read(site: Site, *, half: bool = False) -> None:
    """half: it has closed its side, and may still read."""
    before = _resident(site)
    with socket.create_connection(("127.0.0.1", site.daemon.ports["imap"]), PATIENCE_S) as lazy:
        lazy.sendall(b'a LOGIN anna "%b"\r\nb SELECT INBOX\r\nc FETCH 1:* BODY.PEEK[]\r\n' % PASSWORD.encode())
        if half:
            lazy.shutdown(socket.SHUT_WR)
        with imap(site, "bob") as other:  # is served meanwhile
            assert other.select()[0] == "OK"
        end = select.poll()
        end.register(lazy, 0)  # errors and the end are told all the same
        assert end.poll(PATIENCE_S * 1000), "who does not read is not cut"
        assert _resident(site) - before < 60 * 1024 * 1024
    with imap(site, "anna") as client:
        assert client.select()[1] == [str(MESSAGES).encode()]


def _is_cut_off_between_octets(site: Site) -> None:
    """The account is closed while its messages are being sent: what is said then would be taken for a message's."""
    with Reader(site) as other, socket.create_connection(("127.0.0.1", site.daemon.ports["imap"]), PATIENCE_S) as slow:
        slow.sendall(b'a LOGIN anna "%b"\r\nb SELECT INBOX\r\nc FETCH 1:* BODY.PEEK[]\r\n' % PASSWORD.encode())
        told = slow.recv(65536)
        while BIG[:20] not in told:
            told += slow.recv(65536)
        asyncio.run(_close_account(site.settings))
        while not select.select([other.socket], [], [], 0.02)[0]:  # so slowly that there is more to send
            told += slow.recv(65536)
        assert other.line().startswith("* BYE")
        with contextlib.suppress(ConnectionError):
            while more := slow.recv(65536):
                told += more
    assert 0 < told.count(b"FETCH (BODY[]") < MESSAGES
    assert b"BYE" not in told


async def _close_account(settings: StoreSettings) -> None:
    store = Store(settings)
    address = await store.run(accounts.address, f"anna@{DOMAIN}")
    assert address is not None
    await store.run(accounts.set_state, address.owner, AccountState.DISABLED)
    await store.close()


def _resident(site: Site) -> int:
    """Octets of memory that the daemon holds."""
    fields = Path(f"/proc/{site.daemon.pid}/status").read_text().split("VmRSS:")[1].split()
    return int(fields[0]) * 1024
