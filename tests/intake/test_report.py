"""Notifications read back by another parser (RFC 3464, RFC 6522); nothing hostile ends a line of them."""

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.intake.report import About, Action, Status, report, xtext
from opostd.intake.tell import wants
from opostd.model.ids import PostId
from opostd.model.mailing import NOT_SAID, Notify, Wish

HEADER = b"Message-ID: <1@x.example>\r\nSubject: hi\r\n\r\n"
POST = PostId(bytes(16))
FAILED = Status(
    Wish("x@else.example", orcpt="rfc822;X+2By@else.example"), Action.FAILED, "5.1.1", "mx.else.example", "550 no"
)


def read(about: About, *statuses: Status) -> EmailMessage:
    raw = report(about, statuses, to="anna@opost.example", hostname="mail.opost.example", domain="opost.example", post=POST, now=0)  # fmt: skip
    assert b"\n" not in raw.replace(b"\r\n", b"")
    parsed = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert isinstance(parsed, EmailMessage)
    assert (parsed.get_content_type(), parsed.get_param("report-type")) == ("multipart/report", "delivery-status")
    assert [part.defects for part in parsed.walk()] == [[] for _ in parsed.walk()]
    return parsed


def test_a_failure() -> None:
    parsed = read(About("ID+2B1", 0, HEADER, HEADER + b"text\r\n"), FAILED)
    assert parsed["To"] == "anna@opost.example"
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert parsed["References"] == "<1@x.example>"
    words, machine, returned = parsed.iter_parts()
    assert "x@else.example" in words.get_content()
    assert "mx.else.example said: 550 no" in words.get_content()
    of_message, of_recipient = machine.get_payload()
    assert dict(of_message.items()) == {
        "Reporting-MTA": "dns; mail.opost.example",
        "Original-Envelope-Id": "ID+1",
        "Arrival-Date": "Thu, 01 Jan 1970 00:00:00 -0000",
    }
    assert dict(of_recipient.items()) == {
        "Original-Recipient": "rfc822; X+y@else.example",
        "Final-Recipient": "rfc822; x@else.example",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.else.example",
        "Diagnostic-Code": "smtp; 550 no",
        "Last-Attempt-Date": "Thu, 01 Jan 1970 00:00:00 -0000",
    }
    assert returned.get_content_type() == "message/rfc822"
    assert returned.get_payload()[0]["Subject"] == "hi"


def test_addresses_that_are_not_ascii() -> None:
    status = Status(Wish("jürgen@else.example"), Action.DELAYED, "4.4.1", until=86400)
    parsed = read(About("", 0, "Subject: grüß\r\n\r\n".encode(), b""), status)
    _, machine, returned = parsed.iter_parts()
    assert machine.get_content_type() == "message/global-delivery-status"
    assert "Final-Recipient: utf-8; jürgen@else.example" in parsed.as_bytes().decode()
    assert returned.get_content_type() == "text/rfc822-headers"
    assert returned.get_content().splitlines() == ["Subject: grüß"]


ANY = st.text(max_size=60)


@given(address=ANY, remote=ANY, diagnostic=ANY, envid=ANY, orcpt=ANY)
def test_nothing_ends_a_line(address: str, remote: str, diagnostic: str, envid: str, orcpt: str) -> None:
    status = Status(Wish(f"{address}@x", orcpt=f"rfc822;{orcpt}"), Action.FAILED, "5.0.0", remote, diagnostic)
    parsed = read(About(envid, 0, HEADER, b""), status, FAILED)
    _, machine, _ = parsed.iter_parts()
    if machine.get_content_type() == "message/delivery-status":
        groups = [block.items() for block in machine.get_payload()]
        assert len(groups) == 3
        assert [sum(name == "Action" for name, _ in group) for group in groups] == [0, 1, 1]


@pytest.mark.parametrize(("text", "wanted"), [("a+2Bb", "a+b"), ("+0D+0Ax", "??x"), ("+", "+"), ("+2b", "+2b")])
def test_xtext(text: str, wanted: str) -> None:
    assert xtext(text) == wanted


WANTS = [
    (NOT_SAID, Action.FAILED, False, True),
    (NOT_SAID, Action.DELAYED, True, True),
    (NOT_SAID, Action.DELAYED, False, False),
    (NOT_SAID, Action.DELIVERED, True, False),
    (Notify.NEVER, Action.FAILED, True, False),
    (Notify.SUCCESS, Action.FAILED, True, False),
    (Notify.SUCCESS, Action.RELAYED, True, True),
    (Notify.DELAY | Notify.FAILURE, Action.DELAYED, False, True),
]


@pytest.mark.parametrize(("notify", "action", "local", "wanted"), WANTS)
def test_who_is_told_what(notify: Notify, action: Action, local: bool, wanted: bool) -> None:
    assert wants(Wish("x@y", notify), action, local=local) == wanted


def test_speaks_what_the_sender_reads() -> None:
    status = Status(Wish("x@else.example"), Action.DELAYED, "4.4.1", "mx.else.example", "451 später", until=86400)
    raw = report(About("", 0, HEADER, b""), [status], to="anna@opost.example", hostname="mail.opost.example", domain="opost.example", post=POST, now=0, language="de")  # fmt: skip
    parsed = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert isinstance(parsed, EmailMessage)
    assert parsed["Subject"] == "Ihre Nachricht verzögert sich"
    words, machine, _ = parsed.iter_parts()
    assert words["Content-Language"] == "de"
    text = words.get_content()
    assert "diese Empfänger noch nicht erreicht" in text
    assert "mx.else.example antwortete: 451 später" in text
    assert "bis 1970-01-02 00:00 UTC." in text
    assert "Action: delayed" in machine.as_string()
