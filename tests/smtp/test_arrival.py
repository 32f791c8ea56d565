"""Mail from other servers, asked who it is from: real DNS questions over a socket, real signatures, real replies.

security.md 1.7; RFC 7208, 6376, 8617, 7489; RFC 7372 (the codes), RFC 8601 (the field).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from ipaddress import ip_network

import authres
import pytest

from opostd.checks import sign
from opostd.checks.arc import NONE
from opostd.checks.arrival import Checks
from opostd.checks.canon import Body
from opostd.checks.resolver import Dns
from opostd.config import CheckSettings
from opostd.intake.message import Message, field
from opostd.smtp.examine import Examiner
from opostd.smtp.extensions import DoorKind
from opostd.smtp.timing import Timing
from opostd.store.run import Store
from tests.checks.zones import NOW, ed25519_key, message, published, rsa_key
from tests.smtp.world import HOSTNAME, PATIENCE_S, QUICK, Client, Setup, World, run
from tests.worker.dns_server import Zone, serving

GOOD, BAD = "192.0.2.7", "203.0.113.9"
KEY, SEALER = rsa_key(), ed25519_key("lists.example")
LETTER = message(
    b"From: Anna <anna@a.example>\nTo: bob@opost.example\nSubject: Hello\nDate: Fri, 11 Jul 2003 21:00:37 -0700\n"
    b"Message-ID: <1@a.example>\n\nHello.\n"
)


def zone() -> Zone:
    """a.example is strict; n.example publishes nothing; q.example asks for quarantine."""
    found = Zone(
        {
            "a.example TXT": [f'"v=spf1 ip4:{GOOD} -all"'],
            "_dmarc.a.example TXT": ['"v=DMARC1; p=reject"'],
            "q.example TXT": ['"v=spf1 -all"'],
            "_dmarc.q.example TXT": ['"v=DMARC1; p=quarantine"'],
            "n.example A": [BAD],
        }
    )
    for name, records in published(KEY, SEALER).items():
        text = records[0].decode()
        found.records[f"{name} TXT"] = [f'"{text[:200]}" "{text[200:]}"']
    return found


def settings(**changes: object) -> CheckSettings:
    return CheckSettings(**{"timeout_s": PATIENCE_S, **changes})  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def world(
    store: Store, served: Zone, checks: CheckSettings, kind: DoorKind = DoorKind.MX, timing: Timing = QUICK
) -> AsyncIterator[World]:
    async with serving(served):
        made = Checks(checks, Dns([served.place], timeout_s=checks.timeout_s), hostname=HOSTNAME, now=lambda: NOW)
        setup = Setup(kind=kind, proxies=(ip_network("127.0.0.1"),), examiner=Examiner(made), timing=timing)
        async with World(store, setup) as there:
            yield there


async def deliver(
    there: World,
    letter: Message,
    *,
    peer: str = GOOD,
    sender: str = "anna@a.example",
    to: str = "bob",
    helo: str = "mx",
) -> str:
    """The reply to the end of the message."""
    client = await Client.connect(there, greeted=False)
    try:
        client.send(f"PROXY TCP4 {peer} 127.0.0.1 4000 25\r\n".encode())
        await client.reply()
        await client.talk((f"EHLO {helo}", "250"), (f"MAIL FROM:<{sender}>", "250"))
        await client.talk((f"RCPT TO:<{to}@opost.example>", "250"), ("DATA", "354"))
        client.send(letter.octets + b".\r\n")
        return (await client.reply())[-1]
    finally:
        await client.close()


def results_of(raw: bytes) -> str:
    found = message(raw).all(b"authentication-results")
    return " ".join(found[0].value.decode().split()) if found else ""


def signed(letter: Message = LETTER) -> Message:
    return letter.topped(sign.dkim(letter, Body(letter), [KEY], NOW))


def sealed(letter: Message, said: bytes) -> Message:
    fields = sign.arc(letter, Body(letter), SEALER, NONE.sets, valid="none", results=said, now=NOW)
    return letter.topped(fields)


def forged(letter: Message = LETTER) -> Message:
    return message(letter.octets.replace(b"Hello.", b"Pay me."))


def test_noted_and_served(sqlite: Store) -> None:
    """Authentication-Results on top, in words that another's library reads; what is forged is gone."""

    async def main() -> None:
        async with world(sqlite, zone(), settings()) as there:
            lie = f"{HOSTNAME}; dmarc=pass header.from=bank.example".encode()
            letter = signed().topped([field("Authentication-Results", lie)])
            assert (await deliver(there, letter)).startswith("250")
            raw = (await there.messages("bob"))[0]
            assert raw.count(b"Authentication-Results:") == 1
            assert results_of(raw) == (
                f"{HOSTNAME}; spf=pass smtp.mailfrom=anna@a.example; dkim=pass header.d=a.example header.s=r"
                ' header.a=rsa-sha256 header.b="' + results_of(raw).split('header.b="')[1][:8] + '";'
                " dmarc=pass (p=reject) header.from=a.example; arc=none"
            )
            parsed = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {results_of(raw)}")
            assert [(each.method, each.result) for each in parsed.results] == [
                ("spf", "pass"),
                ("dkim", "pass"),
                ("dmarc", "pass"),
                ("arc", "none"),
            ]

    run(main())


