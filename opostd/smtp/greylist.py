"""Greylisting (RFC 6647): a server that nobody knows is told to come again, for what sends spam seldom does.

What must stay true: only what would be taken is told so, after the recipient was found; nobody who has logged in, and
no network that the settings name; a client that has come again is not asked for a long time; where it is off, nothing
is looked at.
"""

import logging
from collections.abc import Awaitable, Callable
from ipaddress import ip_network

from opostd.config import GreylistSettings
from opostd.model.networks import is_among, parsed
from opostd.store import greylist
from opostd.store.greylist import Times
from opostd.store.run import Store

log = logging.getLogger("opostd.smtp")

# RFC 6647 5: large senders try again from a neighbour.
IPV4_BITS, IPV6_BITS = 24, 64

Passes = Callable[[str, str, str], Awaitable[bool]]
"""Whether SPF says that this peer may send for this HELO name and sender."""


class Greylist:
    """One for a process.  passes: asked where the settings spare what passes SPF.  now: seconds since 1970."""

    def __init__(self, store: Store, settings: GreylistSettings, passes: Passes, now: Callable[[], int]) -> None:
        self._store = store
        self._times = Times(settings.pause_s, settings.window_s, settings.known_s)
        self._exempt = [ip_network(each) for each in settings.exempt]
        self._passes = passes if settings.spare_spf else None
        self._now = now

    async def wait_s(self, peer: str, helo: str, sender: str, recipient: str) -> int:
        """Seconds after which this peer may come again with this; 0 where it may pass.  Raises Unavailable."""
        network = network_of(peer)
        if not network or is_among(peer, self._exempt):
            return 0
        client, now = greylist.client_key(network), self._now()
        # Nearly all mail comes from who is known: that writes nothing, until half of the time is over.
        if await self._store.glance(greylist.known_until, client) > now + self._times.known_s // 2:
            return 0
        if self._passes is not None and await self._passes(peer, helo, sender):
            return 0
        first = greylist.first_key(network, sender.lower(), recipient.lower())
        wait = await self._store.run(greylist.wait_s, client, first, self._times, now)
        if wait:
            log.info("greylisted peer=%s from=%s to=%s wait=%d", peer, sender or "<>", recipient, wait)
        return wait


def network_of(peer: str) -> str:
    """The network that counts as one client; empty for a peer without an address."""
    address = parsed(peer)
    if address is None:
        return ""  # by a UNIX socket
    return str(ip_network((address, IPV4_BITS if address.version == 4 else IPV6_BITS), strict=False))
