"""SPF: whether the domain in MAIL FROM, or in EHLO, lets this address send in its name.

RFC 7208.  What must stay true: 10 terms that ask the DNS and 2 that find nothing, no more (4.6.4); a fault of the DNS
is temperror and never fail.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address, ip_network
from typing import Protocol, TypeVar

from opostd.checks.dns import NotKnown
from opostd.checks.resolver import Address
from opostd.checks.spf_macro import expand, needs_name
from opostd.checks.spf_record import BadRecord, Mechanism, Record, is_spf, parse

T = TypeVar("T")
MAX_LOOKUPS = 10  # RFC 7208 4.6.4
MAX_VOID = 2
MAX_MX = 10
MAX_PTR = 10


class Spf(Enum):
    """RFC 7208 2.6, in the words of RFC 8601 2.7.2."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


QUALIFIERS = {"+": Spf.PASS, "-": Spf.FAIL, "~": Spf.SOFTFAIL, "?": Spf.NEUTRAL}
_DOMAIN = re.compile(r"(?:[^.\s]{1,63}\.)+[^.\s]{1,63}\.?\Z")


class Dns(Protocol):
    """What SPF asks.  All raise NotKnown."""

    async def txt(self, name: str) -> list[bytes]: ...
    async def addresses(self, name: str, version: int) -> list[Address]: ...
    async def mx(self, name: str) -> list[str]: ...
    async def ptr(self, address: Address) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """Who connects and what it says.  sender: of MAIL FROM; ``postmaster@HELO`` where that is empty (2.4)."""

    address: Address
    sender: str
    helo: str


class _Permerror(Exception):
    pass


async def check(dns: Dns, address: Address, mail_from: str, helo: str) -> tuple[Spf, str]:
    """The result and the domain it is about.  mail_from: empty for ``<>``, then HELO is asked about."""
    sender = mail_from or f"postmaster@{helo}"
    local, _, domain = sender.rpartition("@")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    asked = Asked(address, f"{local or 'postmaster'}@{domain}", helo)
    return await _Evaluation(dns, asked).result(domain), domain


class _Evaluation:
    """One check_host() with everything it includes."""

    def __init__(self, dns: Dns, asked: Asked) -> None:
        self._dns = dns
        self._asked = asked
        self._version = asked.address.version
        self._lookups = 0
        self._void = 0
        self._name: dict[str, str] = {}  # the client's own name, for each domain that asks

    async def result(self, domain: str) -> Spf:
        try:
            return await self._check_host(domain)
        except NotKnown:
            return Spf.TEMPERROR
        except _Permerror:
            return Spf.PERMERROR

    async def _check_host(self, domain: str) -> Spf:
        if not _DOMAIN.match(domain) or domain.startswith("["):
            return Spf.NONE  # 4.3
        found = [text for text in await self._dns.txt(domain.removesuffix(".")) if is_spf(text)]
        if not found:
            return Spf.NONE
        if len(found) > 1:
            raise _Permerror  # 4.5
        try:
            record = parse(found[0])
        except BadRecord as error:
            raise _Permerror from error
        return await self._evaluate(record, domain)

    async def _evaluate(self, record: Record, domain: str) -> Spf:
        for mechanism in record.mechanisms:
            if mechanism.name in MATCHERS:
                self._count()
            if await self._matches(mechanism, domain):
                return QUALIFIERS[mechanism.qualifier]
        if not record.redirect:
            return Spf.NEUTRAL  # 4.7
        self._count()
        result = await self._check_host(await self._expanded(record.redirect, domain))
        if result is Spf.NONE:
            raise _Permerror  # 6.1
        return result

    def _count(self) -> None:
        self._lookups += 1
        if self._lookups > MAX_LOOKUPS:
            raise _Permerror

    def _found(self, records: list[T]) -> list[T]:
        if not records:
            self._void += 1
            if self._void > MAX_VOID:
                raise _Permerror
        return records

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        if mechanism.name == "all":
            return True
        if mechanism.network is not None:
            return self._asked.address in mechanism.network
        target = await self._expanded(mechanism.domain, domain) if mechanism.domain else domain
        return await MATCHERS[mechanism.name](self, mechanism, target)

    async def _include(self, mechanism: Mechanism, target: str) -> bool:
        result = await self._check_host(target)
        if result is Spf.NONE:
            raise _Permerror  # 5.2
        return result is Spf.PASS

    async def _a(self, mechanism: Mechanism, target: str) -> bool:
        return self._in(self._found(await self._dns.addresses(target, self._version)), mechanism)

    async def _mx(self, mechanism: Mechanism, target: str) -> bool:
        hosts = self._found(await self._dns.mx(target))
        if len(hosts) > MAX_MX:
            raise _Permerror
        for host in hosts:
            if self._in(await self._dns.addresses(host, self._version), mechanism):
                return True
        return False

    async def _exists(self, mechanism: Mechanism, target: str) -> bool:
        return bool(self._found(await self._dns.addresses(target, 4)))  # 5.7: A, whatever the client's address is

    async def _ptr(self, mechanism: Mechanism, target: str) -> bool:
        return any(_is_below(name, target) for name in await self._validated())

    async def _validated(self) -> list[str]:
        """Names of the client that lead back to it (5.5); a fault finds none."""
        try:
            names = self._found(await self._dns.ptr(self._asked.address))[:MAX_PTR]
        except NotKnown:
            return []
        good = []
        for name in names:
            try:
                if self._asked.address in await self._dns.addresses(name, self._version):
                    good.append(name)
            except NotKnown:
                continue
        return good

    def _in(self, addresses: list[Address], mechanism: Mechanism) -> bool:
        prefix = mechanism.prefix4 if self._version == 4 else mechanism.prefix6
        return any(
            self._asked.address in ip_network(f"{each}/{prefix}", strict=False)
            for each in addresses
            if each.version == self._version
        )

    async def _expanded(self, spec: str, domain: str) -> str:
        if needs_name(spec) and domain not in self._name:
            names = await self._validated()
            best = [name for name in names if name.lower() == domain.lower()]
            best += [name for name in names if _is_below(name, domain)]
            self._name[domain] = (best + names + ["unknown"])[0]
        return expand(spec, lambda letter: self._value(letter, domain))

    def _value(self, letter: str, domain: str) -> str:
        local, _, sender_domain = self._asked.sender.rpartition("@")
        match letter:
            case "s":
                return self._asked.sender
            case "l":
                return local
            case "o":
                return sender_domain
            case "d":
                return domain
            case "i":
                address = self._asked.address
                return ".".join(address.exploded.replace(":", "")) if self._version == 6 else str(address)
            case "p":
                return self._name[domain]
            case "v":
                return "in-addr" if self._version == 4 else "ip6"
            case _:
                return self._asked.helo


def _is_below(name: str, domain: str) -> bool:
    name, domain = name.lower(), domain.lower().removesuffix(".")
    return name == domain or name.endswith("." + domain)


# The terms that count, by what they do.
MATCHERS: dict[str, Callable[[_Evaluation, Mechanism, str], Awaitable[bool]]] = {
    "include": _Evaluation._include,
    "a": _Evaluation._a,
    "mx": _Evaluation._mx,
    "exists": _Evaluation._exists,
    "ptr": _Evaluation._ptr,
}
