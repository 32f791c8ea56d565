"""DMARC records, alignment, and what follows (RFC 7489); the public suffix list is the real one."""

import asyncio

import pytest

from opostd.checks import dmarc
from opostd.checks.dkim import Dkim
from opostd.checks.dmarc import Dmarc, Policy, aligned, authors, organizational, parse
from opostd.checks.spf import Spf
from tests.checks.zones import Texts, message

NO_SPF = (Spf.NONE, "x@elsewhere.example")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"v=DMARC1; p=reject", Policy("reject")),
        (b"v=DMARC1;p=none;pct=20;adkim=s;aspf=s", Policy("none", True, True, 20)),
        (b"v=DMARC1; p=REJECT; sp=none", Policy("reject")),
        (b"v=DMARC1; p=bogus; rua=mailto:a@b", Policy("none")),
        (b"v=DMARC1; p=bogus", None),
        (b"v=DMARC1; rua=mailto:a@b", Policy("none")),
        (b"v=DMARC1", None),
        (b"v=DMARC1; p=reject; p=none", None),
        (b"v=DMARC1; p=quarantine; pct=1_0", Policy("quarantine")),
        (b"v=DMARC1; p=quarantine; pct=999999999999999999999", Policy("quarantine")),
    ],
)
def test_records(text: bytes, wanted: Policy | None) -> None:
    assert parse(text, below=False) == wanted


def test_policy_of_what_is_below() -> None:
    assert parse(b"v=DMARC1; p=reject; sp=none", below=True) == Policy("none")
    assert parse(b"v=DMARC1; p=reject", below=True) == Policy("reject")


@pytest.mark.parametrize(
    ("domain", "wanted"),
    [
        ("mail.a.example", "a.example"),
        ("a.b.co.uk", "b.co.uk"),
        ("co.uk", "co.uk"),
        ("example.com", "example.com"),
        ("x.y.github.io", "y.github.io"),
    ],
)
def test_organizational_domains(domain: str, wanted: str) -> None:
    assert organizational(domain) == wanted


@pytest.mark.parametrize(
    ("author", "other", "relaxed", "strict"),
    [
        ("a.example", "a.example", True, True),
        ("a.example", "A.Example.", True, True),
        ("a.example", "mail.a.example", True, False),
        ("mail.a.example", "a.example", True, False),
        ("a.example", "ba.example", False, False),
        ("a.co.uk", "b.co.uk", False, False),
        ("a.github.io", "b.github.io", False, False),
        ("xn--bcher-kva.example", "bücher.example", True, True),
        ("a.example", "", False, False),
    ],
)
def test_alignment(author: str, other: str, relaxed: bool, strict: bool) -> None:
    assert aligned(author, other, strict=False) == relaxed
    assert aligned(author, other, strict=True) == strict


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        (b"Anna <anna@A.Example>", ["a.example"]),
        (b"a@a.example, b@b.example", ["a.example", "b.example"]),
        (b'"eve@e.example" <anna@a.example>', ["a.example"]),
        (b"(c@c.example) anna@a.example", ["a.example"]),
        ("ü@bücher.example".encode(), ["xn--bcher-kva.example"]),
        (b"team: a@a.example, b@b.example;", ["a.example", "b.example"]),
        (b"nobody", []),
        (b"anna@localhost", []),
        (b"anna@[192.0.2.1]", []),
        (b"undisclosed:;", []),
        (b", ".join(b"a@a%d.example" % n for n in range(50)), [f"a{n}.example" for n in range(5)]),
    ],
)
def test_authors(field: bytes, wanted: list[str]) -> None:
    assert authors(message(b"From: " + field + b"\n\n")) == wanted


def check(texts: Texts, *domains: str, spf: tuple[Spf, str] = NO_SPF, dkim: tuple[Dkim, ...] = ()) -> Dmarc:
    return asyncio.run(dmarc.check(texts, domains, spf, dkim))


STRICT = Texts({"_dmarc.a.example": [b"v=DMARC1; p=reject; sp=quarantine"], "_dmarc.b.example": [b"v=DMARC1; p=none"]})


@pytest.mark.parametrize(
    ("spf", "dkim", "wanted"),
    [
        (NO_SPF, (), "fail"),
        ((Spf.PASS, "x@a.example"), (), "pass"),
        ((Spf.PASS, "x@bounces.a.example"), (), "pass"),
        ((Spf.PASS, "x@e.example"), (), "fail"),
        ((Spf.SOFTFAIL, "x@a.example"), (), "fail"),
        ((Spf.TEMPERROR, "x@a.example"), (), "temperror"),
        ((Spf.TEMPERROR, "x@e.example"), (), "fail"),
        (NO_SPF, (Dkim("pass", "a.example"),), "pass"),
        (NO_SPF, (Dkim("pass", "e.example"), Dkim("fail", "a.example")), "fail"),
        (NO_SPF, (Dkim("fail", "a.example"), Dkim("pass", "m.a.example")), "pass"),
        (NO_SPF, (Dkim("temperror", "a.example"),), "temperror"),
        (NO_SPF, (Dkim("neutral", "a.example"),), "fail"),
    ],
)
def test_results(spf: tuple[Spf, str], dkim: tuple[Dkim, ...], wanted: str) -> None:
    assert check(STRICT, "a.example", spf=spf, dkim=dkim).result == wanted


def test_discovery() -> None:
    assert check(STRICT, "mail.a.example") == Dmarc("fail", "mail.a.example", "quarantine")
    assert check(Texts(), "a.example") == Dmarc("none", "a.example")
    assert check(Texts({"_dmarc.a.example": [b"v=spf1 -all", b"v=DMARC1; p=reject"]}), "a.example").policy == "reject"
    two = Texts({"_dmarc.a.example": [b"v=DMARC1; p=none", b"v=DMARC1; p=reject"]})
    assert check(two, "a.example") == Dmarc("none", "a.example")


def test_strictest_of_several_authors() -> None:
    for domains in (("a.example", "b.example"), ("b.example", "a.example"), ("none.example", "a.example")):
        found = check(STRICT, *domains, spf=(Spf.PASS, "x@b.example"))
        assert (found.result, found.domain, found.policy) == ("fail", "a.example", "reject")


def test_no_dns_is_no_fail() -> None:
    assert check(Texts({}, {"_dmarc.a.example"}), "a.example").result == "temperror"
    below = Texts({"_dmarc.m.a.example": [b"v=DMARC1; p=none"]}, {"_dmarc.a.example"})
    assert check(below, "m.a.example").result == "fail"  # its own record is known, and is what counts
