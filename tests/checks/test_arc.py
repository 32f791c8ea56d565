"""ARC chains (RFC 8617): ours, dkimpy's, broken ones, and whom they convince."""

import asyncio
import time

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from opostd.checks import arc, sign
from opostd.checks.arc import Arc
from opostd.checks.canon import Body
from opostd.checks.sign import SigningKey
from opostd.intake.message import Message, field
from tests.checks.zones import LETTER, NOW, Texts, ed25519_key, message, published, rsa_key

KEYS = [rsa_key("one.example"), ed25519_key("two.example"), rsa_key("three.example")]
WORLD = published(*KEYS)
SAID = b"mx.example; spf=pass smtp.mailfrom=a@a.example; dmarc=pass header.from=a.example"


def check(found: Message, texts: Texts | None = None, now: int = NOW) -> Arc:
    return asyncio.run(arc.check(texts or Texts(WORLD), found, Body(found), now))


def passed_on(found: Message, key: SigningKey, results: bytes = SAID) -> Message:
    state = check(found)
    return found.topped(sign.arc(found, Body(found), key, state.sets, valid=state.result, results=results, now=NOW))


def chain(*results: bytes) -> Message:
    found = message(LETTER)
    for key, said in zip(KEYS, results or (SAID, SAID, SAID), strict=False):
        found = passed_on(found, key, said)
    return found


def dkimpys(name: bytes, timeout: int = 5) -> bytes:
    return WORLD[name.decode().rstrip(".")][0]


def test_chain_of_three() -> None:
    found = check(chain())
    assert (found.result, [each.sealer for each in found.sets]) == (
        "pass",
        ["one.example", "two.example", "three.example"],
    )
    assert check(message(LETTER)) == Arc("none")


def test_dkimpy_takes_our_seal() -> None:
    found = message(LETTER)
    now = int(time.time())
    found = found.topped(sign.arc(found, Body(found), KEYS[0], (), valid="none", results=SAID, now=now))
    result, _, reason = dkimpy.arc_verify(found.octets, dnsfunc=dkimpys)
    assert (result, reason) == (b"pass", "success")


def test_we_take_dkimpys_seal_and_seal_it_again() -> None:
    pem = KEYS[0].private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    raw = message(LETTER).topped([field("Authentication-Results", b"mx.example; dkim=none")]).octets
    fields = dkimpy.arc_sign(raw, b"r", b"one.example", pem, b"mx.example")
    found = message(b"".join(fields) + raw)
    assert check(found, now=int(time.time())).result == "pass"
    again = passed_on(found, KEYS[2])
    assert [each.sealer for each in check(again).sets] == ["one.example", "three.example"]
    assert dkimpy.arc_verify(again.octets, dnsfunc=dkimpys)[0] == b"pass"


def changed(old: bytes, new: bytes) -> Message:
    octets = chain().octets
    assert old in octets
    return message(octets.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (b"how are you", b"who are you", "body was changed"),
        (b"Subject: Hello", b"Subject: Money", "header was changed, or the key is another"),
        (b"i=3; a=", b"i=4; a=", "a set is not whole"),
        (b"i=3; a=", b"i=2; a=", "a set without a number, or twice"),
        (b"i=3; a=", b"i=0; a=", "a set without a number, or twice"),
        (b"i=3; a=", b"i=51; a=", "a set is not whole"),
        (b"cv=pass", b"cv=fail", "seal 3 does not stand for the ones before"),
        (b"cv=pass", b"cv=none", "seal 3 does not stand for the ones before"),
        (b"i=1; mx.example; spf=pass", b"i=1; mx.example; spf=fail", "seal 1 does not hold"),
        (b"d=three.example", b"d=one.example", "seal 3 does not hold"),
        (b"d=three.example; s=r", b"d=three.example; s=r; h=from", "a seal that is none"),
    ],
)
def test_broken(old: bytes, new: bytes, wanted: str) -> None:
    found = check(changed(old, new))
    assert (found.result, found.reason) == ("fail", wanted)


def test_older_signatures_of_the_message_may_be_broken() -> None:
    """RFC 8617 5.2: that is what lists do; only the last must hold."""
    found = passed_on(message(LETTER), KEYS[0])
    found = message(found.octets.replace(b"Subject: Hello", b"Subject: [list] Hello"))
    state = check(found)
    assert state.result == "fail"
    found = found.topped(sign.arc(found, Body(found), KEYS[1], state.sets, valid="pass", results=SAID, now=NOW))
    assert check(found).result == "pass"


def test_broken_chain_is_told_of_by_the_next_seal() -> None:
    found = message(chain().octets.replace(b"how are you", b"who are you"))
    again = passed_on(found, KEYS[0])
    assert (check(again).result, check(again).reason) == ("fail", "seal 4 does not stand for the ones before")
    assert dkimpy.arc_verify(again.octets, dnsfunc=dkimpys)[0] is not dkimpy.CV_Pass


def test_no_dns_is_no_fail() -> None:
    assert check(chain(), Texts(WORLD, {"e._domainkey.two.example"})).result == "temperror"


def test_too_many_sets_cost_nothing() -> None:
    fields = [
        field(name, b"i=%d; a=rsa-sha256; cv=none; d=one.example; s=r; b=AAAA" % number)
        for number in range(1, 41)
        for name in ("ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal")
    ]
    texts = Texts(WORLD)
    assert check(message(LETTER).topped(fields), texts).result == "fail"
    assert texts.asked == []


FAILED = b"mx.example; dmarc=fail header.from=a.example"


@pytest.mark.parametrize(
    ("results", "trusted", "wanted"),
    [
        ((SAID,), {"one.example"}, True),
        ((SAID,), set(), False),
        ((SAID,), {"two.example"}, False),
        ((FAILED,), {"one.example"}, False),
        ((SAID, FAILED), {"one.example", "two.example"}, True),
        ((SAID, FAILED), {"one.example"}, False),
        ((SAID, FAILED), {"two.example"}, False),
        ((b'mx.example; spf=none smtp.mailfrom="; dmarc=pass"@e.example',), {"one.example"}, False),
        ((b"mx.example; spf=none (; dmarc=pass)",), {"one.example"}, False),
        ((b"mx.example; spf=none (\\); dmarc=pass)",), {"one.example"}, False),
        ((b"mx.example; xdmarc=pass",), {"one.example"}, False),
        ((b"mx.example; dmarc=passing",), {"one.example"}, False),
        ((b"mx.example; dmarc (x) = PASS (p=none)",), {"one.example"}, True),
    ],
)
def test_whom_it_convinces(results: tuple[bytes, ...], trusted: set[str], wanted: bool) -> None:
    found = check(chain(*results))
    assert found.result == "pass"
    assert found.vouches(trusted) == wanted
