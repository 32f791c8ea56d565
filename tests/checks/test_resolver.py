"""The DNS over real sockets: what is there, what is not, and what nobody can say."""

import asyncio
from ipaddress import ip_address
from pathlib import Path

import pytest

from opostd.checks.dns import NoSuchName, NotKnown, Resolver
from opostd.checks.resolver import Dns
from tests.worker.dns_server import Zone, serving

LONG = "x" * 250
PATIENCE_S = 30.0  # on a machine where everything else runs too


def zone() -> Zone:
    return Zone(
        {
            "a.example TXT": ['"one" "two"', '"three"'],
            "a.example A": ["192.0.2.1"],
            "a.example AAAA": ["2001:db8::1"],
            "a.example MX": ["20 b.a.example.", "10 c.a.example.", "30 ."],
            "big.example TXT": [f'"{LONG}{n}"' for n in range(20)],
            "many.example A": [f"192.0.2.{n}" for n in range(200)],
            "alias.example CNAME": ["a.example."],
            "1.2.0.192.in-addr.arpa PTR": ["a.example."],
            "idn.xn--bcher-kva.example TXT": ['"found"'],
        },
        fails={"fails.example"},
        silent={"silent.example"},
    )


def test_answers() -> None:
    async def main() -> None:
        async with serving(zone()) as served:
            dns = Dns([served.place], timeout_s=PATIENCE_S)
            for name in ("a.example", "A.Example.", "alias.example"):
                assert sorted(await dns.txt(name)) == [b"onetwo", b"three"]
            assert await dns.addresses("a.example", 4) == [ip_address("192.0.2.1")]
            assert await dns.addresses("a.example", 6) == [ip_address("2001:db8::1")]
            assert await dns.mx("a.example") == ["c.a.example", "b.a.example"]
            assert await dns.ptr(ip_address("192.0.2.1")) == ["a.example"]
            assert await dns.txt("idn.bücher.example") == [b"found"]
            assert len(await dns.txt("big.example")) == 20
            assert "big.example TXT tcp" in served.asked
            assert len(await dns.addresses("many.example", 4)) == 100

    asyncio.run(main())


@pytest.mark.parametrize(
    "name", ["none.example", "b.a.example", "x" * 64 + ".example", "a..example", "", "." * 300, "x." * 200]
)
def test_nothing_there(name: str) -> None:
    async def main() -> None:
        async with serving(zone()) as served:
            dns = Dns([served.place], timeout_s=PATIENCE_S)
            assert await dns.txt(name) == []
            assert await dns.mx(name) == []

    asyncio.run(main())


@pytest.mark.parametrize("name", ["none.example", "x" * 64 + ".example", "a..example", "x." * 200])
def test_what_can_never_be_there_is_not_tried_again(name: str) -> None:
    """Mail to such a name comes back at once; it would wait for days if this were a fault that passes."""

    async def main() -> None:
        async with serving(zone()) as served:
            with pytest.raises(NoSuchName):
                await Resolver([served.place], lifetime_s=PATIENCE_S).find(name, "MX")

    asyncio.run(main())


@pytest.mark.parametrize("name", ["fails.example", "silent.example"])
def test_nobody_can_say(name: str) -> None:
    async def main() -> None:
        async with serving(zone()) as served:
            with pytest.raises(NotKnown):
                await Dns([served.place], timeout_s=0.3).txt(name)

    asyncio.run(main())


@pytest.mark.parametrize("content", [None, "", "# nothing\n"])
def test_machine_without_a_configured_resolver(tmp_path: Path, content: str | None) -> None:
    """A server starts all the same; the DNS is a fault that passes."""
    file = tmp_path / "resolv.conf"
    if content is not None:
        file.write_text(content)
    dns = Dns(file=str(file), timeout_s=0.2)
    assert [str(each) for each in dns._resolver._resolver.nameservers] == ["Do53:127.0.0.1@53"]
