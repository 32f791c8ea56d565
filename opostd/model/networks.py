"""Addresses of clients, as a socket or a proxy names them."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


def host_of(address: object) -> str:
    """The address in what ``get_extra_info`` says of a peer; empty for a UNIX socket, or for nothing."""
    return str(address[0]) if isinstance(address, tuple) and address else ""


@lru_cache(256)  # most come from a few
def parsed(peer: str) -> IPv4Address | IPv6Address | None:
    """The address, an IPv4 one written as IPv6 as IPv4; None for what is no address."""
    try:
        ip = ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


def net_of(peer: str) -> str:
    """Whom an address stands for where clients are counted: itself, or of IPv6 its /64, which one customer has."""
    ip = parsed(peer)
    if ip is None:
        return peer
    return str(ip) if isinstance(ip, IPv4Address) else str(IPv6Address(int(ip) >> 64 << 64))


def is_among(peer: str, networks: Iterable[Network]) -> bool:
    """Whether an address is of one of these networks; what is no address is of none."""
    ip = parsed(peer)
    return ip is not None and any(ip in network for network in networks)


def is_own_machine(peer: str) -> bool:
    """Whether it is the address of a client on this machine."""
    ip = parsed(peer)
    return ip is not None and ip.is_loopback
