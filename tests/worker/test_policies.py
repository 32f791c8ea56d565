"""MTA-STS and DANE: what a domain vouches for is held to, over real DNS, HTTPS and SMTP on loopback."""

import asyncio
import base64
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from opostd.checks.dns import Resolver
from opostd.config import RelaySettings
from opostd.worker.dane import Tlsa, named, vouched_for
from opostd.worker.host import Host, NoService
from opostd.worker.mx import MxHosts
from opostd.worker.policies import Policies
from opostd.worker.session import Session
from opostd.worker.sts import BadPolicy, Policy, parse_policy, record_id
from tests.worker.certificates import Made, make
from tests.worker.dns_server import Zone, serving
from tests.worker.peer import OFFERS, aiosmtpd_peer, told_peer
from tests.worker.world import TIMEOUTS

NOW = 1_700_000_000
TEXT = "version: STSv1\nmode: enforce\nmx: mx.else.example\nmx: *.backup.else.example\nmax_age: 604800\n"
POLICIES = [
    (TEXT, Policy("enforce", ("mx.else.example", "*.backup.else.example"), 604800)),
    (TEXT.replace("\n", "\r\n"), Policy("enforce", ("mx.else.example", "*.backup.else.example"), 604800)),
    ("version: STSv1\nmode: none\nmax_age: 9999999999", Policy("none", (), 31_557_600)),
    ("version:STSv1\n mode :testing\nmode: enforce\nmx: A.B\nmax_age: 1\nnew: x\n\n", Policy("testing", ("a.b",), 1)),
]
NO_POLICIES = [
    "", "version: STSv2\nmode: none\nmax_age: 1", "version: STSv1\nmode: strict\nmx: a\nmax_age: 1",
    "version: STSv1\nmode: enforce\nmax_age: 1", "version: STSv1\nmode: enforce\nmx: a\nmax_age: -1",
    "version: STSv1\nmode: enforce\nmx: a\n", "version: STSv1\nmode: enforce\nmx: *\nmax_age: 1",
    "version: STSv1\nmode: enforce\nmx: a.*.b\nmax_age: 1", "<html>", "version: STSv1\nmode\nmax_age: 1",
    "version: STSv1\nmode: none\nmax_age: 1\n" + "x: y\n" * 20_000, "version: STSv1\nmode: none\nmax_age: ١",
]  # fmt: skip


@pytest.mark.parametrize(("text", "policy"), POLICIES)
def test_policies(text: str, policy: Policy) -> None:
    assert parse_policy(text.encode()) == policy


@pytest.mark.parametrize("text", NO_POLICIES)
def test_what_is_no_policy(text: str) -> None:
    with pytest.raises(BadPolicy):
        parse_policy(text.encode())


RECORDS = [
    (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
    (["v=spf1 -all", "v=STSv1;id=a"], "a"),
    (["v=STSv1; id=a", "v=STSv1; id=b"], None),
    (["v=STSv1; id=" + "a" * 33], None),
    (["v=STSv1; x=y; id=a;"], "a"),
    (["v=STSv1"], None),
    (["V=STSv1; id=a"], None),
    ([], None),
]


@pytest.mark.parametrize(("texts", "expected"), RECORDS)
def test_records(texts: list[str], expected: str | None) -> None:
    assert record_id(texts) == expected


NAMES = [
    ("mx.x.example", "MX.x.example.", True), ("*.x.example", "a.x.example", True), ("*.x.example", "x.example", False),
    ("*.x.example", "a.b.x.example", False), ("x.example", "y.example", False), ("*.x.example", ".x.example", False),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "name", "expected"), NAMES)
def test_names(pattern: str, name: str, expected: bool) -> None:
    assert named(pattern, name) is expected


