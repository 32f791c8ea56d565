"""Connections whose client has not logged in: so many of one address, that nobody takes the places of all others.

What must stay true: who has logged in is not counted here; a connection that is over is not counted any more.
"""

from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_network

from opostd.model.networks import Network, is_among, net_of, parsed


class Unknown:
    """Of one door.  most: of one IPv4 address, or of one /64 of IPv6; 0 is no limit.  spared: who may have more."""

    def __init__(self, most: int = 0, spared: Iterable[str | Network] = ()) -> None:
        self._most = most
        self._spared = [ip_network(each) for each in spared]
        self._nets: dict[object, str] = {}
        self._of_net: Counter[str] = Counter()

    def enter(self, connection: object, peer: str) -> bool:
        """Counts one more, if there is room for it; whether there is.  What has no address is of this machine."""
        if not self._most or parsed(peer) is None or is_among(peer, self._spared):
            return True
        net = net_of(peer)
        if self._of_net[net] >= self._most:
            return False
        self._nets[connection] = net
        self._of_net[net] += 1
        return True

    def leave(self, connection: object) -> None:
        """It has logged in, or is over; what was never counted changes nothing."""
        net = self._nets.pop(connection, None)
        if net is not None:
            self._of_net[net] -= 1
            if not self._of_net[net]:
                del self._of_net[net]
