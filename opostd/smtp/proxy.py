"""The PROXY protocol: who the client is, told by the balancer that carries its connection here.

Version 1 (a line) and 2 (binary) of HAProxy's ``proxy-protocol.txt``.  Only for peers of ``smtp.proxy_from``, which
must send the header: whoever else sends it is not believed, and whoever is listed and sends none is cut, as the
specification demands (section 2: never guess).  What must stay true: no octet of the header reaches a session.
"""

import asyncio
import logging
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from opostd.model.networks import host_of, is_among

log = logging.getLogger("opostd.smtp")

Network = IPv4Network | IPv6Network
Source = tuple[str, int]

HEADER_S = 10.0  # a balancer sends it with the first packet
MAX_LINE = 107  # section 2.1, CRLF included
MAX_BINARY = 4096  # octets after the first 16: addresses, and what else a balancer may add
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [ -~]*)?|TCP([46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (\d{1,5}) (\d{1,5}))\r\n"
)
_ADDRESSES = {0x11: (4, "!4s4sHH"), 0x21: (6, "!16s16sHH")}  # TCP over IPv4, TCP over IPv6


@dataclass(frozen=True, slots=True)
class Header:
    """octets: its length; source: the client's address and port, None for the balancer's own (health checks)."""

    octets: int
    source: Source | None


def parse(data: bytes) -> Header | None:
    """The header at the beginning, or None while it is not all there.  Raises ValueError where there is none."""
    if data[: len(SIGNATURE)] == SIGNATURE[: len(data)]:
        return _binary(data)
    if data[:6] != b"PROXY "[: len(data)]:
        raise ValueError("no PROXY header")
    end = data.find(b"\r\n", 0, MAX_LINE) + 2
    if end < 2:
        if len(data) >= MAX_LINE:
            raise ValueError("PROXY line too long")
        return None
    match = _LINE.fullmatch(data[:end])
    if match is None:
        raise ValueError("bad PROXY line")
    if match[1] is None:
        return Header(end, None)
    version, source, target = int(match[1]), ip_address(match[2].decode()), ip_address(match[3].decode())
    if (source.version, target.version) != (version, version) or max(int(match[4]), int(match[5])) > 65535:
        raise ValueError("bad address in a PROXY line")
    return Header(end, (str(source), int(match[4])))


def _binary(data: bytes) -> Header | None:
    if len(data) < 16:
        return None
    command, family, length = struct.unpack("!BBH", data[12:16])
    if command not in (0x20, 0x21) or length > MAX_BINARY:
        raise ValueError("bad PROXY header")
    if len(data) < 16 + length:
        return None
    if command == 0x20 or family not in _ADDRESSES:  # LOCAL, or what has no address
        return Header(16 + length, None)
    version, layout = _ADDRESSES[family]
    if length < struct.calcsize(layout):
        raise ValueError("PROXY header too short")
    source, _, port, _ = struct.unpack_from(layout, data, 16)
    address = IPv4Address(source) if version == 4 else IPv6Address(source)
    return Header(16 + length, (str(address), port))


def is_listed(peer: Any, networks: Sequence[Network]) -> bool:
    """Whether a socket address, as ``get_extra_info`` gives it, is in one of them."""
    return is_among(host_of(peer), networks)


class Front(asyncio.Protocol):
    """Stands before a session until it is known who the client is.  make: the session of a source."""

    def __init__(self, networks: Sequence[Network], make: Callable[[Source | None], asyncio.Protocol]) -> None:
        self._networks = networks
        self._make = make
        self._data = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if is_listed(transport.get_extra_info("peername"), self._networks):
            self._timer = asyncio.get_running_loop().call_later(HEADER_S, self._cut, "late")
        else:
            self._hand_over(Header(0, None))

    def data_received(self, data: bytes) -> None:
        self._data += data
        try:
            header = parse(self._data)
        except ValueError as error:
            self._cut(str(error))
            return
        if header is not None:
            self._hand_over(header)

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _cut(self, why: str) -> None:
        log.warning("cut peer=%r reason=proxy why=%s", self._transport.get_extra_info("peername"), why)
        self._transport.abort()  # type: ignore[attr-defined]  # uvloop's is no asyncio.Transport

    def _hand_over(self, header: Header) -> None:
        if self._timer is not None:
            self._timer.cancel()
        session, rest = self._make(header.source), self._data[header.octets :]
        self._transport.set_protocol(session)
        session.connection_made(self._transport)
        if rest:
            session.data_received(rest)
