"""The DNS as this server asks it: what is there, what is not, and what is not known now.

RFC 1035, RFC 2308 (negative caching), RFC 4035 3.2.3 (the AD bit).  What must stay true: "there is none" and "nobody
could say" are never confused, for mail comes back after the one and waits after the other; every question ends; a name
that cannot be in the DNS is not there; an answer counts as secure only where the administrator has named a resolver
that checks signatures, on a way that they trust.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

LIFETIME_S = 15.0  # of one question, over all servers and tries, where mail can wait for the answer
TRIES = 5  # in that time: a datagram that is lost is asked for again
CACHE_NAMES = 20_000  # each about 1 KiB
EDNS_OCTETS = 1232  # what goes through every path without fragments; more comes by TCP


class NoSuchName(Exception):
    """The name is not there."""


class NotKnown(Exception):
    """No answer now: a server that fails, or none that answers."""


@dataclass(frozen=True, slots=True)
class Found:
    """records: empty where the name has none of this type.  name: what aliases (CNAME) led to, without a last dot.

    secure: the resolver vouches for the answer, aliases included.
    """

    records: tuple[Any, ...]
    name: str
    secure: bool


class Resolver:
    """Asks these servers; one for a process, since it remembers answers as long as they say.

    servers: address and port; empty for those that ``file`` names.  validating: the servers check DNSSEC, and what
    they say of it can be believed.  lifetime_s, tries: of one question.
    """

    def __init__(
        self,
        servers: Sequence[tuple[str, int]] = (),
        *,
        validating: bool = False,
        lifetime_s: float = LIFETIME_S,
        tries: int = TRIES,
        file: str = "/etc/resolv.conf",
    ) -> None:
        self._validating = validating
        try:
            self._resolver = dns.asyncresolver.Resolver(file, configure=not servers)
        except dns.resolver.NoResolverConfiguration:
            self._resolver = dns.asyncresolver.Resolver(configure=False)
            servers = [("127.0.0.1", 53)]  # resolv.conf(5): where it names none, or is not there, this machine
        if servers:
            self._resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in servers]
        self._resolver.cache = dns.resolver.LRUCache(CACHE_NAMES)
        self._resolver.lifetime = lifetime_s
        self._resolver.timeout = lifetime_s / tries
        if validating:
            self._resolver.flags = dns.flags.RD | dns.flags.AD  # RFC 6840 5.7: asks for the bit
        self._resolver.use_edns(0, dns.flags.DO if validating else 0, EDNS_OCTETS)

    async def find(self, name: str, kind: str) -> Found:
        """Records of a type.  name: in ASCII.  Raises NoSuchName, NotKnown."""
        try:
            asked = dns.name.from_text(name)
        except dns.exception.DNSException as error:  # a label of 64 octets, an empty one: no server can have it
            raise NoSuchName(f"{name}: {error}") from None
        try:
            answer = await self._resolver.resolve(asked, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            raise NoSuchName(f"{name} is not in the DNS") from None
        except dns.name.NameTooLong as error:
            raise NoSuchName(f"{name}: {error}") from None
        except (dns.exception.DNSException, OSError) as error:
            raise NotKnown(f"DNS: {kind} of {name}: {_why(error)}") from error
        secure = self._validating and bool(answer.response.flags & dns.flags.AD)
        canonical = answer.canonical_name.to_text(omit_final_dot=True)
        return Found(tuple(answer.rrset or ()), canonical.lower(), secure)


def ascii_name(domain: str) -> str:
    """A domain in A-labels, lower case, without a last dot.  Raises NoSuchName where it has none."""
    try:
        name = dns.name.from_text(domain, idna_codec=dns.name.IDNA_2008_Practical)
    except dns.exception.DNSException as error:
        raise NoSuchName(f"{domain} is no domain name: {error}") from None
    return name.to_text(omit_final_dot=True).lower()


def _why(error: Exception) -> str:
    if isinstance(error, dns.resolver.LifetimeTimeout):
        return "no answer in time"
    if isinstance(error, dns.resolver.NoNameservers):
        return "the server failed"
    return " ".join((str(error) or type(error).__name__).split())[:200]
