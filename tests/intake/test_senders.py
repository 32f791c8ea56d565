"""Who may stand in From and Sender (RFC 5322 3.6.2, security.md 1.3)."""

import asyncio

import pytest

from opostd.config import LimitSettings
from opostd.intake.message import read
from opostd.intake.senders import check_authors
from opostd.model.errors import BadMessage, NotAllowed, Refused

OWN = {"anna@opost.example", "sales@opost.example"}


def check(header: bytes) -> None:
    async def owns(address: str) -> bool:
        return address in OWN

    asyncio.run(check_authors(read(header + b"\r\n\r\nx", LimitSettings()), owns))


@pytest.mark.parametrize(
    "header",
    [
        b"Subject: no From",
        b"From: anna@opost.example",
        b"From: Anna <anna@opost.example>",
        b"From: =?utf-8?q?Ann=C3=A4?= <anna@opost.example>",
        b"From: \xff\xfe <anna@opost.example>",
        b"From: anna@opost.example (bob@opost.example)",
        b'From: "bob@opost.example" <anna@opost.example>',
        b"From: anna@opost.example, Sales <sales@opost.example>\r\nSender: anna@opost.example",
        b"From: us: anna@opost.example;",
    ],
)
def test_own(header: bytes) -> None:
    check(header)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (b"From: bob@opost.example", NotAllowed),
        (b"From: anna@opost.example, bob@opost.example", NotAllowed),
        (b"From: anna <bob@opost.example>", NotAllowed),
        (b"From: anna@opost.example <bob@opost.example>", NotAllowed),
        (b"From: anna@opost.example\r\nSender: bob@opost.example", NotAllowed),
        (b"Sender: bob@opost.example", NotAllowed),
        (b"from\t: bob@opost.example", NotAllowed),
        (b"From: us: anna@opost.example, bob@opost.example;", NotAllowed),
        (b"From: <@route:bob@opost.example>", NotAllowed),
        (b"From: =?utf-8?q?anna?=@opost.example", NotAllowed),
        (b"From: anna@opost.example\r\nFrom: anna@opost.example", BadMessage),
        (b"From: anna@opost.example\r\nfrom : bob@opost.example", BadMessage),
        (b"From: anna@opost.example\r\nSender: anna@opost.example\r\nSender: bob@opost.example", BadMessage),
        (b"From:", BadMessage),
        (b"From: anna", BadMessage),
        (b"From: undisclosed:;", BadMessage),
        (b"From: \xff@opost.example", BadMessage),
        (b"From: " + b", ".join(b"a%d@x.example" % number for number in range(30)), BadMessage),
    ],
)
def test_refused(header: bytes, error: type[Refused]) -> None:
    with pytest.raises(error):
        check(header)
