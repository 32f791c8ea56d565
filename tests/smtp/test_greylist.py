"""Greylisting at the door (RFC 6647): who is told to come again, who never, and that two daemons agree."""

import contextlib
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from opostd.checks.arrival import Checks
from opostd.checks.resolver import Dns
from opostd.config import CheckSettings, GreylistSettings, StoreSettings
from opostd.smtp.extensions import DoorKind
from opostd.smtp.greylist import Greylist, network_of
from opostd.store.run import Store
from tests.smtp.world import HOSTNAME, PATIENCE_S, Client, Setup, World, run
from tests.worker.dns_server import Zone, serving

NOW = 1_700_000_000
PEER, NEIGHBOUR, OTHER = "192.0.2.7", "192.0.2.200", "198.51.100.9"
SETTINGS = GreylistSettings(enabled=True, spare_spf=False)


async def nobody_passes(peer: str, helo: str, sender: str) -> bool:
    return False


@contextlib.asynccontextmanager
async def world(
    store: Store, clock: list[int], settings: GreylistSettings = SETTINGS, checks: Checks | None = None
) -> AsyncIterator[World]:
    passes = nobody_passes if checks is None else checks.passes_spf
    setup = Setup(kind=DoorKind.MX, proxies=(ip_network("127.0.0.1"),))
    setup.greylist = lambda over: Greylist(over, settings, passes, lambda: clock[0])
    async with World(store, setup) as there:
        yield there


async def ask(there: World, peer: str, *, sender: str = "x@a.example", to: str = "anna") -> str:
    """The reply to RCPT; where that is 250, the message is delivered."""
    client = await Client.connect(there, greeted=False)
    try:
        client.send(
            f"PROXY TCP{6 if ':' in peer else 4} {peer} {'::1' if ':' in peer else '127.0.0.1'} 40 25\r\n".encode()
        )
        await client.reply()
        await client.talk(("EHLO mx.a.example", "250"), (f"MAIL FROM:<{sender}>", "250"))
        client.send(f"RCPT TO:<{to}@opost.example>\r\n".encode())
        said = (await client.reply())[-1]
        if said.startswith("250"):
            await client.talk(("DATA", "354"))
            client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
            assert (await client.reply())[-1].startswith("250")
        return said[:9]
    finally:
        await client.close()


def test_a_second_try_passes_and_the_network_is_known(sqlite: Store) -> None:
    async def main() -> None:
        clock = [NOW]
        async with world(sqlite, clock) as there:
            assert await ask(there, PEER) == "451 4.7.1"
            assert await ask(there, PEER, to="nobody") == "550 5.1.1"
            clock[0] += 299
            assert await ask(there, PEER) == "451 4.7.1"
            assert await ask(there, PEER, sender="") == "451 4.7.1"
            clock[0] += 1
            assert await ask(there, NEIGHBOUR, sender="X@A.example", to="ANNA") == "250 2.1.5"
            assert await ask(there, PEER, sender="", to="bob") == "250 2.1.5"
            assert await ask(there, OTHER) == "451 4.7.1"
            assert len(await there.messages("anna")) == 1

    run(main())


def test_networks_that_the_settings_name_are_never_asked(sqlite: Store) -> None:
    async def main() -> None:
        settings = GreylistSettings(enabled=True, spare_spf=False, exempt=("198.51.100.0/24", "2001:db8::/32"))
        async with world(sqlite, [NOW], settings) as there:
            assert await ask(there, OTHER) == "250 2.1.5"
            assert await ask(there, "2001:db8::5") == "250 2.1.5"
            assert await ask(there, PEER) == "451 4.7.1"

    run(main())


def test_what_passes_spf_is_spared_where_the_settings_say_so(sqlite: Store) -> None:
    async def main() -> None:
        zone = Zone({"a.example TXT": [f'"v=spf1 ip4:{PEER} -all"']})
        async with serving(zone):
            dns = Dns([zone.place], timeout_s=PATIENCE_S)
            checks = Checks(CheckSettings(timeout_s=PATIENCE_S), dns, hostname=HOSTNAME)
            settings = GreylistSettings(enabled=True)
            async with world(sqlite, [NOW], settings, checks) as there:
                assert await ask(there, PEER) == "250 2.1.5"
                assert await ask(there, OTHER) == "451 4.7.1"
                assert await ask(there, PEER, sender="x@b.example") == "451 4.7.1"

    run(main())


def test_two_daemons_agree(sqlite_settings: StoreSettings) -> None:
    async def main() -> None:
        one, other = Store(sqlite_settings), Store(sqlite_settings)
        clock = [NOW]
        first, second = (Greylist(store, SETTINGS, nobody_passes, lambda: clock[0]) for store in (one, other))
        try:
            assert await first.wait_s(PEER, "mx", "x@a.example", "anna@opost.example") == 300
            clock[0] += 300
            assert await second.wait_s(PEER, "mx", "x@a.example", "anna@opost.example") == 0
            assert await first.wait_s(NEIGHBOUR, "mx", "y@b.example", "bob@opost.example") == 0
        finally:
            await one.close()
            await other.close()

    run(main())


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("local", ""),
    ],
)
def test_networks(peer: str, network: str) -> None:
    assert network_of(peer) == network
