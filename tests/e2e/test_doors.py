"""Doors of the running server that are not plain ports: a UNIX socket (RFC 2033), and behind a balancer."""

import asyncio
import smtplib
import stat
from pathlib import Path

from opostd.config import StoreSettings
from opostd.store import migrate
from tests.e2e.conftest import CONFIG, DOMAIN, Site, people
from tests.e2e.faults import Sender, Wire, site_over, sqlite_in
from tests.e2e.mailbox import imap, subjects, text_mail
from tests.support.daemon import start_daemon


def test_lmtp_over_a_unix_socket_that_a_killed_server_left(tmp_path: Path) -> None:
    settings = StoreSettings(url=f"sqlite:///{tmp_path / 'opostd.db'}")
    migrate.up(settings)
    asyncio.run(people(settings))
    config = CONFIG.format(url=settings.url).replace('"127.0.0.1:{lmtp}"', '"unix:lmtp.socket", "127.0.0.1:{lmtp}"')
    daemon = start_daemon(tmp_path, config_text=config, migrate=False)
    path = tmp_path / "lmtp.socket"
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        _deliver(path, "one")
        daemon.kill()
        assert path.exists()
        daemon.restart()
        _deliver(path, "two")
        with imap(Site(daemon.config, daemon, settings), "anna") as client:
            assert subjects(client) == ["one", "two"]
    finally:
        assert daemon.stop() == 0, daemon.output
    assert not path.exists()


def _deliver(path: Path, subject: str) -> None:
    with smtplib.LMTP(str(path)) as client:
        client.send_message(text_mail("bob", "anna", subject, "text"), "someone@other.example", [f"anna@{DOMAIN}"])


def test_a_balancer_tells_the_clients_address(tmp_path: Path) -> None:
    with site_over(sqlite_in(tmp_path), tmp_path, more='[smtp]\nproxy_from = ["127.0.0.1"]') as site:
        with Wire(site.daemon.ports["smtp"]) as wire:
            wire.say("PROXY TCP4 192.0.2.7 127.0.0.1 4711 25\r\nNOOP\r\n")
            assert wire.line().startswith("220 ")
            assert wire.line().startswith("250 ")
        with Wire(site.daemon.ports["smtp"]) as wire:
            wire.say("NOOP\r\n")
            assert wire.line() == ""
    assert "reason=proxy why=no PROXY header" in site.daemon.output


def test_who_is_no_balancer_is_served_and_not_believed(tmp_path: Path) -> None:
    with site_over(sqlite_in(tmp_path), tmp_path, more='[smtp]\nproxy_from = ["192.0.2.0/24"]') as site:
        with Sender(site) as sender:
            assert sender.ask("PROXY TCP4 192.0.2.7 127.0.0.1 4711 25").startswith("500 5.5.1")
            assert sender.deliver("one").startswith("250")
