"""Doors that no port leads to, in the running server: LMTP over a UNIX socket (RFC 2033)."""

import asyncio
import smtplib
import stat
from pathlib import Path

from opostd.config import StoreSettings
from opostd.store import migrate
from tests.e2e.conftest import CONFIG, DOMAIN, Site, people
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
