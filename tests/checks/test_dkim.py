"""DKIM: the examples of RFC 6376 and RFC 8463, dkimpy on the other side, and what must not hold."""

import asyncio
import base64
import time
from collections.abc import Callable

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from opostd.checks import dkim, sign
from opostd.checks.canon import Body
from opostd.checks.dkim import Dkim
from opostd.intake.message import Field, Message
from tests.checks.zones import LETTER, NOW, Texts, ed25519_key, message, published, rsa_key

RSA = rsa_key()
ED = ed25519_key()
WORLD = published(RSA, ED)

# RFC 8463 A.3
FOOTBALL = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
"""
FOOTBALL_KEYS = {
    "brisbane._domainkey.football.example.com": [b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="],
    "test._domainkey.football.example.com": [
        b"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR"
        b"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"
        b"DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3"
        b"Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
    ],
}


def check(found: Message, texts: Texts, now: int = NOW) -> tuple[Dkim, ...]:
    return asyncio.run(dkim.check(texts, found, Body(found), now))


def results(found: Message, texts: Texts | None = None, now: int = NOW) -> list[str]:
    return [f"{each.result} {each.reason}".strip() for each in check(found, texts or Texts(WORLD), now)]


def signed(raw: bytes = LETTER) -> Message:
    found = message(raw)
    return found.topped(sign.dkim(found, Body(found), [RSA, ED], NOW))


def by_dkimpy(raw: bytes, **options: object) -> Message:
    pem = RSA.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    crlf = message(raw).octets
    field = dkimpy.sign(crlf, b"r", b"a.example", pem, **options)
    return message(field + crlf)


def test_example_of_rfc_8463() -> None:
    found = check(message(FOOTBALL), Texts(FOOTBALL_KEYS))
    assert [(each.result, each.algorithm, each.mark) for each in found] == [
        ("pass", "ed25519-sha256", "/gCrinpc"),
        ("pass", "rsa-sha256", "F45dVWDf"),
    ]


def test_what_we_sign_holds_here_and_at_dkimpy() -> None:
    found = signed()
    assert results(found) == ["pass", "pass"]
    only_rsa = message(LETTER)
    only_rsa = only_rsa.topped(sign.dkim(only_rsa, Body(only_rsa), [RSA], int(time.time())))
    assert dkimpy.verify(only_rsa.octets, dnsfunc=lambda name, timeout=5: WORLD[name.decode().rstrip(".")][0])


@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
@pytest.mark.parametrize(
    "raw",
    [
        LETTER,
        b"From: a@a.example\n\n",
        b"From: a@a.example\n\n\n\n\n",
        b"From: a@a.example\n\n \t \n \n",
        b"From: a@a.example\n\nno end",
        b"From:\ta@a.example\t\nSubject:\n  folded \n\t twice  \n\nx\n\n\ny \n",
    ],
)
def test_what_dkimpy_signs_holds_here(header: bytes, body: bytes, raw: bytes) -> None:
    assert results(by_dkimpy(raw, canonicalize=(header, body)), now=int(time.time())) == ["pass"]


TEXT = st.text(alphabet=" \t\nab.", max_size=60)


@settings(max_examples=60)
@given(subject=st.text(alphabet=" \tab", max_size=20), body=TEXT, relaxed=st.booleans())
def test_canonical_forms_are_dkimpys(subject: str, body: str, relaxed: bool) -> None:
    # Of white space at the end of a last line without a line end, dkimpy thinks otherwise; by SMTP there is none.
    raw = f"From: a@a.example\nSubject: {subject}\n\n{body.rstrip(' ').rstrip(chr(9))}\n".encode()
    form = b"relaxed" if relaxed else b"simple"
    assert results(by_dkimpy(raw, canonicalize=(form, form)), now=int(time.time())) == ["pass"]


def test_body_in_pieces_is_the_body() -> None:
    """A piece ends with a line, and empty lines between pieces are the body's."""
    raw = LETTER + b"x" * 60_000 + b"\n" * 300_000 + (b"word  \t word \n" * 40_000) + b"\n" * 5
    assert results(signed(raw)) == ["pass", "pass"]
    assert results(by_dkimpy(raw, canonicalize=(b"relaxed", b"relaxed")), now=int(time.time())) == ["pass"]


