"""Small helpers over Python's own clients: what a test asks of a mailbox, and how it sends."""

import email
import email.policy
import imaplib
import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

from tests.e2e.conftest import DOMAIN, PASSWORD, Site


def unverified() -> ssl.SSLContext:
    """For the self-made certificate of the test daemon."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def imap(site: Site, user: str) -> Iterator[imaplib.IMAP4]:
    client = imaplib.IMAP4("127.0.0.1", site.daemon.ports["imap"], timeout=30)
    try:
        client.login(user, PASSWORD)
        yield client
    finally:
        try:
            client.logout()
        except (imaplib.IMAP4.error, OSError):
            client.shutdown()


@contextmanager
def submission(site: Site, user: str) -> Iterator[smtplib.SMTP]:
    client = smtplib.SMTP("127.0.0.1", site.daemon.ports["submission"], timeout=30)
    try:
        client.starttls(context=unverified())
        client.login(user, PASSWORD)
        yield client
    finally:
        try:
            client.quit()
        except (smtplib.SMTPException, OSError):
            client.close()


def text_mail(sender: str, to: str, subject: str, body: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = f"{sender}@{DOMAIN}", f"{to}@{DOMAIN}", subject
    message.set_content(body)
    return message


def subjects(client: imaplib.IMAP4, box: str = "INBOX") -> list[str]:
    """The Subject of every message, in the order of the box."""
    status, (count, *_) = client.select(box, readonly=True)
    assert status == "OK", count
    if not int(count or 0):
        return []
    _, answer = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    found = []
    for each in answer:
        if isinstance(each, tuple):
            match = re.search(rb"(?im)^Subject: *(.*?)\r?$", each[1])
            found.append(match[1].decode() if match else "")
    return found


def uids(client: imaplib.IMAP4) -> list[int]:
    _, answer = client.uid("SEARCH", "ALL")
    return [int(uid) for uid in (answer[0] or b"").split()]


def whole(client: imaplib.IMAP4, number: int) -> EmailMessage:
    """One message, read."""
    _, answer = client.fetch(str(number), "(BODY.PEEK[])")
    raw = next(each[1] for each in answer if isinstance(each, tuple))
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed
