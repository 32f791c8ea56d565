"""What is fuzzed of the checks: signatures, chains, records of the DNS, and what a filter answers."""

import asyncio
import re
from ipaddress import ip_address

from opostd.checks import arc, dkim, dmarc, results, sign
from opostd.checks import milter_wire as wire
from opostd.checks.arc import NONE
from opostd.checks.canon import Body
from opostd.checks.keys import BadKey, WeakKey
from opostd.checks.keys import parse as parse_key
from opostd.checks.milter_wire import BadMilter, Edits
from opostd.checks.spf import Spf
from opostd.checks.spf import check as check_spf
from opostd.config import LimitSettings
from opostd.intake.message import Message, read
from opostd.model.errors import BadMessage, TooBig
from tests.checks.zones import LETTER, NOW, Texts, ed25519_key, message, published, rsa_key

KEYS = [rsa_key(), ed25519_key()]
TEXTS = Texts(published(*KEYS) | {"_dmarc.a.example": [b"v=DMARC1; p=reject"]})
_FIELD = re.compile(rb"[A-Za-z-]+: (?:[^\r\n]|\r\n[ \t])*\r\n\Z")


def _sealed() -> bytes:
    found = message(LETTER)
    found = found.topped(sign.dkim(found, Body(found), KEYS, NOW))
    for valid in ("none", "pass"):
        sets = NONE.sets if valid == "none" else arc.read(found)
        found = found.topped(sign.arc(found, Body(found), KEYS[0], sets, valid=valid, results=b"x; arc=none", now=NOW))
    return found.octets


SEALED = _sealed()


def signatures(octets: bytes) -> None:
    """Every check has a result, and every result is one field that cannot be read as two."""
    try:
        found = read(octets, LimitSettings())
    except (BadMessage, TooBig):
        return
    asyncio.run(_all(found))


async def _all(found: Message) -> None:
    body = Body(found)
    signed = await dkim.check(TEXTS, found, body, NOW)
    chain = await arc.check(TEXTS, found, body, NOW)
    policy = await dmarc.check(TEXTS, dmarc.authors(found), (Spf.NONE, ""), signed)
    words = [*map(results.dkim_words, signed), results.dmarc_words(policy), results.arc_words(chain)]
    field = results.results("mail.opost.example", words)
    assert _FIELD.match(field.octets)
    assert sum(" dkim=" in f" {word}" for word in words) == len(signed)
    if signed and found.octets != SEALED:
        assert chain.result in ("none", "pass", "fail")


class _Dns:
    """Answers every question with the same text, and with what stands in it."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.asked = 0

    async def txt(self, name: str) -> list[bytes]:
        self.asked += 1
        assert len(name) < 600
        return [self.text]

    async def addresses(self, name: str, version: int) -> list:  # type: ignore[type-arg]
        self.asked += 1
        return [ip_address("192.0.2.9")] if len(name) % 2 and version == 4 else []

    async def mx(self, name: str) -> list[str]:
        self.asked += 1
        return ["mx.a.example"] * (len(name) % 12)

    async def ptr(self, address: object) -> list[str]:
        self.asked += 1
        return ["p.a.example"]


def spf(octets: bytes) -> None:
    """A result, and no more questions than ten terms can ask."""
    dns = _Dns(b"v=spf1 " + octets)
    asyncio.run(check_spf(dns, ip_address("192.0.2.1"), "x@a.example", "h.example"))
    assert dns.asked <= 1 + 10 * 11 + 11


def records(octets: bytes) -> None:
    dmarc.parse(octets, below=True)
    try:
        parse_key(octets)
    except (BadKey, WeakKey):
        pass


def filters(octets: bytes) -> None:
    """Answers of a filter, each with its first octet for a command: whole fields come of them, or BadMilter."""
    edits = Edits(leading_space=bool(octets[:1] == b" "))
    try:
        for each in octets.split(b"|"):
            refusal = wire.refusal(each[:1], each[1:])
            if refusal is not None:
                assert str(refusal.code)[0] == refusal.enhanced[0]
                assert refusal.text.isascii()
                assert refusal.text.isprintable()
                continue
            edits = wire.edit(edits, each[:1], each[1:])
        changed = wire.apply(message(LETTER), edits)
    except BadMilter:
        return
    octets = changed.octets
    assert octets.count(b"\r\n") == octets.count(b"\n") == octets.count(b"\r")
    try:
        again = read(octets, LimitSettings())
    except (BadMessage, TooBig):
        return
    assert [field.octets for field in again.fields] == [field.octets for field in changed.fields]
