"""A DNS server on loopback, by UDP and TCP, for zones that tests write down."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

TTL_S = 60


@dataclass
class Zone:
    """records: ``name type`` -> values as in a zone file.  fails: names, or ``name type``, that get SERVFAIL.

    silent: that get no answer.  insecure: that are answered without the AD bit, which all others have.
    asked: ``name type udp`` as it came.
    """

    records: dict[str, list[str]] = field(default_factory=dict)
    fails: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    insecure: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    place: tuple[str, int] = ("", 0)

    def answer(self, octets: bytes, by: str) -> bytes | None:
        query = dns.message.from_wire(octets)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind} {by}")
        if {name, f"{name} {kind}"} & self.silent:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        if {name, f"{name} {kind}"} & self.fails:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response.to_wire()
        secure = True
        for _ in range(10):
            secure = secure and name not in self.insecure
            found = self.records.get(f"{name} {kind}")
            alias = self.records.get(f"{name} CNAME")
            if found is None and alias is not None:
                response.answer.append(_rrset(name, "CNAME", alias))
                name = alias[0].rstrip(".")
                continue
            if found is not None:
                response.answer.append(_rrset(name, kind, found))
            elif not any(
                each.split(" ")[0] == name or each.split(" ")[0].endswith("." + name) for each in self.records
            ):
                response.set_rcode(dns.rcode.NXDOMAIN)
            break
        if secure and query.flags & dns.flags.AD:
            response.flags |= dns.flags.AD
        wire = response.to_wire(max_size=65535)
        if by == "udp" and len(wire) > max(query.payload, 512):
            short = dns.message.make_response(query)
            short.flags |= dns.flags.TC
            return short.to_wire()
        return wire


def _rrset(name: str, kind: str, values: list[str]) -> dns.rrset.RRset:
    return dns.rrset.from_text(dns.name.from_text(name), TTL_S, "IN", kind, *values)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        found = self.zone.answer(data, "udp")
        if found is not None:
            self.transport.sendto(found, addr)


@contextlib.asynccontextmanager
async def serving(zone: Zone) -> AsyncIterator[Zone]:
    """The zone, served; ``place`` is where."""

    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                found = zone.answer(await reader.readexactly(length), "tcp")
                if found is not None:
                    writer.write(len(found).to_bytes(2, "big") + found)
        writer.close()

    loop = asyncio.get_running_loop()
    while True:  # the same port for both
        transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(zone), ("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        try:
            server = await asyncio.start_server(serve, "127.0.0.1", port)
            break
        except OSError:
            transport.close()
    zone.place = ("127.0.0.1", port)
    try:
        yield zone
    finally:
        server.close()
        transport.close()
        for each in writers:
            each.close()
        await asyncio.sleep(0)
