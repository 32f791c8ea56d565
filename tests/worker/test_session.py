"""TLS and logins of the way out: who is trusted, and when a password is told."""

import asyncio
import datetime
from pathlib import Path
from typing import Any

import pytest

from opostd.config import Settings
from opostd.daemon import tls
from opostd.model.mailing import Wish
from opostd.worker.answer import Answer, BadAnswer, Fate, answer, outcome, read_line
from opostd.worker.connection import Timeouts
from opostd.worker.host import Host, NoService
from opostd.worker.message import parcel
from opostd.worker.session import Envelope, Session
from tests.worker.peer import CLOSE, aiosmtpd_peer, told_peer
from tests.worker.world import TIMEOUTS

HASTY = Timeouts(connect_s=60, command_s=0.3, chunk_s=60, end_s=60)
LOGIN = ("anna", "sécret")


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tls.Identity:
    """Of localhost, made by itself: it is its own authority."""
    settings = Settings(hostname="localhost", data_directory=tmp_path_factory.mktemp("tls"))
    return tls.identity(settings, datetime.datetime.now(datetime.UTC))


async def deliver(host: Host, timeouts: Timeouts = TIMEOUTS) -> None:
    session = await Session.open(host, "mail.opost.example", timeouts)
    envelope = Envelope("bob@opost.example", (Wish("x@else.example"),))
    outcomes = await session.send(envelope, parcel(b"Subject: s\r\n\r\ntext"), lambda: True)
    assert outcomes is not None
    assert [each.fate for each in outcomes] == [Fate.TAKEN]
    await session.quit()


def ca_file(identity: tls.Identity) -> str:
    return str(identity.chain_file)


@pytest.mark.parametrize("checks", ["verify", "encrypt", "may"])
def test_starttls_and_login(identity: tls.Identity, checks: Any) -> None:
    async def main() -> None:
        async with aiosmtpd_peer(tls.asyncio_context(identity), LOGIN) as peer:
            host = Host("localhost", peer.port, checks, False, ca_file(identity), *LOGIN)
            await deliver(host)
            assert peer.logins == [(b"anna", "sécret".encode())]
            assert len(peer.taken) == 1

    asyncio.run(main())


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_login_that_is_refused_is_our_fault(mechanism: str) -> None:
    async def main() -> None:
        def refuse(line: str) -> str | None:
            if line == "AUTH LOGIN" or line == "YW5uYQ==":
                return "334 "
            return "535 5.7.8 no" if line.startswith(("AUTH PLAIN AGFubmEAc8OpY3JldA==", "c8OpY3JldA==")) else None

        async with told_peer(refuse, (f"AUTH GSSAPI {mechanism}",)) as peer:
            with pytest.raises(NoService, match="refused our login: 535"):
                await deliver(Host("127.0.0.1", peer.port, "off", False, "", *LOGIN))
            assert peer.taken == []

    asyncio.run(main())


def test_who_is_somebody_else_gets_nothing(identity: tls.Identity, tmp_path: Path) -> None:
    other = tls.identity(Settings(hostname="localhost", data_directory=tmp_path), datetime.datetime.now(datetime.UTC))

    async def main() -> None:
        async with aiosmtpd_peer(tls.asyncio_context(identity), LOGIN) as peer:
            nobody_knows = Host("localhost", peer.port, "verify", False, "", *LOGIN)
            another = Host("localhost", peer.port, "verify", False, ca_file(other), *LOGIN)
            for host in (nobody_knows, another):
                with pytest.raises(NoService, match="certificate verify failed"):
                    await deliver(host)
            assert peer.logins == []
            assert peer.taken == []

    asyncio.run(main())


def test_no_tls_where_it_must_be(identity: tls.Identity) -> None:
    async def main() -> None:
        async with told_peer() as peer:
            for checks in ("verify", "encrypt"):
                with pytest.raises(NoService, match="offers no TLS"):
                    await deliver(Host("localhost", peer.port, checks, user="u", password="p"))  # type: ignore[arg-type]
            assert not any(line.startswith(("AUTH", "MAIL")) for line in peer.said)
            await deliver(Host("localhost", peer.port, "may"))
            assert len(peer.taken) == 1

    asyncio.run(main())