ENFORCED = {"spf": "enforce", "dkim": "enforce", "dmarc": "enforce"}


@pytest.mark.parametrize(
    ("checks", "letter", "options", "wanted"),
    [
        ({}, lambda: forged(signed()), {"peer": BAD}, "250 2.6.0"),
        ({"spf": "enforce", "dmarc": "off"}, lambda: LETTER, {}, "250"),
        ({"spf": "enforce", "dmarc": "off"}, lambda: LETTER, {"peer": BAD}, "550 5.7.23"),
        ({"spf": "enforce", "dmarc": "off"}, lambda: LETTER, {"peer": BAD, "sender": "x@n.example"}, "250"),
        ({"spf": "enforce"}, lambda: LETTER, {"peer": BAD, "sender": "", "helo": "a.example"}, "550 5.7.23"),
        ({"dkim": "enforce"}, lambda: signed(), {"peer": BAD}, "250"),
        ({"dkim": "enforce"}, lambda: forged(signed()), {}, "550 5.7.20"),
        ({"dkim": "enforce"}, lambda: LETTER, {}, "250"),
        ({"dmarc": "enforce"}, lambda: LETTER, {"peer": GOOD}, "250"),
        ({"dmarc": "enforce"}, lambda: signed(), {"peer": BAD}, "250"),
        ({"dmarc": "enforce"}, lambda: LETTER, {"peer": BAD, "sender": "x@n.example"}, "550 5.7.26"),
        ({"dmarc": "enforce"}, lambda: forged(signed()), {"peer": BAD}, "550 5.7.26"),
        ({"dmarc": "enforce", "spf": "enforce"}, lambda: signed(), {"peer": BAD}, "250"),
        (
            ENFORCED,
            lambda: message(LETTER.octets.replace(b"a.example", b"n.example")),
            {"sender": "x@n.example"},
            "250",
        ),
        (ENFORCED, lambda: message(b"Subject: no author\n\nx\n"), {}, "250"),
    ],
)
def test_enforced(
    sqlite: Store,
    checks: dict[str, str],
    letter: Callable[[], Message],
    options: dict[str, str],
    wanted: str,
) -> None:
    async def main() -> None:
        async with world(sqlite, zone(), settings(**checks)) as there:
            assert (await deliver(there, letter(), **options)).startswith(wanted)
            assert len(await there.messages("bob")) == (wanted.startswith("250"))

    run(main())


@pytest.mark.parametrize(
    ("checks", "broken", "letter", "wanted"),
    [
        ({}, "a.example TXT", lambda: LETTER, "250"),
        ({"spf": "enforce", "dmarc": "off"}, "a.example TXT", lambda: LETTER, "451 4.4.3"),
        ({"dkim": "enforce", "dmarc": "off"}, "r._domainkey.a.example TXT", lambda: signed(), "451 4.4.3"),
        ({"dmarc": "enforce"}, "_dmarc.a.example TXT", lambda: LETTER, "451 4.4.3"),
        ({"dmarc": "enforce"}, "a.example TXT", lambda: LETTER, "451 4.4.3"),
        ({"dmarc": "enforce"}, "a.example TXT", lambda: signed(), "250"),
    ],
)
@pytest.mark.parametrize("how", ["fails", "silent"])
def test_dns_that_does_not_answer_is_never_5xx(
    sqlite: Store, checks: dict[str, str], broken: str, letter: Callable[[], Message], wanted: str, how: str
) -> None:
    """And it takes about as long as the settings say: the client of these tests waits a hundred times that."""

    async def main() -> None:
        served = zone()
        getattr(served, how).add(broken)
        async with world(sqlite, served, settings(timeout_s=0.3, **checks)) as there:
            assert (await deliver(there, letter())).startswith(wanted)
            for raw in await there.messages("bob"):
                assert "=fail" not in results_of(raw)
                assert "temperror" in results_of(raw)

    run(main())


def test_quarantine_is_junk_and_no_groups_matter(sqlite: Store) -> None:
    async def main() -> None:
        letter = message(LETTER.octets.replace(b"anna@a.example", b"anna@q.example"))
        async with world(sqlite, zone(), settings(dmarc="enforce")) as there:
            assert (await deliver(there, letter, sender="anna@n.example")).startswith("250")
            assert (await deliver(there, letter, sender="anna@n.example", to="sales")).startswith("250")
            assert len(await there.messages("bob", "Junk")) == 2
            assert len(await there.messages("anna", "Junk")) == 1
            assert await there.messages("bob") == []

    run(main())


