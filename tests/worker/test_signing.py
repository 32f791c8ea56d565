"""What leaves carries our signatures, over the octets that the other server has taken."""

import asyncio
from pathlib import Path

from opostd.checks import dkim
from opostd.checks.canon import Body
from opostd.checks.keyring import Keyring, generate
from opostd.checks.signer import Signer
from opostd.store.run import Store
from opostd.worker.agent import DeliveryAgent
from tests.checks.zones import NOW, Texts, message, published
from tests.intake.world import HOSTNAME
from tests.worker.peer import aiosmtpd_peer
from tests.worker.world import QUEUE, TIMEOUTS, X, site


def test_signed_as_it_is_taken(sqlite: Store, tmp_path: Path) -> None:
    list(generate(tmp_path / "dkim", "opost.example", "s"))
    ring = Keyring(tmp_path / "dkim")
    signer = Signer(ring, hostname=HOSTNAME, domains=("opost.example",), now=lambda: NOW)

    async def main() -> None:
        async with aiosmtpd_peer() as peer, site(sqlite, peer) as here:
            agent = DeliveryAgent(
                here.here.store,
                here.here.intake,
                here.hosts,
                relay=here.relay,
                queue=QUEUE,
                hostname=HOSTNAME,
                now=lambda: here.now,
                timeouts=TIMEOUTS,
                sign=signer,
                linger_s=0.0,
            )
            raw = b"From: bob@opost.example\r\nSubject: s\r\n\r\n.dot\r\n..\r\n \t\r\ntext \r\n\r\n\r\n"
            await here.send("", X, "anna", raw=raw)
            assert await agent.drain() == 1
            letter = message(peer.taken[0].raw)
            assert letter.octets == peer.taken[0].raw
            texts = Texts(published(*ring.of("opost.example")))
            assert [each.result for each in await dkim.check(texts, letter, Body(letter), NOW)] == ["pass", "pass"]
            assert b"DKIM-Signature" not in (await here.here.raws("anna"))[0]

    asyncio.run(main())
