"""DMARC: what the domain in From wants done with mail that it did not send.

RFC 7489 3.1 (alignment), 6.3 (record), 6.6 (discovery).  What must stay true: a fault of the DNS never makes a fail; of
several authors' domains the strictest decides, so that a second address in From is no way around the first's policy.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from opostd.checks import tags
from opostd.checks.dkim import Dkim, Texts
from opostd.checks.dns import NotKnown
from opostd.checks.signature import DOMAIN
from opostd.checks.spf import Spf
from opostd.checks.tags import BadTags
from opostd.intake.message import Message
from opostd.mime.addresses import addresses

MAX_DOMAINS = 5  # of authors; more than one is odd enough
POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True, slots=True)
class Policy:
    """policy: what to do with mail of this very domain; of one below it, where sub says.  percent: of failing mail."""

    policy: str
    strict_dkim: bool = False
    strict_spf: bool = False
    percent: int = 100


@dataclass(frozen=True, slots=True)
class Dmarc:
    """result: RFC 8601 2.7.7 (RFC 7489 11.2).  policy: none, quarantine or reject; empty where there is no record."""

    result: str
    domain: str = ""
    policy: str = ""
    percent: int = 100


NONE = Dmarc("none")


def authors(message: Message) -> list[str]:
    """The domains in From, in ASCII, each once, at most five; empty where it cannot be read."""
    found: dict[str, None] = {}
    for field in message.all(b"from"):
        for entry in addresses(field.value, 100):
            domain = ascii_domain(entry.host or b"")
            if domain:
                found[domain] = None
    return list(found)[:MAX_DOMAINS]


def ascii_domain(octets: bytes) -> str:
    """A domain in A-labels and lower case; empty where it is none."""
    try:
        text = octets.decode().rstrip(".").lower()
        if not text.isascii():
            import idna  # of dnspython's and httpx's needs

            text = idna.encode(text, uts46=True).decode("ascii").lower()
    except ValueError:  # of idna and of UTF-8
        return ""
    return text if DOMAIN.match(text) and "." in text else ""


def organizational(domain: str) -> str:
    """The domain as it was registered (RFC 7489 3.2): one label more than the public suffix."""
    return str(_suffixes()(domain) or domain)


@cache
def _suffixes() -> Callable[[str], Any]:
    from publicsuffixlist import PublicSuffixList  # 20 ms and 2 MB, for who uses it

    found: Callable[[str], Any] = PublicSuffixList().privatesuffix
    return found


async def discover(dns: Texts, domain: str) -> Policy | None:
    """The record of a domain, or of the one that it was registered under.  Raises NotKnown."""
    if not _suffixes.cache_info().currsize:
        await asyncio.to_thread(_suffixes)
    above = organizational(domain)
    asked = [domain] if above == domain else [domain, above]
    answers = await asyncio.gather(*(dns.txt(f"_dmarc.{name}") for name in asked), return_exceptions=True)
    for name, answer in zip(asked, answers, strict=True):
        if isinstance(answer, BaseException):
            raise answer
        found = [text for text in answer if _is_dmarc(text)]
        if len(found) == 1:
            return parse(found[0], below=name != domain)
        if found:
            return None  # 6.6.3: several are none
    return None


def _is_dmarc(text: bytes) -> bool:
    version, _, _ = text.partition(b";")
    return b"".join(version.split()) == b"v=DMARC1"


def parse(text: bytes, *, below: bool) -> Policy | None:
    """A record, or None where it is none (6.6.3).  below: it is asked about a domain below its own."""
    try:
        found = tags.parse(text)
    except BadTags:
        return None
    own = found.get("p", "").lower()
    if own not in POLICIES:
        if not found.get("rua"):
            return None
        own = "none"  # 6.6.3: somebody who cannot spell, and wants reports
    policy = found.get("sp", own).lower() if below else own
    percent = found.get("pct", "100")
    return Policy(
        policy=policy if policy in POLICIES else own,
        strict_dkim=found.get("adkim", "r").lower() == "s",
        strict_spf=found.get("aspf", "r").lower() == "s",
        percent=int(percent) if percent.isascii() and percent.isdigit() and int(percent[:4]) <= 100 else 100,
    )


def aligned(author: str, other: str, *, strict: bool) -> bool:
    """RFC 7489 3.1."""
    other = ascii_domain(other.encode())
    if not other or author == other or strict:
        return bool(other) and author == other
    return organizational(author) == organizational(other)


async def check(dns: Texts, domains: Sequence[str], spf: tuple[Spf, str], dkim: Sequence[Dkim]) -> Dmarc:
    """The result for the strictest of these domains."""
    found = [await _of_domain(dns, domain, spf, dkim) for domain in domains]
    return max(found, key=_severity) if found else NONE


def _severity(each: Dmarc) -> tuple[int, int]:
    order = ("none", "pass", "temperror", "fail")
    return order.index(each.result), POLICIES.index(each.policy or "none")


async def _of_domain(dns: Texts, domain: str, spf: tuple[Spf, str], dkim: Sequence[Dkim]) -> Dmarc:
    try:
        policy = await discover(dns, domain)
    except NotKnown:
        return Dmarc("temperror", domain)
    if policy is None:
        return Dmarc("none", domain)
    by_spf = aligned(domain, spf[1].rpartition("@")[2], strict=policy.strict_spf)
    signed = [each for each in dkim if each.domain and aligned(domain, each.domain, strict=policy.strict_dkim)]
    if (by_spf and spf[0] is Spf.PASS) or any(each.result == "pass" for each in signed):
        result = "pass"
    elif (by_spf and spf[0] is Spf.TEMPERROR) or any(each.result == "temperror" for each in signed):
        result = "temperror"
    else:
        result = "fail"
    return Dmarc(result, domain, policy.policy, policy.percent)
