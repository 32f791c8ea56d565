"""Which addresses of the DNS we connect to: those of the internet, not of this machine or its network.

Pure.  A domain may have any address in the DNS: of a service on our own machine, of our network's router.  RFC 6890
(special-purpose addresses).  What must stay true: an IPv4 address in the clothes of an IPv6 address is that address.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


def is_public(text: str) -> bool:
    """Whether an address is one of the internet."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            address = inner
    if not address.is_global or address.is_multicast:
        return False
    return not (isinstance(address, IPv6Address) and (address.is_site_local or address.teredo is not None))
