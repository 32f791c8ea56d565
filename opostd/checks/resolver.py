"""What the checks ask the DNS: texts, addresses, servers and names, or nothing; ``dns`` does the asking.

What must stay true: a name that is not there has none of them, and only a fault that passes is an error.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import dns.reversename
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT

from opostd.checks.dns import NoSuchName, Resolver

MAX_RECORDS = 100  # of one answer; more is somebody's attempt to make us busy

Address = IPv4Address | IPv6Address


class Dns:
    """One for a process.  servers, file: as of ``Resolver``.  timeout_s: of one question; a message waits for it."""

    def __init__(
        self, servers: Sequence[tuple[str, int]] = (), *, timeout_s: float = 2.0, file: str = "/etc/resolv.conf"
    ) -> None:
        self._resolver = Resolver(servers, lifetime_s=timeout_s, tries=2, file=file)

    async def _find(self, name: str, kind: str) -> tuple[Any, ...]:
        try:
            return (await self._resolver.find(name, kind)).records[:MAX_RECORDS]
        except NoSuchName:
            return ()

    async def txt(self, name: str) -> list[bytes]:
        """The texts of a name, each joined of its strings.  Raises NotKnown."""
        return [b"".join(each.strings) for each in await self._find(name, "TXT") if isinstance(each, TXT)]

    async def addresses(self, name: str, version: int) -> list[Address]:
        """version: 4 or 6.  Raises NotKnown."""
        found = await self._find(name, "A" if version == 4 else "AAAA")
        return [ip_address(each.address) for each in found if hasattr(each, "address")]

    async def mx(self, name: str) -> list[str]:
        """The servers of a domain, first those to be tried first; no empty name.  Raises NotKnown."""
        found = sorted(
            (each for each in await self._find(name, "MX") if isinstance(each, MX)), key=lambda mx: mx.preference
        )
        return [text for each in found if (text := each.exchange.to_text(omit_final_dot=True)) not in ("", ".")]

    async def ptr(self, address: Address) -> list[str]:
        """The names that an address says it has.  Raises NotKnown."""
        found = await self._find(dns.reversename.from_address(str(address)).to_text(), "PTR")
        return [each.target.to_text(omit_final_dot=True) for each in found if isinstance(each, PTR)]