def with_value(found: Message, old: bytes, new: bytes) -> Message:
    octets = found.octets
    assert old in octets
    return message(octets.replace(old, new, 1))


def relabelled(change: Callable[[bytes], bytes]) -> Message:
    """A letter whose one signature, by RSA, says something else of itself, and is right about it."""
    from opostd.checks import canon, signature

    found = message(LETTER)
    field = sign.dkim(found, Body(found), [RSA], NOW)[0]
    head = change(field.octets.rpartition(b"b=")[0] + b"b=")
    empty = Field(b"dkim-signature", head)
    names = [b"from", b"to"] if b"h=from:to;" in head else list(signature.read(field).names)
    octets = b"".join(canon.signed(found, names, relaxed=True)) + signature.bare(empty, relaxed=True)
    return found.topped([Field(b"dkim-signature", head + base64.b64encode(RSA.sign(octets)) + b"\r\n")])


def test_relabelling_is_the_tests_own_way_to_sign() -> None:
    assert results(relabelled(lambda head: head)) == ["pass"]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (b"c=relaxed/relaxed;", b"c=relaxed/relaxed; l=5;", "fail l= leaves a part unsigned"),
        (b"a=rsa-sha256", b"a=rsa-sha1", "fail SHA-1 proves nothing"),
        (b"a=rsa-sha256", b"a=rsa-sha512", "permerror unknown a="),
        (b"v=1;", b"v=2;", "permerror no v=1"),
        (b"v=1;", b"v=1; v=1;", "permerror no tag list"),
        (b"d=a.example", b"d=a..example", "permerror d= or s= is no name"),
        (b"s=r;", b"s=r; i=@b.example;", "permerror i= is not in d="),
        (b"s=r;", b"s=r; i=@ba.example;", "permerror i= is not in d="),
        (b"s=r;", b"s=r; q=http;", "permerror unknown q="),
        (b"s=r;", b"s=r; x=1;", "permerror ends before it begins"),
        (b"t=1700000000;", b"t=1; x=99;", "fail out of date"),
        (b"t=1700000000;", b"t=1_0;", "permerror no time"),
        (b"c=relaxed/relaxed", b"c=relaxed/nofws", "permerror unknown c="),
        (b"s=r;", b"s=nobody;", "permerror no key"),
        (b"s=r;", b"s=x'y;", "permerror d= or s= is no name"),
        (b"s=r;", b"s=r; i=anna@sub.a.example;", "pass"),
        (b"s=r;", b"s=r; q=dns/txt; z=From:x; unknown=1;", "pass"),
    ],
)
def test_what_a_signature_may_say(old: bytes, new: bytes, wanted: str) -> None:
    assert results(relabelled(lambda head: head.replace(old, new, 1))) == [wanted]


def test_from_must_be_signed() -> None:
    bare = relabelled(lambda head: head[: head.index(b"h=")] + b"h=to:subject" + head[head.index(b";\r\n\tbh=") :])
    assert results(bare) == ["permerror From is not signed"]


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        (b"v=DKIM1; p=", "permerror key was withdrawn"),
        (b"v=DKIM1; k=rsa", "permerror no key in the record"),
        (b"v=DKIM2; p=AAAA", "permerror no DKIM1 key record"),
        (b"k=rsa; v=DKIM1; p=AAAA", "permerror no DKIM1 key record"),
        (b"v=DKIM1; h=sha1; p=AAAA", "permerror key is not for SHA-256"),
        (b"v=DKIM1; s=tlsrpt; p=AAAA", "permerror key is not for mail"),
        (b"v=DKIM1; k=dsa; p=AAAA", "permerror unknown sort of key"),
        (b"v=DKIM1; p=AAAA", "permerror key cannot be read"),
        (b"v=DKIM1; p=!", "permerror key record: not base64"),
        (b"\xff", "permerror key record: not UTF-8"),
    ],
)
def test_bad_keys(record: bytes, wanted: str) -> None:
    found = message(LETTER)
    found = found.topped(sign.dkim(found, Body(found), [RSA], NOW))
    assert results(found, Texts({"r._domainkey.a.example": [record]})) == [wanted]


