"""What leaves is signed: by whom, over what, and never at the price of not leaving."""

import asyncio
import logging
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from opostd.checks import arc, dkim, keyring
from opostd.checks.canon import Body
from opostd.checks.keyring import Keyring, generate, record, zone_line
from opostd.checks.signer import Signer
from opostd.intake.message import field
from tests.checks.zones import LETTER, NOW, Texts, message, published

HOSTNAME = "mail.opost.example"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Keys of a.example and of opost.example."""
    found = tmp_path / "dkim"
    for domain in ("a.example", "opost.example"):
        assert len(list(generate(found, domain, "s"))) == 2
    return found


def signer(folder: Path, **options: bool) -> Signer:
    return Signer(
        Keyring(folder), hostname=HOSTNAME, domains=("opost.example", "a.example"), now=lambda: NOW, **options
    )


def texts(folder: Path) -> Texts:
    ring = Keyring(folder)
    return Texts(published(*(key for domain in ring.domains() for key in ring.of(domain))))


def found_in(raw: bytes, folder: Path) -> list[tuple[str, str, str]]:
    letter = message(raw)
    found = asyncio.run(dkim.check(texts(folder), letter, Body(letter), NOW))
    return [(each.result, each.domain, each.algorithm) for each in found]


def chain_of(raw: bytes, folder: Path) -> arc.Arc:
    letter = message(raw)
    return asyncio.run(arc.check(texts(folder), letter, Body(letter), NOW))


CRLF_LETTER = message(LETTER).octets
OUTSIDE = CRLF_LETTER.replace(b"a.example", b"b.example")


def test_author_signs_by_both_keys(folder: Path) -> None:
    raw = signer(folder)(CRLF_LETTER)
    assert raw.endswith(CRLF_LETTER)
    assert found_in(raw, folder) == [("pass", "a.example", "rsa-sha256"), ("pass", "a.example", "ed25519-sha256")]


def test_mail_of_others_is_signed_by_the_first_of_our_domains(folder: Path) -> None:
    assert [domain for _, domain, _ in found_in(signer(folder)(OUTSIDE), folder)] == ["opost.example"] * 2
    assert [domain for _, domain, _ in found_in(signer(folder)(b"Subject: x\r\n\r\nno author\r\n"), folder)] == [
        "opost.example"
    ] * 2


def test_without_keys_nothing_is_done(tmp_path: Path) -> None:
    assert signer(tmp_path / "nothing")(CRLF_LETTER) == CRLF_LETTER


@pytest.mark.parametrize("result", [b"none", b"pass"])
def test_seal_on_what_came_from_others(folder: Path, result: bytes) -> None:
    said = b"mail.opost.example; spf=pass smtp.mailfrom=x@b.example; arc=" + result
    before = OUTSIDE
    if result == b"pass":
        first = message(OUTSIDE).topped([field("Authentication-Results", said.replace(b"arc=pass", b"arc=none"))])
        before = signer(folder)(first.octets)
        before = before.replace(b"Authentication-Results: mail.", b"Authentication-Results: old.", 1)
        assert before.count(b"ARC-Seal") == 1
        before = message(before).octets
    raw = signer(folder)(message(before).topped([field("Authentication-Results", said)]).octets)
    found = chain_of(raw, folder)
    assert (found.result, len(found.sets)) == ("pass", 1 + (result == b"pass"))
    assert found.sets[-1].results.value.endswith(said)
    assert [result for result, _, _ in found_in(raw, folder)[:2]] == ["pass", "pass"]


@pytest.mark.parametrize(
    "said",
    [
        b"mail.opost.example; spf=pass; arc=temperror",
        b"mail.opost.example; spf=pass",
        b"other.example; arc=none",
        b"mail.opost.example.evil.example; arc=none",
    ],
)
def test_no_seal_on_what_we_did_not_find(folder: Path, said: bytes) -> None:
    raw = signer(folder)(message(OUTSIDE).topped([field("Authentication-Results", said)]).octets)
    assert chain_of(raw, folder).result == "none"


def test_seal_can_be_off(folder: Path) -> None:
    said = field("Authentication-Results", b"mail.opost.example; arc=none")
    raw = signer(folder, seal=False)(message(OUTSIDE).topped([said]).octets)
    assert b"ARC-" not in raw


def test_chain_that_has_ended_is_left_alone(folder: Path) -> None:
    """RFC 8617 5.1.2."""
    said = field("Authentication-Results", b"mail.opost.example; arc=fail")
    broken = signer(folder)(
        message(OUTSIDE).topped([field("Authentication-Results", b"mail.opost.example; arc=none")]).octets
    )
    again = message(broken).without(lambda each: each.name == b"authentication-results").topped([said]).octets
    failed = signer(folder)(again)
    assert failed.count(b"cv=fail") == 1
    assert signer(folder)(failed).count(b"ARC-Seal") == failed.count(b"ARC-Seal")


def test_new_keys_count_at_once_and_old_ones_go(folder: Path) -> None:
    ours = signer(folder)
    assert len(found_in(ours(CRLF_LETTER), folder)) == 2
    list(generate(folder, "a.example", "t"))
    assert len(found_in(ours(CRLF_LETTER), folder)) == 4
    for path in folder.glob("s?._domainkey.a.example.pem"):
        path.unlink()
    assert len(found_in(ours(CRLF_LETTER), folder)) == 2


def test_keys_are_their_owners_alone(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    with pytest.raises(FileExistsError):
        list(generate(folder, "a.example", "s"))


def _pem(key: object) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("content", [b"", b"no key", _pem(ec.generate_private_key(ec.SECP256R1()))])
def test_bad_key_files_are_told_of_and_keep_no_mail(
    folder: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "x._domainkey.a.example.pem").write_bytes(content)
    (folder / "y._domainkey.bad..name.pem").write_bytes(_pem(rsa.generate_private_key(65537, 1024)))
    os.utime(folder)
    with caplog.at_level(logging.WARNING):
        assert len(found_in(signer(folder)(CRLF_LETTER), folder)) == 2
    assert {"x._domainkey.a.example.pem", "y._domainkey.bad..name.pem"} <= set(
        caplog.text.replace("/", " ").replace(":", " ").split()
    )


def test_odd_messages_leave(folder: Path) -> None:
    """Whatever a mail program has sent; and the signature holds."""
    for raw in (
        b"From: a@a.example\r\n\r\n",
        b"From: a@a.example\r\nno field\r\n\r\nx\r\n",
        b"From: a@a.example\r\nSubject: \xc3\xa4\r\n\r\n\xff\r\n",
        b"From: a@a.example\r\nReferences: " + b" <x@a.example>\r\n" * 500 + b"\r\nx\r\n",
        b"From : a@a.example\r\nTo:\r\n\tb@b.example\r\n\r\n.\r\n..\r\n",
        b"From: a@a.example\r\nTo: b@b.example\r\nTo: c@c.example\r\n\r\nx\r\n",
    ):
        signed = signer(folder)(raw)
        assert signed.endswith(raw)
        assert [result for result, _, _ in found_in(signed, folder)] == ["pass", "pass"]
        assert max(map(len, signed[: -len(raw)].split(b"\r\n"))) <= 78
    assert signer(folder)(b"") != b""


def test_records(folder: Path) -> None:
    for key in Keyring(folder).of("a.example"):
        name, text = record(key)
        line = zone_line(key)
        assert line.startswith(f"{name}. IN TXT ")
        strings = line.split('"')[1::2]
        assert "".join(strings) == text
        assert max(map(len, strings)) <= keyring.STRING_OCTETS
