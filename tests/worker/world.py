"""A store with people, an intake that lets mail leave, and agents over it; the clock is a number."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from opostd.config import QueueSettings, RelaySettings
from opostd.model.mailing import NOT_SAID, Notify, Outside, Recipient, Wish
from opostd.store.run import Store
from opostd.worker.agent import DeliveryAgent
from opostd.worker.connection import Timeouts
from opostd.worker.hosts import Hosts, Smarthost
from opostd.worker.rewrite import Rewriter
from tests.intake.world import HOSTNAME, NOW, World, world
from tests.worker.peer import Peer

QUEUE = QueueSettings(tries=5, first_pause_s=10, longest_pause_s=60, warn_after_s=25, lease_s=100)
TIMEOUTS = Timeouts(connect_s=60, command_s=60, chunk_s=60, end_s=60)
X, Y = "x@else.example", "Why@second.else.example"


class Site:
    """now: what the agents' clock shows."""

    def __init__(self, here: World, peer: Peer, relay: dict[str, Any], hosts: Hosts | None = None) -> None:
        self.here = here
        self.peer = peer
        self.now = NOW
        self.relay = RelaySettings(
            **{"via": "smarthost", "smarthost": f"127.0.0.1:{peer.port}", "tls": "off", "connections": 1, **relay}
        )
        self.hosts = hosts or Smarthost(self.relay)
        self.agent = self.another()

    def another(self, queue: QueueSettings = QUEUE, rewriter: Rewriter | None = None) -> DeliveryAgent:
        return DeliveryAgent(
            self.here.store,
            self.here.intake,
            self.hosts,
            relay=self.relay,
            queue=queue,
            hostname=HOSTNAME,
            now=lambda: self.now,
            chance=lambda: 0.0,
            timeouts=TIMEOUTS,
            rewriter=rewriter,
            linger_s=0.0,
        )

    async def send(self, subject: str, *to: str, raw: bytes | None = None, notify: Notify = NOT_SAID) -> bytes:
        """From bob, who has logged in."""
        recipients = [
            Recipient(Wish(address, notify), (Outside(address),)) if "@" in address else await self._person(address)
            for address in to
        ]
        return await self.here.submit(
            subject, sender="bob", raw=raw, recipients=recipients, envid="E+2B1" if notify else ""
        )

    async def _person(self, name: str) -> Recipient:
        (recipient,) = await self.here.recipients(name)
        return recipient


@contextlib.asynccontextmanager
async def site(store: Store, peer: Peer, hosts: Hosts | None = None, **relay: Any) -> AsyncIterator[Site]:
    async with world(store, relay=True) as here:
        yield Site(here, peer, relay, hosts)