@pytest.mark.parametrize(("chance", "wanted"), [(0.1, "550 5.7.26"), (0.9, "250")])
def test_part_of_the_mail(sqlite: Store, chance: float, wanted: str) -> None:
    """pct= (RFC 7489 6.6.4): the rest is quarantined."""

    async def main() -> None:
        served = zone()
        served.records["_dmarc.a.example TXT"] = ['"v=DMARC1; p=reject; pct=50"']
        async with serving(served):
            dns = Dns([served.place], timeout_s=PATIENCE_S)
            checks = Checks(settings(dmarc="enforce"), dns, hostname=HOSTNAME, now=lambda: NOW, chance=lambda: chance)
            setup = Setup(kind=DoorKind.MX, proxies=(ip_network("127.0.0.1"),), examiner=Examiner(checks))
            async with World(sqlite, setup) as there:
                assert (await deliver(there, LETTER, peer=BAD)).startswith(wanted)
                assert len(await there.messages("bob", "Junk")) == (wanted == "250")

    run(main())


def test_trusted_sealer(sqlite: Store) -> None:
    """A list has changed the letter, and has seen it whole before (RFC 8617 7.2)."""
    by_list = message(signed().octets.replace(b"Subject: Hello", b"Subject: [list] Hello"))
    good = sealed(by_list, b"lists.example; dmarc=pass header.from=a.example")
    bad = sealed(by_list, b"lists.example; dmarc=fail header.from=a.example")

    async def main() -> None:
        async with world(sqlite, zone(), settings(dmarc="enforce", trusted_sealers=("lists.example",))) as there:
            for letter, wanted in ((good, "250"), (bad, "550 5.7.26"), (by_list, "550 5.7.26")):
                got = await deliver(there, letter, peer=BAD, sender="bounces@n.example")
                assert got.startswith(wanted)
            raw = (await there.messages("bob"))[0]
            assert "dmarc=fail (p=reject) header.from=a.example; arc=pass (i=1)" in results_of(raw)

    run(main())


def test_not_trusted_sealer(sqlite: Store) -> None:
    async def main() -> None:
        letter = sealed(forged(signed()), b"lists.example; dmarc=pass header.from=a.example")
        async with world(sqlite, zone(), settings(dmarc="enforce")) as there:
            assert (await deliver(there, letter, peer=BAD, sender="x@n.example")).startswith("550 5.7.26")

    run(main())


def test_own_machine_is_not_asked_about(sqlite: Store) -> None:
    async def main() -> None:
        served = zone()
        async with world(sqlite, served, settings(**ENFORCED)) as there:
            assert (await deliver(there, forged(signed()), peer="127.0.0.1")).startswith("250")
            assert results_of((await there.messages("bob"))[0]) == ""
        assert served.asked == []

    run(main())


@pytest.mark.parametrize(
    "sender",
    [
        '"a;dmarc=pass (x"@n.example',
        "a=b@n.example",
        "(x)@n.example",
        '"\\"; dkim=pass"@n.example',
        "p@xn--bcher-kva.example",
    ],
)
def test_no_sender_writes_results(sqlite: Store, sender: str) -> None:
    async def main() -> None:
        async with world(sqlite, zone(), settings()) as there:
            with contextlib.suppress(AssertionError):  # one is no address, and ends there
                await deliver(there, LETTER, sender=sender)
            for raw in await there.messages("bob"):
                text = results_of(raw)
                assert "dkim=pass" not in text
                assert "dmarc=pass" not in text
                parsed = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {text}")
                assert len(parsed.results) == 4

    run(main())


def test_bounded_lookups(sqlite: Store) -> None:
    """Whatever a message brings: ten signatures, five authors, ten terms."""

    async def main() -> None:
        served = zone()
        served.records["a.example TXT"] = ['"v=spf1 ' + " ".join(f"a:h{n}.e.example" for n in range(14)) + '"']
        served.records |= {f"h{n}.e.example A": [BAD] for n in range(14)}
        authors = ", ".join(f"x@a{n}.example" for n in range(50)).encode()
        letter = message(b"From: " + authors + b"\n\nx\n")
        one = b"v=1; a=rsa-sha256; d=s%d.example; s=s; h=from; bh=AAAA; b=AAAA"
        letter = letter.topped([field("DKIM-Signature", one % n) for n in range(50)])
        async with world(sqlite, served, settings()) as there:
            assert (await deliver(there, letter)).startswith("250")
            assert "spf=permerror" in results_of((await there.messages("bob"))[0])
        assert len(served.asked) == 1 + 10 + 10 + 5

    run(main())


def test_many_at_once_do_not_wait_for_each_other(sqlite: Store) -> None:
    """A DNS that is silent about one domain holds up nobody else."""

    async def main() -> None:
        served = zone()
        served.silent.add("a.example TXT")
        async with world(sqlite, served, settings(), timing=replace(QUICK, shutdown_s=0.6)) as there:
            slow = [asyncio.create_task(deliver(there, LETTER)) for _ in range(20)]
            async with asyncio.timeout(PATIENCE_S):
                while served.asked.count("a.example TXT udp") < len(slow):  # noqa: ASYNC110 - a fake DNS counts, and tells nobody
                    await asyncio.sleep(0)
            letter = message(LETTER.octets.replace(b"a.example", b"n.example"))
            assert (await deliver(there, letter, sender="x@n.example")).startswith("250")
            assert not any(each.done() for each in slow)
            for each in slow:
                each.cancel()
            await asyncio.gather(*slow, return_exceptions=True)

    run(main())
