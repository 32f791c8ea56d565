"""An SPF record as published: its terms, read before any of them is asked.

Pure.  RFC 7208 4.6, 5, 6, 7, 12 (grammar).  What must stay true: a record with one wrong character anywhere is wrong as
a whole (4.6), so that what it says does not depend on who connects; nothing here takes longer than the text is long.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from opostd.checks.spf_macro import is_domain_spec, is_macro_string

MAX_OCTETS = 4096  # RFC 7208 3.4 wants 450; each of 11 records asked for is read at this cost
MAX_TERMS = 500


class BadRecord(Exception):
    """The record breaks the grammar: permerror, with what is wrong."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """name: lower case.  qualifier: one of ``+-~?``.  domain: a domain-spec, empty for the current domain.

    prefix4, prefix6: of a and mx.  network: of ip4 and ip6.
    """

    name: str
    qualifier: str
    domain: str = ""
    prefix4: int = 32
    prefix6: int = 128
    network: IPv4Network | IPv6Network | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """redirect: a domain-spec, empty for none."""

    mechanisms: tuple[Mechanism, ...]
    redirect: str = ""


_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)\Z", re.DOTALL)
_MECHANISM = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)(.*)\Z", re.DOTALL)
_CIDR = re.compile(r"(.*?)(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?\Z", re.DOTALL)
_DOTTED = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.|\Z)){4}\Z")


def is_spf(text: bytes) -> bool:
    """Whether a TXT record is an SPF record at all (RFC 7208 4.5)."""
    return text[:6].lower() == b"v=spf1" and text[6:7] in (b"", b" ")


def parse(octets: bytes) -> Record:
    """The terms of a record for which ``is_spf`` holds.  Raises BadRecord."""
    if len(octets) > MAX_OCTETS:
        raise BadRecord("longer than any policy")
    if not octets.isascii():
        raise BadRecord("octets above 127")
    terms = [term for term in octets.decode("ascii")[6:].split(" ") if term]
    if len(terms) > MAX_TERMS:
        raise BadRecord("too many terms")
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, str] = {}
    for term in terms:
        match = _MODIFIER.match(term)
        if match is None:
            mechanisms.append(_mechanism(term))
            continue
        name, value = match[1].lower(), match[2]
        if name in ("redirect", "exp"):
            if name in modifiers:
                raise BadRecord(f"{name} stands twice")
            if not is_domain_spec(value):
                raise BadRecord(f"no domain in {name}")
            modifiers[name] = value
        elif not is_macro_string(value):
            raise BadRecord("a modifier that is none")
    return Record(tuple(mechanisms), modifiers.get("redirect", ""))


def _mechanism(term: str) -> Mechanism:
    match = _MECHANISM.match(term)
    if match is None:
        raise BadRecord("a term that is none")
    qualifier, name, rest = match[1] or "+", match[2].lower(), match[3]
    if name == "all":
        if rest:
            raise BadRecord("all takes nothing")
        return Mechanism(name, qualifier)
    if name in ("ip4", "ip6"):
        return Mechanism(name, qualifier, network=_network(name, rest))
    if name in ("include", "exists"):
        return Mechanism(name, qualifier, _domain(rest))
    if name == "ptr":
        return Mechanism(name, qualifier, _domain(rest) if rest else "")
    if name in ("a", "mx"):
        match = _CIDR.match(rest)
        assert match is not None  # every part of it may be empty
        domain, four, six = match[1], int(match[2] or 32), int(match[3] or 128)
        if match[2] is not None:
            four = int(match[2])
        if match[3] is not None:
            six = int(match[3])
        if four > 32 or six > 128:
            raise BadRecord("a prefix longer than an address")
        return Mechanism(name, qualifier, _domain(domain) if domain else "", four, six)
    raise BadRecord("an unknown mechanism")


def _domain(rest: str) -> str:
    if not rest.startswith(":") or not is_domain_spec(rest[1:]):
        raise BadRecord("no domain where one belongs")
    return rest[1:]


def _network(name: str, rest: str) -> IPv4Network | IPv6Network:
    if not rest.startswith(":"):
        raise BadRecord("no address")
    address, slash, prefix = rest[1:].partition("/")
    longest = 32 if name == "ip4" else 128
    if slash and (not re.fullmatch(r"0|[1-9][0-9]{0,2}", prefix) or int(prefix) > longest):
        raise BadRecord("no prefix")
    if (_DOTTED.match(address) is None) if name == "ip4" else (":" not in address or "%" in address):
        raise BadRecord("no address")
    try:
        network = ip_network(f"{address}/{prefix or longest}", strict=False)
    except ValueError:
        raise BadRecord("no address") from None
    return network
