"""Which servers take the mail of a domain: a smarthost takes all of it, or each domain has its own (mx.py).

What must stay true: whoever looks servers up is one interface, so that the agent knows no DNS.
"""

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

from opostd.checks.dns import Resolver
from opostd.config import RelaySettings, Settings
from opostd.config.listen import is_address, split_listen
from opostd.model.errors import BadSettings
from opostd.worker.host import Host
from opostd.worker.mx import MxHosts
from opostd.worker.policies import Policies

SMTP_PORT = 25


class Hosts(Protocol):
    """The way to a domain."""

    def destination(self, domain: str) -> str:
        """What mail for a domain has in common with that for others: the same connections carry it."""
        ...

    async def servers(self, destination: str) -> Sequence[Host]:
        """Servers to be tried in this order, 1 or more.  Raises NoService, NoSuchDomain."""
        ...


class Smarthost:
    """One server for all."""

    def __init__(self, relay: RelaySettings) -> None:
        place = split_listen(relay.smarthost)
        assert place is not None  # checked with the settings
        self._host = Host(
            place[0], place[1], relay.tls, relay.implicit_tls, relay.ca_file, relay.user, _password(relay),
            vouched=relay.tls == "verify",
        )  # fmt: skip

    def destination(self, domain: str) -> str:
        return self._host.name

    async def servers(self, destination: str) -> Sequence[Host]:
        return [self._host]


def resolver(relay: RelaySettings) -> Resolver:
    """What asks the DNS, one for a process."""
    return Resolver([each for each in map(split_listen, relay.dns_servers) if each], validating=relay.dane)


def hosts(settings: Settings, resolver: Resolver, now: Callable[[], int]) -> Hosts | None:
    """As the settings say; None where nothing leaves.  now: seconds since 1970.  Raises BadSettings."""
    relay = settings.relay
    if relay.via == "off":
        return None
    if relay.via == "smarthost":
        return Smarthost(relay)
    policies = None
    if relay.mta_sts:
        folder = settings.data_directory / "mta-sts"
        policies = Policies(resolver, folder, now=now, ca_file=relay.ca_file, private_addresses=relay.private_addresses)
    return MxHosts(resolver, policies, relay, hostname=settings.hostname, own=_own(settings))


def _own(settings: Settings) -> list[str]:
    """Addresses at which our own MX listens, as far as they are written down."""
    places = [place for place in map(split_listen, settings.smtp.listen) if place and place[1] == SMTP_PORT]
    return [address for address, _ in places if is_address(address) and not ip_address(address).is_unspecified]


def _password(relay: RelaySettings) -> str:
    if not relay.password_file:
        return ""
    try:
        password = Path(relay.password_file).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings((f"relay.password_file: cannot read {relay.password_file}: {error}",)) from error
    if not password or not password.isprintable():
        raise BadSettings((f"relay.password_file: {relay.password_file} has no password in its one line",))
    return password
