"""Which servers take the mail of a domain: a smarthost takes all of it.

What must stay true: whoever looks servers up is one interface, so that the agent knows no DNS.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from opostd.config import RelaySettings
from opostd.config.file import split_listen
from opostd.model.errors import BadSettings
from opostd.worker.session import Host


class Hosts(Protocol):
    """The way to a domain."""

    def destination(self, domain: str) -> str:
        """What mail for a domain has in common with that for others: the same connections carry it."""
        ...

    async def servers(self, destination: str) -> Sequence[Host]:
        """Servers to be tried in this order, 1 or more.  Raises NoService, NoSuchDomain."""
        ...


class NoSuchDomain(Exception):
    """No mail can ever be sent to this domain."""


class Smarthost:
    """One server for all."""

    def __init__(self, relay: RelaySettings) -> None:
        place = split_listen(relay.smarthost)
        assert place is not None  # checked with the settings
        self._host = Host(
            place[0], place[1], relay.tls, relay.implicit_tls, relay.ca_file, relay.user, _password(relay)
        )

    def destination(self, domain: str) -> str:
        return self._host.name

    async def servers(self, destination: str) -> Sequence[Host]:
        return [self._host]


def hosts(relay: RelaySettings) -> Hosts | None:
    """As the settings say; None where nothing leaves.  Raises BadSettings."""
    return None if relay.via == "off" else Smarthost(relay)


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
