"""A box that two people share at a real daemon, by Python's own client and IMAPClient; revoked by another process."""

import imaplib

import imapclient

from tests.e2e.conftest import DOMAIN, PASSWORD, Site, complaints
from tests.e2e.mailbox import unverified

SHARED = f"Shared/anna@{DOMAIN}/Plans"
MESSAGE = b"Subject: plan\r\n\r\nThe plan.\r\n"


def connect(site: Site, name: str) -> imapclient.IMAPClient:
    client = imapclient.IMAPClient(
        "127.0.0.1", port=site.daemon.ports["imaps"], ssl_context=unverified(), timeout=30
    )  # fmt: skip
    client.login(name, PASSWORD)
    return client


def test_shared_worked_with_and_taken_back(site: Site) -> None:
    bob = connect(site, "bob")
    with connect(site, "anna") as anna:
        anna.create_folder("Plans")
        anna.append("Plans", MESSAGE)
        anna.setacl("Plans", "bob", "lrswite")
        anna.setacl("Plans", "$team", "l")
        assert sorted(anna.getacl("Plans")) == [
            (f"anna@{DOMAIN}".encode(), b"lrswipkxtecda"),
            (f"bob@{DOMAIN}".encode(), b"lrswited"),
            (f"team@{DOMAIN}".encode(), b"l"),
        ]
        assert [(ns[0], ns[1]) for ns in bob.namespace().shared] == [("Shared/", "/")]
        assert SHARED in [name for _, _, name in bob.list_folders("Shared/")]
        bob.subscribe_folder(SHARED)
        assert SHARED in [name for _, _, name in bob.list_sub_folders()]
        assert bob.select_folder(SHARED)[b"EXISTS"] == 1
        assert bob.fetch(1, ["BODY.PEEK[]"])[1][b"BODY[]"] == MESSAGE
        bob.add_flags(1, [b"\\Seen", b"$Read"])
        anna.select_folder("Plans", readonly=True)
        assert set(anna.get_flags(1)[1]) == {b"\\Seen", b"$Read"}
        bob.append(SHARED, MESSAGE)
        assert bob.fetch(2, ["EMAILID"])[2][b"EMAILID"]
        bob.move(2, "INBOX")
        assert bob.folder_status("INBOX", ["MESSAGES"]) == {b"MESSAGES": 1}
        bob.idle()
        anna.append("Plans", MESSAGE)
        assert (2, b"EXISTS") in bob.idle_check(timeout=60)
        said = site.cli("shared", "revoke", f"anna@{DOMAIN}/Plans", "bob")  # from another process
        assert said == f"Shared/anna@{DOMAIN}/Plans   nothing of bob\n"
        told = bob.idle_check(timeout=60)
        assert told[-1][0] == b"BYE", told
        bob.shutdown()  # no LOGOUT to who has gone
    with imaplib.IMAP4_SSL("127.0.0.1", site.daemon.ports["imaps"], ssl_context=unverified()) as again:
        again.login("bob", PASSWORD)
        assert again.myrights(SHARED) == ("OK", [f'"{SHARED}" l'.encode()])  # the group's
        assert again.select(SHARED)[0] == "NO"
        site.cli("shared", "revoke", f"anna@{DOMAIN}/Plans", "team")
        assert again.myrights(SHARED)[1] == [b"[NONEXISTENT] no such mailbox"]
        assert again.myrights(f"Shared/nobody@{DOMAIN}/Plans")[1] == [b"[NONEXISTENT] no such mailbox"]
    assert all(" no: " in line for line in complaints(site.daemon.output))
