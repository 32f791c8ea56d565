"""The DNS as the checks ask it: what is there, or nothing, or a fault that passes.

RFC 1035, RFC 2308.  What must stay true: "there is none" and "nobody could say" are never confused; every question
ends; a name that cannot be in the DNS is not there.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver
import dns.reversename
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT

CACHE_NAMES = 10_000  # each about 1 KiB
EDNS_OCTETS = 1232  # what goes through every path without fragments; more comes by TCP
MAX_RECORDS = 100  # of one answer; more is somebody's attempt to make us busy

Address = IPv4Address | IPv6Address


class DnsFault(Exception):
    """No answer now: a server that fails, or none that answers."""


class Dns:
    """One for a process, since it remembers answers as long as they say.

    servers: address and port; empty for those that ``file`` names.  timeout_s: of one question over all tries.
    """

    def __init__(
        self, servers: Sequence[tuple[str, int]] = (), *, timeout_s: float = 2.0, file: str = "/etc/resolv.conf"
    ) -> None:
        try:
            self._resolver = dns.asyncresolver.Resolver(file, configure=not servers)
        except dns.resolver.NoResolverConfiguration:
            self._resolver = dns.asyncresolver.Resolver(configure=False)
            servers = [("127.0.0.1", 53)]  # resolv.conf(5): where it names none, or is not there
        if servers:
            self._resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
        self._resolver.cache = dns.resolver.LRUCache(CACHE_NAMES)
        self._resolver.lifetime = timeout_s
        self._resolver.timeout = timeout_s / 2  # a datagram that is lost is asked for again
        self._resolver.use_edns(0, 0, EDNS_OCTETS)

    async def _find(self, name: str | dns.name.Name, kind: str) -> dns.rrset.RRset | Sequence[object]:
        try:
            parsed = dns.name.from_text(name) if isinstance(name, str) else name
        except dns.exception.DNSException:
            return ()  # a label of 64 octets, an empty one: no server can have it
        try:
            answer = await self._resolver.resolve(parsed, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            return ()
        except (dns.exception.DNSException, OSError) as error:
            raise DnsFault(f"{kind} of {name}: {type(error).__name__}") from error
        return (answer.rrset or ())[:MAX_RECORDS]

    async def txt(self, name: str) -> list[bytes]:
        """The texts of a name, each joined of its strings.  Raises DnsFault."""
        return [b"".join(each.strings) for each in await self._find(name, "TXT") if isinstance(each, TXT)]

    async def addresses(self, name: str, version: int) -> list[Address]:
        """version: 4 or 6.  Raises DnsFault."""
        found = await self._find(name, "A" if version == 4 else "AAAA")
        return [ip_address(each.address) for each in found if hasattr(each, "address")]

    async def mx(self, name: str) -> list[str]:
        """The servers of a domain, first those to be tried first; no empty name.  Raises DnsFault."""
        found = sorted(
            (each for each in await self._find(name, "MX") if isinstance(each, MX)), key=lambda mx: mx.preference
        )
        return [text for each in found if (text := each.exchange.to_text(omit_final_dot=True)) not in ("", ".")]

    async def ptr(self, address: Address) -> list[str]:
        """The names that an address says it has.  Raises DnsFault."""
        found = await self._find(dns.reversename.from_address(str(address)), "PTR")
        return [each.target.to_text(omit_final_dot=True) for each in found if isinstance(each, PTR)]
