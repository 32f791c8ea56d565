"""The servers of a domain, as its owner has published them.

RFC 5321 5.1 (MX, implicit MX, loops), RFC 7505 (null MX), RFC 7672 2.2 (DANE), RFC 8461 5 (MTA-STS).  What must stay
true: a failure of the DNS is never taken for an absence; a server that its domain has vouched for is reached that way
or not at all; mail never comes back to ourselves; no domain leads us to a service on our own network.
"""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import ip_address

from opostd.checks.dns import Found, NoSuchName, NotKnown, Resolver, ascii_name
from opostd.config import RelaySettings
from opostd.worker.dane import Tlsa
from opostd.worker.host import Host, NoService, NoSuchDomain
from opostd.worker.policies import Policies
from opostd.worker.reach import is_public
from opostd.worker.sts import Policy

log = logging.getLogger("opostd.agent")

MAX_SERVERS = 20  # MX records that are looked at, the best ones; more is nothing that any domain needs
MAX_ADDRESSES = 10  # that are tried at one attempt: each may take half a minute
NOT_FOUND, NULL_MX, LOOP, NO_ROUTE, DNS_FAULT, NOT_TRUSTED = "5.1.2", "5.1.10", "5.4.6", "5.4.4", "4.4.3", "4.7.5"


class MxHosts:
    """Looks up where mail for a domain goes.  hostname: ours.  own: addresses at which our own MX listens.

    policies: of MTA-STS, None where it is off.  shuffle: of servers that are equal.
    """

    def __init__(
        self,
        resolver: Resolver,
        policies: Policies | None,
        relay: RelaySettings,
        *,
        hostname: str,
        own: Sequence[str] = (),
        port: int = 25,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._resolver = resolver
        self._policies = policies
        self._relay = relay
        self._hostname = hostname.lower().rstrip(".")
        self._own = frozenset(ip_address(each) for each in own)
        self._port = port
        self._chance = chance

    def destination(self, domain: str) -> str:
        return domain.lower().rstrip(".")

    async def servers(self, destination: str) -> Sequence[Host]:
        """Servers to be tried in this order.  Raises NoService, NoSuchDomain."""
        try:
            domain = ascii_name(destination)
            listed, secure, name = await self._listed(domain)
        except NoSuchName as error:
            raise NoSuchDomain(str(error), NOT_FOUND) from error
        except NotKnown as error:
            raise NoService(str(error), DNS_FAULT) from error
        names = self._sorted(listed, destination)
        policy = None if self._policies is None else await self._policies.of(domain)
        hosts: list[Host] = []
        why: list[NoService | NoSuchDomain] = []
        for each in names:
            if len(hosts) >= MAX_ADDRESSES:
                break
            try:
                hosts += await self._hosts(each, domain, name, secure, policy)
            except (NoService, NoSuchDomain) as error:
                why.append(error)
        if hosts:
            return hosts[:MAX_ADDRESSES]
        text = "; ".join(dict.fromkeys(str(each) for each in why))
        passing = [each for each in why if isinstance(each, NoService)]
        if passing:
            raise NoService(text, passing[0].status)
        raise NoSuchDomain(text, why[0].status)

    async def _listed(self, domain: str) -> tuple[list[tuple[int, str]], bool, str]:
        """Preferences and names; whether the list is secure, and the domain that it is of, aliases followed."""
        found = await self._resolver.find(domain, "MX")
        every = [(int(each.preference), each.exchange.to_text(omit_final_dot=True).lower()) for each in found.records]
        if every and all(name in ("", "@", ".") for _, name in every):
            raise NoSuchDomain(f"556 5.1.10 {domain} takes no mail (null MX, RFC 7505)", NULL_MX)
        listed = [(preference, name) for preference, name in every if name not in ("", "@", ".")]
        return listed or [(0, found.name)], found.secure, found.name

    def _sorted(self, listed: list[tuple[int, str]], domain: str) -> list[str]:
        """Best first, equal ones by chance; of a list that we are in, those before us.  Raises NoSuchDomain."""
        ours = [preference for preference, name in listed if name == self._hostname]
        if ours:
            listed = [each for each in listed if each[0] < min(ours)]
            if not listed:
                raise NoSuchDomain(f"mail for {domain} comes back to {self._hostname}, which does not take it", LOOP)
        order = sorted((preference, self._chance(), name) for preference, name in sorted(listed))
        return list(dict.fromkeys(name for _, _, name in order))[:MAX_SERVERS]

    async def _hosts(self, name: str, domain: str, next_hop: str, secure: bool, policy: Policy | None) -> list[Host]:
        """One server with each of its addresses.  Raises NoService, NoSuchDomain."""
        enforced = policy is not None and policy.mode == "enforce"
        if policy is not None and policy.mode != "none" and not policy.allows(name):
            if enforced:
                raise NoService(f"{name} is not in the MTA-STS policy of {domain}", NOT_TRUSTED)
            log.warning("MTA-STS testing domain=%s: %s is not in its policy", domain, name)
        addresses, canonical, signed = await self._addresses(name)
        host = Host(name, self._port, "may", ca_file=self._relay.ca_file, hostname=self._hostname)
        records = await self._tlsa(name, canonical) if secure and signed else None
        if records:
            usable = tuple(each for each in records if each.usable)
            # None that we understand: TLS with whoever answers (RFC 7672 2.2).
            names = tuple(dict.fromkeys((name, canonical, next_hop, domain)))
            host = replace(host, tls="encrypt", tlsa=usable, tlsa_names=names, vouched=bool(usable))
        if enforced and not host.vouched:
            host = replace(host, tls="verify", vouched=True)
        return [replace(host, address=each) for each in addresses]

    async def _addresses(self, name: str) -> tuple[list[str], str, bool]:
        """Those that we connect to, IPv6 and IPv4 in turn; the name that aliases lead to, and whether all is secure.

        Raises NoService, NoSuchDomain.
        """
        answers: list[Found] = []
        fault: NotKnown | None = None
        for kind in ("AAAA", "A"):
            try:
                answers.append(await self._resolver.find(name, kind))
            except NoSuchName as error:
                raise NoSuchDomain(str(error), NO_ROUTE) from error
            except NotKnown as error:
                fault = error
        lists = [[str(each.address) for each in answer.records] for answer in answers]
        found = [pair[at] for at in range(max(map(len, lists), default=0)) for pair in lists if at < len(pair)]
        if not found:
            if fault is not None:
                raise NoService(str(fault), DNS_FAULT)
            raise NoSuchDomain(f"{name} has no address", NO_ROUTE)
        if any(ip_address(each) in self._own for each in found):
            raise NoSuchDomain(f"{name} is this server, which does not take this mail", LOOP)
        public = [each for each in found if self._relay.private_addresses or is_public(each)]
        if not public:
            raise NoSuchDomain(f"{name} has addresses of private networks only", NO_ROUTE)
        return public, answers[0].name, fault is None and all(each.secure for each in answers)

    async def _tlsa(self, name: str, canonical: str) -> list[Tlsa] | None:
        """Secure TLSA records; None where there are none, or none that are secure.  Raises NoService.

        Of the name that aliases lead to, else of the one in the MX record (RFC 7672 2.2.2).
        """
        for each in dict.fromkeys((canonical, name)):
            try:
                found = await self._resolver.find(f"_{self._port}._tcp.{each}", "TLSA")
            except NoSuchName:
                continue
            except NotKnown as error:  # RFC 7672 2.1.2: as if the server could not be reached
                raise NoService(str(error), DNS_FAULT) from error
            if found.secure and found.records:
                return [Tlsa(int(r.usage), int(r.selector), int(r.mtype), bytes(r.cert)) for r in found.records]
        return None
