"""An account that is disabled or deleted while its connections are open: they end, and send nothing more (promise 4)."""

import smtplib

import pytest

from tests.e2e.conftest import DOMAIN, Site
from tests.e2e.faults import Wire, until
from tests.e2e.mailbox import imap, subjects, submission, text_mail

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("how", ["disable", "delete"])
def test_who_is_logged_in_is_cut(site: Site, how: str) -> None:
    idle = Wire(site.daemon.ports["imap"])
    idle.say("a LOGIN bob deadbeef\r\nb SELECT INBOX\r\nc IDLE\r\n")
    while not (line := idle.line()).startswith("+ "):
        assert line
    with submission(site, "bob") as open_, submission(site, "bob") as busy, submission(site, "anna") as other:
        open_.send_message(text_mail("bob", "anna", "before", "text"))
        busy.mail(f"bob@{DOMAIN}")
        busy.rcpt(f"anna@{DOMAIN}")
        busy.docmd("DATA")
        arguments = ("user", how, f"bob@{DOMAIN}") + (("--yes",) if how == "delete" else ())
        site.cli(*arguments)
        # Each hears why, also in the middle of a message, which is not taken.
        assert until(lambda: site.daemon.output.count("reason=account-closed") == 2)
        for client in (open_, busy):
            code, text = client.getreply()
            assert (code, text) == (421, b"4.7.0 this account is closed")
            with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
                client.getreply()
        assert other.noop()[0] == 250
        said = iter(idle.line, "")
        assert any(line.startswith("* BYE") for line in said)
        idle.close()
    with imap(site, "anna") as client:
        assert subjects(client) == ["before"]