def test_short_key_proves_nothing() -> None:
    """RFC 8301 3.2.  The key is of the RFC 8032 age: cryptography makes none so short any more."""
    octets = b"MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALbaV76y+kFL4AHFlLiIYmHpNaXj48N3BQIM6vnYfjLoojlRrAqNOoREgFvDgtIIdWPTnCO8Lj9Tgft4KLjCgRkCAwEAAQ=="
    found = relabelled(lambda head: head)
    assert results(found, Texts({"r._domainkey.a.example": [b"p=" + octets]})) == ["fail RSA key of under 1024 bits"]


def test_changes_are_seen() -> None:
    found = signed()
    assert results(with_value(found, b"Hello  Bob", b"Hello  Rob")) == ["fail body was changed"] * 2
    assert (
        results(with_value(found, b"Subject: Hello", b"Subject: Money"))
        == ["fail header was changed, or the key is another"] * 2
    )
    assert results(with_value(found, b"Subject: Hello", b"sUBJECT:  Hello ")) == ["pass", "pass"]
    assert results(with_value(found, b" how are you?", b"\thow  are you? \t")) == ["pass", "pass"]


@pytest.mark.parametrize(
    "name", [b"From: eve@e.example", b"Subject: Money", b"Reply-To: eve@e.example", b"To: c@c.example"]
)
def test_nothing_can_be_added(name: bytes) -> None:
    """Oversigned (security.md 1.7): wherever the second is put."""
    found = signed()
    assert "pass" not in " ".join(results(message(name + b"\r\n" + found.octets)))
    assert "pass" not in " ".join(results(message(found.octets.replace(b"\r\n\r\n", b"\r\n" + name + b"\r\n\r\n", 1))))


def test_second_from_over_a_signer_who_did_not_oversign() -> None:
    found = by_dkimpy(LETTER, include_headers=[b"from", b"subject"])
    assert results(found, now=int(time.time())) == ["pass"]
    assert results(message(b"From: eve@e.example\r\n" + found.octets), now=int(time.time())) == [
        "fail From stands twice"
    ]


def test_testing_domain_counts_as_unsigned() -> None:
    found = with_value(relabelled(lambda head: head), b"Hello  Bob", b"Hello  Rob")
    texts = Texts({"r._domainkey.a.example": [WORLD["r._domainkey.a.example"][0] + b"; t=y"]})
    assert results(found, texts) == ["neutral body was changed; the domain is testing"]


def test_strict_key() -> None:
    found = relabelled(lambda head: head.replace(b"s=r;", b"s=r; i=@sub.a.example;", 1))
    texts = Texts({"r._domainkey.a.example": [WORLD["r._domainkey.a.example"][0] + b"; t=s"]})
    assert results(found, texts) == ["permerror i= is not d=, as the key wants it"]
    assert results(relabelled(lambda head: head), texts) == ["pass"]


def test_no_dns_is_no_fail() -> None:
    found = signed()
    assert results(found, Texts(WORLD, {"r._domainkey.a.example"})) == ["temperror key not available now", "pass"]


def test_ten_signatures_and_no_more() -> None:
    found = message(LETTER)
    one = sign.dkim(found, Body(found), [RSA], NOW)
    texts = Texts(WORLD)
    assert results(found.topped(one * 30), texts) == ["pass"] * 10
    assert len(texts.asked) == 10


def test_hostile_bodies_take_no_time() -> None:
    """What makes a backtracking canonicalisation quadratic."""
    begun = time.process_time()
    for body in (b" " * 60_000, b"\t " * 30_000, b"\r\n" * 2_000_000, b" \r\n" * 1_000_000):
        found = message(b"From: a@a.example\r\n\r\n" + body + b"x")
        Body(found).sha256(relaxed=True)
    assert time.process_time() - begun < 30.0  # measured 1 s; the square of 60,000 takes minutes


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_any_octets_in_a_signature(value: bytes) -> None:
    value = value.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
    found = message(b"DKIM-Signature: " + value + b"\nFrom: a@a.example\n\n")
    assert [each.result for each in check(found, Texts())] == ["permerror"]
