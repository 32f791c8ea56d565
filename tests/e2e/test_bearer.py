"""Logins by token with the daemon's own TLS, by a real client, IMAP and submission (RFC 7628)."""

import asyncio
import smtplib
from pathlib import Path

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import LoginError

from opostd.config import StoreSettings
from tests.e2e.conftest import CONFIG, people
from tests.e2e.mailbox import unverified
from tests.support import issuer as issuers
from tests.support.daemon import start_daemon
from tests.support.issuer import AUDIENCE, SCOPE

OAUTH = """
[oauth]
jwks_url = "{base}/keys"
issuer = "{base}"
audience = "{audience}"
required_scope = "{scope}"
"""


def test_login_by_token(sqlite_settings: StoreSettings, tmp_path: Path) -> None:
    asyncio.run(people(sqlite_settings))
    with issuers.running() as issuer:
        oauth = OAUTH.format(base=issuer.base, audience=AUDIENCE, scope=SCOPE)
        daemon = start_daemon(tmp_path, config_text=CONFIG.format(url=sqlite_settings.url) + oauth, migrate=False)
        try:
            for login in ("oauthbearer_login", "oauth2_login"):
                with IMAPClient("127.0.0.1", daemon.ports["imaps"], ssl_context=unverified(), timeout=30) as client:
                    with pytest.raises(LoginError):
                        getattr(client, login)("bob@opost.example", issuer.token())
                    getattr(client, login)("anna@opost.example", issuer.token())
                    assert client.select_folder("INBOX")[b"EXISTS"] == 0
            with smtplib.SMTP_SSL("127.0.0.1", daemon.ports["submissions"], context=unverified(), timeout=30) as smtp:
                smtp.ehlo()
                smtp.user, token = "anna@opost.example", issuer.token()
                response = f"user={smtp.user}\1auth=Bearer {token}\1\1"
                assert smtp.auth("XOAUTH2", lambda _=None: response)[0] == 235
            assert issuer.asked == ["/keys"]
        finally:
            daemon.stop()
