"""The agent with the DNS: mail goes to each domain's own servers, and what can never go is told at once."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opostd.checks.dns import Resolver
from opostd.config import RelaySettings, Settings
from opostd.intake.trace import Trace
from opostd.model.mailing import Outside, Recipient, Terms, Wish
from opostd.store import outgoing
from opostd.store.run import Store
from opostd.worker.hosts import hosts, resolver
from opostd.worker.mx import MxHosts
from tests.intake.world import HOSTNAME, text
from tests.worker.dns_server import Zone, serving
from tests.worker.peer import Peer, aiosmtpd_peer
from tests.worker.world import Site, X, site

RELAY = RelaySettings(via="mx", private_addresses=True)
RECORDS = {
    "else.example MX": ["5 away.else.example.", "10 mx.else.example."],
    "away.else.example A": ["127.0.0.3"],
    "mx.else.example A": ["127.0.0.1"],
    "third.example MX": ["10 mx.third.example."],
    "mx.third.example A": ["127.0.0.2"],
    "null.example MX": ["0 ."],
    "back.example MX": ["10 mx.back.example."],
    "mx.back.example A": ["127.0.0.4"],
}


@contextlib.asynccontextmanager
async def sites(store: Store, **more: str) -> AsyncIterator[tuple[Site, Peer, Peer, Zone]]:
    """Servers of else.example and third.example, on one port of two addresses."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    async with (
        serving(Zone(dict(RECORDS))) as zone,
        aiosmtpd_peer(port=port) as first,
        aiosmtpd_peer(port=port, address="127.0.0.2") as second,
        aiosmtpd_peer(port=port, address="127.0.0.4", name=HOSTNAME),
    ):
        found = MxHosts(Resolver([zone.place]), None, RELAY, hostname=HOSTNAME, port=port)
        async with site(store, first, found, messages_per_connection=2) as here:
            yield here, first, second, zone


def test_each_domain_to_its_own_servers(store: Store) -> None:
    async def main() -> None:
        async with sites(store) as (here, first, second, _):
            for number in range(4):
                await here.send(f"m{number}", X, "y@ELSE.example", "z@third.example")
            await here.agent.drain()
            await here.here.queue_is_empty()
            assert first.copies(X) == first.copies("y@ELSE.example") == 4
            assert second.copies("z@third.example") == 4
            assert len(first.taken) == len(second.taken) == 4  # a transaction for each domain
            assert first.connections <= 4
            assert await here.here.raws("bob") == []

    asyncio.run(main())


NEVER = [
    ("x@null.example", "5.1.10", b"null MX"),
    ("x@nowhere.example", "5.1.2", b"is not in the DNS"),
    ("x@back.example", "5.4.6", b"is this server"),
]


@pytest.mark.parametrize(("address", "status", "said"), NEVER)
def test_what_can_never_go_is_told_at_once(sqlite: Store, address: str, status: str, said: bytes) -> None:
    async def main() -> None:
        async with sites(sqlite) as (here, _, _, _):
            await here.send("s", address)
            await here.agent.drain()
            await here.here.queue_is_empty()
            (report,) = await here.here.raws("bob")
            assert f"\r\nAction: failed\r\nStatus: {status}\r\n".encode() in report
            assert said in report

    asyncio.run(main())


def test_what_the_dns_cannot_say_now_waits_and_holds_up_nobody(sqlite: Store) -> None:
    async def main() -> None:
        async with sites(sqlite) as (here, _, second, zone):
            zone.fails.add("else.example")
            post = await here.send("s", X, "z@third.example")
            await here.agent.drain()
            (row,) = await sqlite.run(outgoing.of_post, post)
            assert row.address == X
            assert "DNS: MX of else.example" in row.last_error
            assert second.copies("z@third.example") == 1
            zone.fails.clear()
            here.now = row.next_at + 60
            await here.agent.drain()
            await here.here.queue_is_empty()

    asyncio.run(main())


def test_who_asks_for_more_holds_up_nobody_else(sqlite: Store) -> None:
    """One server of the domain is away, the other does not keep to REQUIRETLS: only the message that asks for it waits."""

    async def main() -> None:
        async with sites(sqlite) as (here, first, _, _):
            recipients = [Recipient(Wish(X), (Outside(X),))]
            for subject, terms in (("careful", Terms(require_tls=True)), ("ordinary", Terms())):
                await here.here.intake.submit(
                    text(subject, sender="bob"), mail_from="bob@opost.example", recipients=recipients,
                    account=here.here.people["bob"], markdown=False, trace=Trace(), terms=terms,
                )  # fmt: skip
            await here.agent.drain()
            assert first.copies(X) == 1
            (row,) = await sqlite.run(outgoing.waiting, 10)
            assert row.origin.terms.require_tls

    asyncio.run(main())


def test_made_from_the_settings(tmp_path: Path) -> None:
    for relay, kind in (
        (RelaySettings(), type(None)),
        (RelaySettings(via="mx"), MxHosts),
        (RelaySettings(via="mx", dane=True, dns_servers=("127.0.0.1:53",), mta_sts=False), MxHosts),
    ):
        assert type(hosts(Settings(data_directory=tmp_path, relay=relay), resolver(relay), lambda: 0)) is kind
