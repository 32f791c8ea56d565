"""Which servers mail for a domain goes to: what the DNS says, over real sockets."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from opostd.checks.dns import Resolver
from opostd.config import RelaySettings
from opostd.worker.host import Host, NoService, NoSuchDomain
from opostd.worker.mx import MxHosts
from opostd.worker.reach import is_public
from tests.worker.dns_server import Zone, serving

OURS = "mail.opost.example"


async def lookup(
    zone: Zone, domain: str, *, private: bool = False, chance: Any = lambda: 0.0, **more: Any
) -> Sequence[Host]:
    relay = RelaySettings(via="mx", private_addresses=private)
    hosts = MxHosts(Resolver([zone.place]), None, relay, hostname=OURS, chance=chance, **more)
    return await hosts.servers(hosts.destination(domain))


def places(hosts: Sequence[Host]) -> list[str]:
    return [f"{each.name} {each.address}" for each in hosts]


A, B = "93.184.216.34", "93.184.216.35"
ZONE = {
    "two.example MX": ["20 b.two.example.", "10 a.two.example."],
    "a.two.example A": [A],
    "a.two.example AAAA": ["2606:2800:220:1:248:1893:25c8:1946"],
    "b.two.example A": [B],
    "implicit.example A": [A],
    "alias.example CNAME": ["two.example."],
    "bare.alias.example CNAME": ["implicit.example."],
    "cname.example MX": ["10 www.cname.example."],
    "www.cname.example CNAME": ["a.two.example."],
    "half.example MX": ["5 gone.half.example.", "10 b.two.example."],
    "bücher.example MX": [],
    "xn--bcher-kva.example MX": ["10 b.two.example."],
    "null.example MX": ["0 ."],
    "nearly.example MX": ["0 .", "10 b.two.example."],
    "second.example MX": [f"20 {OURS.upper()}.", "10 b.two.example.", "30 a.two.example."],
}
GOOD = [
    ("two.example", ["a.two.example 2606:2800:220:1:248:1893:25c8:1946", f"a.two.example {A}", f"b.two.example {B}"]),
    ("TWO.example", ["a.two.example 2606:2800:220:1:248:1893:25c8:1946", f"a.two.example {A}", f"b.two.example {B}"]),
    ("implicit.example", [f"implicit.example {A}"]),
    ("alias.example", ["a.two.example 2606:2800:220:1:248:1893:25c8:1946", f"a.two.example {A}", f"b.two.example {B}"]),
    ("bare.alias.example", [f"implicit.example {A}"]),
    ("cname.example", ["www.cname.example 2606:2800:220:1:248:1893:25c8:1946", f"www.cname.example {A}"]),
    ("half.example", [f"b.two.example {B}"]),
    ("bücher.example", [f"b.two.example {B}"]),
    ("nearly.example", [f"b.two.example {B}"]),
    ("second.example", [f"b.two.example {B}"]),
]


@pytest.mark.parametrize(("domain", "expected"), GOOD)
def test_servers_in_their_order(domain: str, expected: list[str]) -> None:
    async def main() -> None:
        async with serving(Zone({name: values for name, values in ZONE.items() if name.isascii()})) as zone:
            found = await lookup(zone, domain)
            assert places(found) == expected
            assert {(each.tls, each.port, each.vouched) for each in found} == {("may", 25, False)}

    asyncio.run(main())


BAD = [
    (["x.example"], {}, "nowhere.example", NoSuchDomain, "5.1.2"),
    ([], {"null.example MX": ["0 ."]}, "null.example", NoSuchDomain, "5.1.10"),
    ([], {"empty.example TXT": ["x"]}, "empty.example", NoSuchDomain, "5.4.4"),
    ([], {"gone.example MX": ["10 a.gone.example.", "20 b.else.example."]}, "gone.example", NoSuchDomain, "5.4.4"),
    ([], {"loop.example MX": [f"10 {OURS}.", "10 b.two.example."]}, "loop.example", NoSuchDomain, "5.4.6"),
    ([], {"me.example MX": ["1 x.me.example."], "x.me.example A": ["198.41.0.4"]}, "me.example", NoSuchDomain, "5.4.6"),
    ([], {"home.example MX": ["1 x.home.example."], "x.home.example A": ["127.0.0.1", "10.1.2.3"]}, "home.example", NoSuchDomain, "5.4.4"),
    (["fails.example"], {}, "fails.example", NoService, "4.4.3"),
    (["a.two.example", "b.two.example"], {}, "two.example", NoService, "4.4.3"),
    # one of its servers is gone, the other is not known now: it may well be there later
    (["b.two.example"], {"mixed.example MX": ["1 no.mixed.example.", "2 b.two.example."]}, "mixed.example", NoService, "4.4.3"),
    ([], {}, "a" * 64 + ".example", NoSuchDomain, "5.1.2"),
    ([], {}, "\u2764\ufe0f\u200d.example", NoSuchDomain, "5.1.2"),
]  # fmt: skip


@pytest.mark.parametrize(("fails", "more", "domain", "error", "status"), BAD)
def test_no_server(fails: list[str], more: dict[str, list[str]], domain: str, error: Any, status: str) -> None:
    async def main() -> None:
        records = {**{name: values for name, values in ZONE.items() if name.isascii()}, **more}
        async with serving(Zone(records, fails=set(fails))) as zone:
            with pytest.raises((NoService, NoSuchDomain)) as caught:
                await lookup(zone, domain, own=["198.41.0.4"])
            assert (type(caught.value), caught.value.status) == (error, status), caught.value

    asyncio.run(main())


def test_equal_servers_take_turns_by_chance() -> None:
    async def main() -> None:
        zone = Zone({"even.example MX": ["10 a.even.example.", "10 b.even.example.", "5 c.even.example."]})
        zone.records.update({f"{name}.even.example A": [A] for name in "abc"})
        async with serving(zone):
            orders = set()
            for turn in ((0.1, 0.2, 0.3), (0.3, 0.2, 0.1)):
                chances = iter(turn)
                found = await lookup(zone, "even.example", chance=lambda each=chances: next(each))
                orders.add(tuple(host.name[0] for host in found))
            assert orders == {("c", "a", "b"), ("c", "b", "a")}

    asyncio.run(main())


def test_a_long_list_is_asked_for_by_tcp_and_cut() -> None:
    async def main() -> None:
        zone = Zone({"many.example MX": [f"{n} host-with-a-long-name-{n:03}.many.example." for n in range(100)]})
        zone.records.update({f"host-with-a-long-name-{n:03}.many.example A": [A] for n in range(100)})
        async with serving(zone):
            found = await lookup(zone, "many.example")
            assert [each.name[22:25] for each in found] == [f"{n:03}" for n in range(10)]
            assert zone.asked[:2] == ["many.example MX udp", "many.example MX tcp"]

    asyncio.run(main())


def test_answers_are_remembered() -> None:
    async def main() -> None:
        async with serving(Zone({"implicit.example A": [A]})) as zone:
            hosts = MxHosts(Resolver([zone.place]), None, RelaySettings(via="mx"), hostname=OURS)
            first = await hosts.servers("implicit.example")
            count = len(zone.asked)
            assert await hosts.servers("implicit.example") == first
            assert len(zone.asked) == count == 3  # MX, AAAA, A

    asyncio.run(main())


PUBLIC = [
    ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("127.0.0.1", False), ("10.0.0.1", False),
    ("169.254.169.254", False), ("192.168.1.1", False), ("0.0.0.0", False), ("100.64.0.1", False),
    ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("::", False), ("fe80::1", False),
    ("fd00::1", False), ("ff02::1", False), ("::ffff:127.0.0.1", False), ("::ffff:93.184.216.34", True),
    ("2002:7f00:1::", False), ("64:ff9b::7f00:1", False), ("64:ff9b::5db8:d822", True), ("fec0::1", False),
    ("2001:db8::1", False), ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
]  # fmt: skip


@pytest.mark.parametrize(("address", "public"), PUBLIC)
def test_addresses_of_the_internet(address: str, public: bool) -> None:
    assert is_public(address) is public
