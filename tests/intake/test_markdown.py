"""Which submissions are rendered, and what they become (libraries.md 2)."""

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.config import LimitSettings
from opostd.intake import markdown
from opostd.intake.message import Message, read

LIMITS = LimitSettings()
BOUNDARY = b"=_0123456789abcdef"


def message(*lines: str) -> Message:
    return read("\r\n".join(lines).encode() + b"\r\n", LIMITS)


def mixed(*parts: tuple[str, ...]) -> Message:
    lines = ["From: a", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "", "preamble"]
    for part in parts:
        lines += ["--b", *part]
    return message(*lines, "--b--")


TEXT = ("Content-Type: text/plain; charset=utf-8", "", "*hi*")
PDF = ("Content-Type: application/pdf; name=a.pdf", "Content-Transfer-Encoding: base64", "", "AAAA")

RENDERED = [
    (message("", "*hi*"), "*hi*\n"),
    (message("From: a", "", "*hi*"), "*hi*\n"),
    (message("Content-Type: text/plain", "", "*hi*"), "*hi*\n"),
    (message('Content-Type: TEXT/PLAIN; charset="UTF-8"', "", "*hü*"), "*hü*\n"),
    (message("Content-Type: text/markdown; charset=utf-8", "", "*hü*"), "*hü*\n"),
    (message("Content-Type: text/plain; charset=us-ascii", "", "*hü*"), "*hü*\n"),
    (message("Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "", "KmjDvCo="), "*hü*"),
    (
        message(
            "Content-Type: text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: quoted-printable", "", "h=FC"
        ),
        "hü\n",
    ),
    (message("Content-Type: text/plain; format=flowed", "", "one ", "two"), "one two\n"),
    (message("Content-Type: text/plain; format=flowed; delsp=yes", "", "one ", "two"), "onetwo\n"),
    (message("Content-Type: text/markdown; format=flowed", "", "one ", "two"), "one \ntwo\n"),
    (message("X-Opost-Format: markdown", "", "*hi*"), "*hi*\n"),
    (mixed(TEXT), "*hi*"),
    (mixed(TEXT, PDF), "*hi*"),
    (mixed(PDF, TEXT), "*hi*"),
    (mixed(("", "*hi*"), PDF), "*hi*"),
    (mixed(TEXT, ("Content-Type: text/html; name=page.html", "", "<p>")), "*hi*"),
    (mixed(TEXT, ("Content-Type: text/plain", "Content-Disposition: attachment", "", "log")), "*hi*"),
    (mixed(TEXT, ("Content-Type: text/plain", "Content-Disposition: inline; filename=x", "", "log")), "*hi*"),
    (mixed(TEXT, ("Content-Type: message/rfc822", "", "Content-Type: text/html", "", "<p>")), "*hi*"),
    (mixed(TEXT, ("Content-Type: image/png", "", "x")), "*hi*"),
]

UNTOUCHED = [
    message("From: a", "", ""),
    message("From: a", "", " ", "\t"),
    message("Content-Type: text/html", "", "<p>"),
    message("Content-Type: text/calendar", "", "BEGIN:VCALENDAR"),
    message("Content-Type: text/x-diff", "", "+"),
    message("Content-Type: application/pdf", "", "x"),
    message("Content-Type: text/plain", "Content-Disposition: attachment; filename=x.txt", "", "x"),
    message("DKIM-Signature: v=1", "", "*hi*"),
    message("X-Opost-Format: text", "", "*hi*"),
    message("Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "", "/w=="),
    message("Content-Type: text/plain; charset=rot13", "", "*hi*"),
    message("Content-Type: text/plain; charset=unicode_escape", "", "*hi*"),
    message("Content-Type: text/plain", "Content-Transfer-Encoding: uuencode", "", "*hi*"),
    message("Content-Type: text/plain", "Content-Transfer-Encoding: quoted-printable", "", "a=00b"),
    message("", "-----BEGIN PGP SIGNED MESSAGE-----", "", "x"),
    message("", *["x" * 1000] * 300),
    message("Content-Type: multipart/alternative; boundary=b", "", "--b", "", "x", "--b--"),
    message("Content-Type: multipart/signed; boundary=b", "", "--b", *TEXT, "--b--"),
    message("Content-Type: multipart/encrypted; boundary=b", "", "--b", *TEXT, "--b--"),
    message("Content-Type: multipart/report; boundary=b", "", "--b", *TEXT, "--b--"),
    message("Content-Type: multipart/related; boundary=b", "", "--b", *TEXT, "--b--"),
    message("Content-Type: application/pkcs7-mime", "", "x"),
    message("Content-Type: message/rfc822", "", "From: a", "", "*hi*"),
    mixed(PDF),
    mixed(TEXT, TEXT),
    mixed(TEXT, ("Content-Type: text/html", "", "<p>")),
    mixed(TEXT, ("Content-Type: text/calendar; name=a.ics", "", "BEGIN:VCALENDAR")),
    mixed(TEXT, ("Content-Type: application/pkcs7-signature; name=smime.p7s", "", "x")),
    mixed(TEXT, ("Content-Type: application/pgp-encrypted", "", "x")),
    mixed(TEXT, ("Content-Type: message/delivery-status", "", "x")),
    mixed(TEXT, ("Content-Type: multipart/alternative; boundary=c", "", "--c", "", "x", "--c--")),
]


@pytest.mark.parametrize(("given_", "text"), RENDERED)
def test_rendered(given_: Message, text: str) -> None:
    found = markdown.find(given_, "plain")
    assert found is not None
    assert found.text == text
    assert markdown.find(given_, "off") is None


@pytest.mark.parametrize("given_", UNTOUCHED)
def test_untouched(given_: Message) -> None:
    assert markdown.find(given_, "plain") is None


def test_marked_renders_what_says_so() -> None:
    assert markdown.find(message("", "*hi*"), "marked") is None
    assert markdown.find(mixed(TEXT), "marked") is None
    assert markdown.find(message("Content-Type: text/markdown", "", "*hi*"), "marked") is not None
    assert markdown.find(message("X-Opost-Format: Markdown", "", "*hi*"), "marked") is not None


def parsed(octets: bytes) -> EmailMessage:
    found = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def build(given_: Message) -> bytes:
    source = markdown.find(given_, "plain")
    assert source is not None
    return markdown.built(given_, source, "<p>html</p>", BOUNDARY).octets


def test_a_text_becomes_an_alternative() -> None:
    octets = build(
        message(
            "Received: x", "From: a", "MIME-Version: 1.0", "Content-Type: text/plain;", " format=flowed",
            "Content-Transfer-Encoding: 8bit", "X-Opost-Format: markdown", "Subject: s", "", "héllo  ",
        )
    )  # fmt: skip
    found = parsed(octets)
    assert found.keys() == ["Received", "From", "Subject", "MIME-Version", "Content-Type"]
    plain, html = found.iter_parts()
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert octets.isascii()


def test_attachments_stay_octet_by_octet() -> None:
    given_ = mixed(TEXT, PDF)
    octets = build(given_)
    before, after = given_.octets, octets
    assert after.startswith(before[: before.index(b"--b\r\n") + 5])
    assert after.endswith(before[before.index(b"\r\n--b\r\nContent-Type: application/pdf") :])
    body, pdf = parsed(after).iter_parts()
    assert [part.get_content_type() for part in body.iter_parts()] == ["text/plain", "text/html"]
    assert pdf.get_content() == b"\0\0\0"


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\0"), min_size=1))
def test_the_plain_part_is_the_text_as_typed(text: str) -> None:
    given_ = read(b"From: a\r\n\r\n" + text.replace("\n", "\r\n").encode(), LimitSettings(max_line_octets=10_000))
    if markdown.find(given_, "plain") is None:
        assert not text.strip() or "-----BEGIN" in text
        return
    plain, _ = parsed(build(given_)).iter_parts()
    octets = plain.get_payload(decode=True)
    assert isinstance(octets, bytes)
    assert octets.decode().replace("\r\n", "\n") == text
