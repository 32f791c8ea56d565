"""SPF against the test suite of RFC 7208 (openspf.org, release 2014.04; tests/checks/rfc7208/LICENSE), and our limits."""

import asyncio
import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from opostd.checks.dns import NotKnown
from opostd.checks.resolver import Address
from opostd.checks.spf import Spf, check
from opostd.checks.spf_macro import expand, is_domain_spec
from opostd.checks.spf_record import BadRecord, parse

SUITE = json.loads((Path(__file__).parent / "rfc7208" / "suite.json").read_text())
CASES = [(scenario, name) for scenario in SUITE for name in scenario["tests"]]


class Zone:
    """The DNS of one scenario: names with their records, or TIMEOUT.  SPF stands for TXT where there is no TXT."""

    def __init__(self, data: dict[str, list[Any]]) -> None:
        self._data = {name.lower().rstrip("."): records for name, records in data.items()}
        self.asked = 0

    def _find(self, name: str, kind: str, aliases: int = 0) -> list[Any]:
        self.asked += 1
        if aliases > 10:
            raise NotKnown("aliases go in a circle")
        records = self._data.get(name.lower().rstrip("."), [])
        if any(len(label) > 63 for label in name.split(".")):
            return []
        kinds = {key for each in records if isinstance(each, dict) for key in each}
        found: list[Any] = []
        for each in records:
            if each == "TIMEOUT":
                if not found:
                    raise NotKnown(name)
                continue
            for key, value in each.items():
                if key == "CNAME":
                    return self._find(value, kind, aliases + 1)
                if key == kind or (kind == "TXT" and key == "SPF" and "TXT" not in kinds):
                    if value == "TIMEOUT":
                        raise NotKnown(name)
                    if value != "NONE":
                        found.append(value)
        return found

    async def txt(self, name: str) -> list[bytes]:
        return [
            "".join(value if isinstance(value, list) else [value]).encode("utf-8", "surrogateescape")
            for value in self._find(name, "TXT")
        ]

    async def addresses(self, name: str, version: int) -> list[Address]:
        return [ip_address(value) for value in self._find(name, "A" if version == 4 else "AAAA")]

    async def mx(self, name: str) -> list[str]:
        return [host for _, host in sorted(self._find(name, "MX")) if host]

    async def ptr(self, address: Address) -> list[str]:
        return list(self._find(address.reverse_pointer, "PTR"))


@pytest.mark.parametrize(("scenario", "name"), CASES, ids=[f"{s['description']}/{n}" for s, n in CASES])
def test_suite(scenario: dict[str, Any], name: str) -> None:
    case = scenario["tests"][name]
    wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
    zone = Zone(scenario["zonedata"])
    got, _ = asyncio.run(check(zone, ip_address(case["host"]), case["mailfrom"] or "", case["helo"]))
    assert got.value in wanted


def test_ten_lookups_and_no_more() -> None:
    """Whatever a record says (RFC 7208 4.6.4): includes of includes count together."""
    data = {"a.example": [{"TXT": "v=spf1 " + " ".join(f"include:i{n}.example" for n in range(10)) + " -all"}]}
    data |= {f"i{n}.example": [{"TXT": "v=spf1 ip4:192.0.2.9 -all"}] for n in range(10)}
    zone = Zone(data)
    assert asyncio.run(check(zone, ip_address("192.0.2.1"), "x@a.example", "h")) == (Spf.FAIL, "a.example")
    data["i9.example"] = [{"TXT": "v=spf1 include:i0.example -all"}]
    zone = Zone(data)
    assert asyncio.run(check(zone, ip_address("192.0.2.1"), "x@a.example", "h"))[0] is Spf.PERMERROR
    assert zone.asked <= 12


def test_circle_ends() -> None:
    zone = Zone({"a.example": [{"TXT": "v=spf1 redirect=a.example"}]})
    assert asyncio.run(check(zone, ip_address("192.0.2.1"), "x@a.example", "h"))[0] is Spf.PERMERROR
    assert zone.asked == 11


def test_client_behind_mapped_address() -> None:
    zone = Zone({"a.example": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}]})
    assert asyncio.run(check(zone, ip_address("::ffff:192.0.2.1"), "x@a.example", "h"))[0] is Spf.PASS


def test_null_sender_asks_about_helo() -> None:
    zone = Zone({"mta.a.example": [{"TXT": "v=spf1 -all"}]})
    assert asyncio.run(check(zone, ip_address("192.0.2.1"), "", "mta.a.example")) == (Spf.FAIL, "mta.a.example")
    assert asyncio.run(check(zone, ip_address("192.0.2.1"), "", "[192.0.2.1]"))[0] is Spf.NONE


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 ip4:1.2.3.4/33",
        "v=spf1 ip4:1.2.3.04",
        "v=spf1 ip6:fe80::1%eth0",
        "v=spf1 ip4:1_0.2.3.4",
        "v=spf1 a/24//129",
        "v=spf1 redirect=a.example redirect=b.example",
        "v=spf1 exists:%{x}.example",
        "v=spf1 exists:%{d0}.example",
        "v=spf1 include:",
        "v=spf1 all:a.example",
        "v=spf1 a:1.2.3.4",
        "v=spf1 -" + "a " * 600,
        "v=spf1 \x00",
        "v=spf1 redirect=" + "pa.example" * 18_000,
    ],
)
def test_bad_records(text: str) -> None:
    with pytest.raises(BadRecord):
        parse(text.encode())


def test_macro_of_many_digits_is_bounded() -> None:
    assert is_domain_spec("%{d" + "9" * 10000 + "}")
    assert expand("%{d" + "9" * 10000 + "r}", lambda _: "a.b") == "b.a"
    assert len(expand("%{d}." * 100 + "x.example", lambda _: "a" * 60)) <= 253