@dataclass
class Web:
    """An HTTPS server: what it answers to the one path, and how often it was asked."""

    answer: bytes = b""
    asked: list[bytes] = field(default_factory=list)
    port: int = 0

    def says(self, text: str, status: str = "200 OK", kind: str = "text/plain; charset=utf-8", more: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n{more}\r\n"
        self.answer = (head + text).encode()


@contextlib.asynccontextmanager
async def web(context: ssl.SSLContext) -> AsyncIterator[Web]:
    found = Web()
    done: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = asyncio.Event()
        done.append(end)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            found.asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(found.answer)
            await writer.drain()
            await reader.read()
        writer.transport.abort()
        end.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for each in done:
            await each.wait()
        await asyncio.sleep(0)


class Elsewhere:
    """The domain else.example: its DNS, its policy server, and an authority; the clock is a number."""

    def __init__(self, zone: Zone, policies: Web, folder: Path, authority: Made, *, dane: bool = False) -> None:
        self.zone, self.web, self.folder, self.authority = zone, policies, folder, authority
        self.now = NOW
        self.dane = dane

    def policies(self) -> Policies:
        resolver = Resolver([self.zone.place], validating=self.dane)
        return Policies(
            resolver, self.folder / "sts", now=lambda: self.now, ca_file=str(self.authority.file),
            private_addresses=True, port=self.web.port,
        )  # fmt: skip

    async def servers(self, port: int) -> list[Host]:
        relay = RelaySettings(via="mx", private_addresses=True, ca_file=str(self.authority.file))
        resolver = Resolver([self.zone.place], validating=self.dane)
        hosts = MxHosts(resolver, self.policies(), relay, hostname="mail.opost.example", port=port)
        return list(await hosts.servers("else.example"))

    async def reach(self, port: int) -> bool:
        """Whether a session is opened, under TLS; NoService where there is none."""
        for host in await self.servers(port):
            session = await Session.open(host, "mail.opost.example", TIMEOUTS)
            await session.quit()
        return True


def records() -> dict[str, list[str]]:
    return {
        "else.example MX": ["10 mx.else.example."],
        "mx.else.example A": ["127.0.0.1"],
        "mta-sts.else.example A": ["127.0.0.1"],
        "_mta-sts.else.example TXT": ['"v=STSv1; " "id=1;"'],
    }


@contextlib.asynccontextmanager
async def elsewhere(folder: Path, *, dane: bool = False) -> AsyncIterator[Elsewhere]:
    authority = make(folder, "authority")
    certificate = make(folder, "mta-sts.else.example", issuer=authority)
    async with serving(Zone(records())) as zone, web(certificate.context()) as policies:
        policies.says(TEXT)
        yield Elsewhere(zone, policies, folder, authority, dane=dane)


def test_a_policy_is_fetched_once_and_holds_until_its_end(tmp_path: Path) -> None:
    async def main() -> None:
        async with elsewhere(tmp_path) as there:
            expected = parse_policy(TEXT.encode())
            assert await there.policies().of("else.example") == expected
            assert await there.policies().of("else.example") == expected  # another process, or a later one
            (request,) = there.web.asked
            assert request.startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n")
            assert b"\r\nhost: mta-sts.else.example\r\n" in request.lower()
            there.zone.records["_mta-sts.else.example TXT"] = ['"v=STSv1;id=2"']
            there.web.says("nothing", status="503 away")
            policies = there.policies()
            assert await policies.of("else.example") == expected  # what is kept holds
            assert await policies.of("else.example") == expected
            assert len(there.web.asked) == 2  # and who failed is left alone
            del there.zone.records["_mta-sts.else.example TXT"]
            assert await there.policies().of("else.example") == expected
            there.now += 604799
            assert await there.policies().of("else.example") == expected
            there.now += 1
            assert await there.policies().of("else.example") is None

    asyncio.run(main())


def test_a_new_id_brings_a_new_policy(tmp_path: Path) -> None:
    async def main() -> None:
        async with elsewhere(tmp_path) as there:
            await there.policies().of("else.example")
            there.zone.records["_mta-sts.else.example TXT"] = ['"v=STSv1; id=2"']
            there.web.says("version: STSv1\nmode: none\nmax_age: 86400\n")
            assert await there.policies().of("else.example") == Policy("none", (), 86400)

    asyncio.run(main())


BAD_ANSWERS = [
    ({"status": "301 there", "more": "Location: https://127.0.0.1/x\r\n"}, TEXT),
    ({"status": "404 no"}, TEXT),
    ({"kind": "text/html"}, TEXT),
    ({}, "x" * 100_000),
    ({}, "version: STSv1\n"),
]


@pytest.mark.parametrize(("answer", "text"), BAD_ANSWERS)
def test_what_is_not_served_rightly_is_no_policy(tmp_path: Path, answer: dict[str, str], text: str) -> None:
    async def main() -> None:
        async with elsewhere(tmp_path) as there:
            there.web.says(text, **answer)
            assert await there.policies().of("else.example") is None
            assert len(there.web.asked) == 1

    asyncio.run(main())


def test_a_policy_server_with_another_name_is_not_asked(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            elsewhere(tmp_path) as there,
            web(make(tmp_path, "x.example", issuer=there.authority).context()) as other,
        ):
            other.says(TEXT)
            there.web = other
            assert await there.policies().of("else.example") is None
            assert other.asked == []

    asyncio.run(main())


def test_policy_servers_on_private_addresses_are_not_asked(tmp_path: Path) -> None:
    async def main() -> None:
        async with elsewhere(tmp_path) as there:
            policies = Policies(
                Resolver([there.zone.place]), tmp_path / "x", now=lambda: NOW, ca_file=str(there.authority.file),
                port=there.web.port,
            )  # fmt: skip
            assert await policies.of("else.example") is None
            assert there.web.asked == []

    asyncio.run(main())


STS = [
    ("enforce", "mx.else.example", "mx.else.example", True),
    ("enforce", "mx.else.example", "other.example", False),  # its certificate has another name
    ("enforce", "mx.else.example", "", False),  # it offers no TLS
    ("enforce", "other.example", "mx.else.example", False),  # the DNS names a server that the policy does not
    ("enforce", "*.else.example", "*.else.example", True),
    ("testing", "other.example", "other.example", True),
    ("testing", "mx.else.example", "", True),
    ("none", "other.example", "other.example", True),
]


@pytest.mark.parametrize(("mode", "pattern", "name", "reached"), STS)
def test_a_policy_is_held_to(tmp_path: Path, mode: str, pattern: str, name: str, reached: bool) -> None:
    async def main() -> None:
        async with elsewhere(tmp_path) as there:
            there.web.says(f"version: STSv1\nmode: {mode}\nmx: {pattern}\nmax_age: 86400\n")
            context = make(tmp_path, name, issuer=there.authority).context() if name else None
            async with aiosmtpd_peer(context) if context else told_peer(offers=OFFERS) as peer:
                if reached:
                    assert await there.reach(peer.port)
                else:
                    with pytest.raises(NoService) as caught:
                        await there.reach(peer.port)
                    assert caught.value.status.startswith("4.7."), caught.value

    asyncio.run(main())


def tlsa(usage: int, selector: int, matching: int, of: Made) -> str:
    octets = of.spki if selector else of.der
    octets = {0: octets, 1: hashlib.sha256(octets).digest(), 2: hashlib.sha512(octets).digest()}[matching]
    return f"{usage} {selector} {matching} {octets.hex()}"


@pytest.mark.parametrize("usage", [2, 3])
@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_tlsa(tmp_path: Path, usage: int, selector: int, matching: int) -> None:
    authority = make(tmp_path, "authority")
    good = make(tmp_path, "mx.else.example", issuer=authority)
    named_otherwise = make(tmp_path, "x.example", issuer=authority)
    ended = make(tmp_path, "mx.else.example", issuer=authority, days=-1)
    forged = make(tmp_path, "mx.else.example", issuer=make(tmp_path, "authority"))

    def check(shown: Made, above: Made, of: Made) -> bool:
        words = tlsa(usage, selector, matching, of).split()
        record = Tlsa(usage, selector, matching, bytes.fromhex(words[3]))
        assert record.usable
        return vouched_for([record], [shown.der, above.der], ["mx.else.example"])

    for shown in (good, named_otherwise, ended):
        of = authority if usage == 2 else shown
        assert check(shown, authority, of) is (usage == 3 or shown is good)
    assert not check(forged, authority, authority if usage == 2 else good)
    assert not check(good, authority, good if usage == 2 else authority)


@pytest.mark.parametrize(
    "record", [(0, 1, 1, 32), (1, 1, 1, 32), (3, 2, 1, 32), (3, 1, 3, 32), (3, 1, 1, 31), (3, 1, 0, 0)]
)
def test_records_that_say_nothing_to_us(record: tuple[int, int, int, int]) -> None:
    usage, selector, matching, length = record
    assert not Tlsa(usage, selector, matching, b"x" * length).usable


def test_octets_that_are_no_certificate(tmp_path: Path) -> None:
    record = Tlsa(3, 0, 0, b"x")
    assert not vouched_for([record], [b"x"], ["x"])
    assert not vouched_for([record], [], ["x"])


DANE = [
    ("own", True), ("authority", True), ("other", False), ("no tls", False), ("unusable", True), ("unusable, no tls", False),
    ("fails", False), ("insecure", True), ("insecure list", True), ("none", True),
]  # fmt: skip


@pytest.mark.parametrize(("case", "reached"), DANE)
def test_dane_is_held_to(tmp_path: Path, case: str, reached: bool) -> None:
    async def main() -> None:
        async with elsewhere(tmp_path, dane=True) as there:
            del there.zone.records["_mta-sts.else.example TXT"]
            certificate = make(tmp_path, "mx.else.example", issuer=there.authority)
            another = make(tmp_path, "mx.else.example", issuer=there.authority)
            without = case.endswith("no tls")
            async with told_peer(offers=OFFERS) if without else aiosmtpd_peer(certificate.context()) as peer:
                name = f"_{peer.port}._tcp.mx.else.example"
                said = {
                    "own": tlsa(3, 1, 1, certificate), "authority": tlsa(2, 0, 1, there.authority), "unusable": f"1 1 1 {'00' * 32}",
                    "unusable, no tls": f"1 1 1 {'00' * 32}", "none": "",
                }.get(case, tlsa(3, 1, 1, another))  # fmt: skip
                if said:
                    there.zone.records[f"{name} TLSA"] = [said]
                if case == "fails":
                    there.zone.fails.add(name)
                there.zone.insecure |= {"insecure": {name}, "insecure list": {"else.example"}}.get(case, set())
                if reached:
                    assert await there.reach(peer.port)
                    (host,) = await there.servers(peer.port)
                    assert host.vouched is (case in ("own", "authority"))
                else:
                    with pytest.raises(NoService):
                        await there.reach(peer.port)
                    assert peer.taken == []

    asyncio.run(main())


def test_without_a_resolver_that_checks_the_bit_means_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with elsewhere(tmp_path) as there:
            there.zone.records["_25._tcp.mx.else.example TLSA"] = [f"3 1 1 {'00' * 32}"]
            (host,) = await there.servers(25)
            assert (host.tls, host.tlsa) == ("verify", ())  # as its MTA-STS policy says

    asyncio.run(main())


def test_a_policy_file_that_is_broken_is_fetched_anew(tmp_path: Path) -> None:
    async def main() -> None:
        async with elsewhere(tmp_path) as there:
            await there.policies().of("else.example")
            (file,) = (tmp_path / "sts").iterdir()
            file.write_text(base64.b64encode(b"x").decode())
            assert await there.policies().of("else.example") == parse_policy(TEXT.encode())

    asyncio.run(main())
