"""A reader sits in IDLE on the INBOX; the post is taken back: the row leaves by itself (how soon: bench/)."""

import imaplib
import json
import time

from tests.e2e.conftest import Site
from tests.e2e.mailbox import imap, subjects, submission, text_mail

PATIENCE_S = 60.0


def wait_for(client: imaplib.IMAP4, end: bytes) -> None:
    """Reads lines until one ends so."""
    begun = time.monotonic()
    while not client.readline().rstrip(b"\r\n").endswith(end):
        assert time.monotonic() - begun < PATIENCE_S, f"never told {end!r}"


def test_idle_hears_of_post_and_recall(site: Site) -> None:
    with imap(site, "anna") as reader, imap(site, "anna") as other, submission(site, "bob") as sender:
        other.enable("QRESYNC")
        for each in (reader, other):
            each.select("INBOX")
            each.send(b"i1 IDLE\r\n")
            wait_for(each, b"idling")
        sender.send_message(text_mail("bob", "team", "Oops", "not for you"))
        wait_for(reader, b"1 EXISTS")
        post = json.loads(site.cli("post", "list", "team", "--json"))[0]["id"]
        report = json.loads(site.cli("post", "recall", post, "-y", "--json"))
        assert report == {"id": post, "policy": "all", "had": 1, "read": 0, "removed": 1, "kept": 0, "by": ""}
        wait_for(reader, b"* 1 EXPUNGE")
        wait_for(other, b"* VANISHED 1")
        for each in (reader, other):
            each.send(b"DONE\r\n")
            wait_for(each, b"completed")
    with imap(site, "bob") as other:  # was not looking: it never was there, and no UID is spent
        assert subjects(other) == []
        _, (uidnext,) = other.status("INBOX", "(UIDNEXT)")
        assert b"(UIDNEXT 1)" in uidnext