def test_octets_behind_starttls_are_not_heard_under_tls() -> None:
    async def main() -> None:
        def injected(line: str) -> str | None:
            return "220 go\r\n250 MAIL ok" if line == "STARTTLS" else None

        async with told_peer(injected, ("STARTTLS",)) as peer:
            with pytest.raises(NoService, match="octets behind the answer to STARTTLS"):
                await deliver(Host("localhost", peer.port, "encrypt"))

    asyncio.run(main())


BAD = [
    ("connect", "554 5.7.1 go away", "554 5.7.1 go away"),
    ("connect", "HTTP/1.1 400 Bad Request", "not SMTP"),
    ("connect", "220-" + "x" * 9000, "a line without an end"),
    ("connect", "\r\n".join(["220-x"] * 300), "a reply without an end"),
    ("connect", "220-a\r\n250 b", "a reply without an end"),
    ("connect", "220-never the last", "no answer in time"),
    ("EHLO", "421 4.3.2 not now", "421 4.3.2 not now"),
    ("EHLO", CLOSE, "it closed the connection"),
]


@pytest.mark.parametrize(("command", "said", "why"), BAD)
def test_a_server_that_answers_wrongly(command: str, said: str, why: str) -> None:
    async def main() -> None:
        async with told_peer(lambda line: said if line.startswith(command) else None) as peer:
            with pytest.raises(NoService, match=why):
                await deliver(Host("127.0.0.1", peer.port, "off"), HASTY if "never" in said else TIMEOUTS)

    asyncio.run(main())


def test_helo_where_ehlo_is_not_known() -> None:
    async def main() -> None:
        async with told_peer(lambda line: "502 what" if line.startswith("EHLO") else None) as peer:
            await deliver(Host("127.0.0.1", peer.port, "off"))
            assert len(peer.taken) == 1

    asyncio.run(main())


LINES = [
    (b"250 ok", (250, True, "ok")),
    (b"250-PIPELINING", (250, False, "PIPELINING")),
    (b"250", (250, True, "")),
    (b"450 \xff\x01", (450, True, "\ufffd?")),
]


@pytest.mark.parametrize(("line", "value"), LINES)
def test_lines(line: bytes, value: tuple[int, bool, str]) -> None:
    assert read_line(line) == value


@pytest.mark.parametrize("line", [b"", b"25", b"2500 x", b"150 x", b"600 x", b"abc", b"25\xd9\xa0 x", b"250+x"])
def test_bad_lines(line: bytes) -> None:
    with pytest.raises(BadAnswer):
        read_line(line)


ANSWERS = [
    ((550, ["5.1.1 no such", "5.1.1 user"]), Answer(550, "5.1.1", "no such user"), Fate.FAILED, "5.1.1"),
    ((550, ["4.1.1 odd"]), Answer(550, "", "4.1.1 odd"), Fate.FAILED, "5.0.0"),
    ((451, ["later"]), Answer(451, "", "later"), Fate.LATER, "4.0.0"),
    ((250, ["2.0.0"]), Answer(250, "2.0.0", ""), Fate.TAKEN, "2.0.0"),
    ((530, ["5.7.0 log in"]), Answer(530, "5.7.0", "log in"), Fate.LATER, "5.7.0"),
]


@pytest.mark.parametrize(("lines", "said", "fate", "status"), ANSWERS)
def test_answers(lines: tuple[int, list[str]], said: Answer, fate: Fate, status: str) -> None:
    assert answer(*lines) == said
    assert (outcome(said, "h").fate, outcome(said, "h").status) == (fate, status)


PARCELS = [
    (b"Return-Path: <x@y>\r\nSubject: s\r\n\r\n.a\r\n..b", b"Subject: s\r\n\r\n..a\r\n...b\r\n.\r\n"),
    (b"return-path:\r\n <x@y>\r\nReturn-Path: <>\r\nS: s\r\n\r\n", b"S: s\r\n\r\n.\r\n"),
    (b".S: s\n\nbare\rends\n", b"..S: s\r\n\r\nbare\r\nends\r\n.\r\n"),
    (b"", b"\r\n.\r\n"),
]


@pytest.mark.parametrize(("raw", "wire"), PARCELS)
def test_parcels(raw: bytes, wire: bytes) -> None:
    assert parcel(raw).stuffed == wire


def test_what_a_parcel_needs() -> None:
    plain, body, header = (parcel(each.encode()) for each in ("S: s\r\n\r\nx", "S: s\r\n\r\nä", "S: ä\r\n\r\nx"))
    assert [(each.eight_bit, each.wide) for each in (plain, body, header)] == [
        (False, False),
        (True, False),
        (True, True),
    ]
