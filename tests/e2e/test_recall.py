"""A reader sits in IDLE on the INBOX; the post is taken back: the row leaves within a second."""

import imaplib
import json
import time

from tests.e2e.conftest import Site
from tests.e2e.mailbox import imap, subjects, submission, text_mail

SECONDS = 1.0  # that an IDLE client may wait; the machine of the tests is allowed five times as long


def wait_for(client: imaplib.IMAP4, end: bytes) -> float:
    """Reads lines until one ends so; how long that was."""
    begun = time.monotonic()
    while not client.readline().rstrip(b"\r\n").endswith(end):
        assert time.monotonic() - begun < 30, f"never told {end!r}"
    return time.monotonic() - begun


def test_idle_hears_of_post_and_recall(site: Site) -> None:
    with imap(site, "anna") as reader, imap(site, "anna") as other, submission(site, "bob") as sender:
        other.enable("QRESYNC")
        for each in (reader, other):
            each.select("INBOX")
            each.send(b"i1 IDLE\r\n")
            wait_for(each, b"idling")
        sender.send_message(text_mail("bob", "team", "Oops", "not for you"))
        assert wait_for(reader, b"1 EXISTS") < 5 * SECONDS
        post = json.loads(site.cli("post", "list", "team", "--json"))[0]["id"]
        report = json.loads(site.cli("post", "recall", post, "-y", "--json"))
        assert report == {"id": post, "policy": "all", "had": 1, "read": 0, "removed": 1, "kept": 0, "by": ""}
        assert wait_for(reader, b"* 1 EXPUNGE") < 5 * SECONDS
        assert wait_for(other, b"* VANISHED 1") < 5 * SECONDS
        for each in (reader, other):
            each.send(b"DONE\r\n")
            wait_for(each, b"completed")
    with imap(site, "bob") as other:  # was not looking: it never was there, and no UID is spent
        assert subjects(other) == []
        _, (uidnext,) = other.status("INBOX", "(UIDNEXT)")
        assert uidnext == b'"INBOX" (UIDNEXT 1)' or b"UIDNEXT 1)" in uidnext
