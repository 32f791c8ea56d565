"""security.md 1.1 to 1.4, row by row: where each row is shown, with its reply class.

A row is shown by a transcript that has these replies, by tests named here, or by those below.
"""

import asyncio
import importlib
import re
import time
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from opostd.config import LimitSettings
from opostd.smtp.extensions import DoorKind
from opostd.smtp.timing import Timing
from opostd.store.run import Store
from tests.smtp.world import QUICK, Client, Setup, World, run

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts" / "smtp"

# row -> transcripts with the replies that they must have ("closed": the connection ends), and tests.
ROWS: dict[str, dict[str, tuple[str, ...]]] = {
    # 1.1
    "versions are told nowhere": {"greeting": ("220", "250", "214 2.0.0")},
    "long lines": {"line-limits": ("500 5.5.2", "421 4.7.0", "closed"), "auth-long": ("500 5.5.2",)},
    "bare LF, CR, NUL in a command": {"bare-line-ends": ("500 5.5.2", "closed")},
    "octets above 127": {"eight-bit-commands": ("553 5.6.7", "501 5.5.2")},
    "order of commands": {"order": ("503 5.5.1", "554 5.5.1")},
    "unknown commands": {"unknown-commands": ("500 5.5.1", "421 4.7.0", "closed")},
    "each error from the third on is late": {"tests.smtp.test_security": ("test_errors_are_late",)},
    "HTTP and TLS on a plain port": {"cross-protocol": ("closed",)},
    "talks before the greeting; PROXY": {"talks-first": ("250", "500 5.5.1"), "proxy": ("closed",)},
    "VRFY, EXPN": {"vrfy-expn": ("252 2.5.2", "502 5.5.1")},
    "ETRN, TURN, XCLIENT, XFORWARD, DEBUG, SEND, LHLO; EHLO by LMTP": {
        "unknown-commands": ("500 5.5.1",),
        "lmtp": ("500 5.5.1",),
    },
    "octets behind STARTTLS": {"starttls-injection": ("421 4.7.0", "closed")},
    "STARTTLS again, with an argument; all is forgotten": {"starttls": ("503 5.5.1", "501 5.5.4")},
    "AUTH before TLS, and on the MX": {"before-tls": ("538 5.7.11",), "ehlo-mx": ("502 5.5.1",)},
    "mail before TLS, before AUTH": {"before-tls": ("530 5.7.0",), "needs-login": ("530 5.7.0",)},
    "TLS that is too old or too weak": {"tests.daemon.test_tls": ("test_handshakes_taken_and_refused",)},
    # 1.2
    "relay in any spelling": {
        "relay": ("550 5.7.1", "553 5.1.3"),
        "relay-outside": ("550 5.7.1",),
        "relay-with-login": ("550 5.7.1",),
        "tests.smtp.test_path": ("test_relay_spellings",),
    },
    "unknown user; harvesting": {
        "unknown-recipient": ("550 5.1.1",),
        "harvesting": ("421 4.7.0", "closed"),
        "tests.smtp.test_security": ("test_harvesting_has_a_pace",),
    },
    "many recipients, one twice": {"recipients": ("452 4.5.3", "250 2.6.0")},
    "SIZE": {"size": ("552 5.3.4", "501 5.5.4")},
    "MAIL FROM of another": {"sender-of-another": ("553 5.7.1",)},
    "MAIL FROM of ours, from outside": {
        "local-sender-outside": ("550 5.7.1",),
        "tests.smtp.test_security": ("test_forwarders_bring_our_own_mail_back",),
    },
    "MAIL FROM:<>": {"null-sender": ("250 2.1.0", "250 2.6.0"), "tests.intake.test_report": ("test_who_is_told_what",)},
    "postmaster": {"postmaster": ("250 2.6.0",)},
    # 1.3; the option `normalise` is not there: what is refused by all is read in one way by all
    "another end of data, bare CR or LF": {
        "smuggling": ("550 5.5.2", "250 2.0.0"),
        "smuggling-submission": ("550 5.5.2",),
        "tests.smtp.test_data": ("test_no_other_end_of_data", "test_packet_borders_do_not_matter"),
    },
    "NUL": {"nul": ("550 5.6.0",)},
    "octets above 127 in the header": {
        "header-octets": ("250 2.6.0",),
        "tests.mime.test_properties": ("test_any_octets",),
    },
    "lines over 998 and over 64 KiB": {"long-lines": ("250 2.6.0", "550 5.6.0")},
    "DATA over SIZE": {"too-big": ("552 5.3.4",), "endless-data": ("552 5.3.4", "closed")},
    "header block, lines, Received": {
        "header-limits": ("554 5.6.0", "554 5.4.6"),
        "tests.smtp.test_security": ("test_header_block_over_its_limit",),
    },
    "MIME depth, parts, addresses, references": {
        "tests.mime.test_scan": ("test_depth_has_a_limit", "test_parts_have_a_limit"),
        "tests.mime.test_envelope": ("test_addresses_are_bounded_together",),
        "tests.mime.test_sought": ("test_references_are_bounded",),
        "tests.mime.test_hostile": ("test_time_and_size_are_bounded",),
        "tests.smtp.test_security": ("test_hostile_structure_is_taken_and_holds_up_nobody",),
    },
    "Markdown bombs": {
        "tests.render.test_pool": (
            "test_hostile_texts_come_back_as_written_within_the_limit",
            "test_a_text_over_its_memory_is_shown_as_written",
        )
    },
    "charsets that are none": {"tests.mime.test_headers": ("test_what_is_no_charset",)},
    "encoded CRLF, NUL, RLO": {"tests.mime.test_headers": ("test_decode_words",)},
    "forged trace": {
        "forged-trace": ("250 2.6.0",),
        "tests.intake.test_trace": ("test_forgeries",),
        "tests.smtp.test_arrival": ("test_noted_and_served", "test_no_sender_writes_results"),
    },
    "From of another, two From, Sender of another": {"from-of-another": ("550 5.7.1", "550 5.6.0")},
    "connection lost": {
        "connection-lost": ("250 2.1.5",),
        "chunking-lost": ("250",),
        "tests.intake.test_intake": ("test_a_caller_who_goes_away_stops_nothing",),
    },
    "BDAT": {
        "chunking-syntax": ("501 5.5.4", "closed"),
        "chunking-smuggling": ("550 5.5.2", "550 5.6.0"),
        "chunking-too-big": ("552 5.3.4", "closed"),
    },
    # 1.4
    "bad base64, NULs, =, *": {"auth-bad": ("501 5.5.2", "501 5.7.0")},
    "authzid": {"auth-authzid": ("535 5.7.8",)},
    "wrong password, unknown user": {
        "auth-wrong": ("535 5.7.8",),
        "tests.auth.test_login": ("test_wrong_unknown_and_disabled_are_the_same_after_the_same_work",),
    },
    "unknown mechanisms": {"auth-mechanisms": ("504 5.5.4",)},
    "AUTH twice, in a transaction": {"auth-twice": ("503 5.5.1",)},
    "guessing": {
        "auth-guessing": ("535", "421 4.7.0", "closed"),
        "tests.auth.test_throttle": (
            "test_the_wait_grows_to_a_limit",
            "test_who_has_logged_in_from_an_address_is_not_slowed_there_by_others",
        ),
        "tests.auth.test_login": ("test_the_line_of_a_slowed_address_is_bounded_and_says_not_now",),
    },
    "downgrade": {"auth-mechanisms": ("504 5.5.4",), "tests.auth.test_scram": ("test_channel_binding",)},
    "passwords": {
        "auth-long": ("501 5.5.2",),
        "tests.auth.test_passwords": (
            "test_a_hash_is_argon2id_salted_and_right_for_its_password_only",
            "test_same_password",
            "test_the_longest_password",
        ),
    },
    # 1.7
    "DKIM: l=, short RSA, SHA-1, From twice, ten signatures": {
        "tests.checks.test_dkim": (
            "test_what_a_signature_may_say",
            "test_short_key_proves_nothing",
            "test_nothing_can_be_added",
            "test_ten_signatures_and_no_more",
        ),
        "tests.smtp.test_arrival": ("test_dns_that_does_not_answer_is_never_5xx", "test_bounded_lookups"),
    },
}


@pytest.mark.parametrize("row", ROWS)
def test_row_is_shown(row: str) -> None:
    for where, what in ROWS[row].items():
        if where.startswith("tests."):
            module = importlib.import_module(where)
            assert [name for name in what if not callable(getattr(module, name, None))] == []
            continue
        lines = (TRANSCRIPTS / f"{where}.txt").read_text().splitlines()
        said = [re.sub(r"^S\d*: ", "", line) for line in lines if re.match(r"S\d*: ", line)]
        ends = any(re.match(r"closed\d*$", line) for line in lines)
        for wanted in what:
            assert ends if wanted == "closed" else any(line.startswith(wanted) for line in said), (where, wanted)


def late(by_s: float) -> Timing:
    return Timing(error_delay_s=by_s, unknown_per_s=1e6)


def test_errors_are_late(sqlite: Store) -> None:
    """Two mistakes are human, the third and the following wait."""

    async def main() -> None:
        async with World(sqlite, Setup(kind=DoorKind.MX, timing=late(0.1))) as there:
            client = await Client.connect(there)
            waits = []
            for _ in range(5):
                begun = time.monotonic()
                assert (await client.ask("WIZ")).startswith("500 5.5.1")
                waits.append(time.monotonic() - begun)
            assert min(waits[2:]) >= 0.1
            await client.close()

    run(main())


@pytest.mark.parametrize(("kind", "free"), [(DoorKind.MX, 2), (DoorKind.LMTP, 5)])
def test_errors_that_are_not_late(sqlite: Store, kind: DoorKind, free: int) -> None:
    """One that is comes after the end of the test; the server in front of us is never slowed."""

    async def main() -> None:
        async with World(sqlite, Setup(kind=kind, timing=late(1000.0))) as there:
            client = await Client.connect(there)
            for _ in range(free):
                assert (await client.ask("WIZ")).startswith("500 5.5.1")
            await client.close()

    run(main())


async def _harvest(client: Client) -> None:
    for number in range(6):
        assert (await client.ask(f"RCPT TO:<n{number}@opost.example>")).startswith("550 5.1.1")


async def _harvesters(there: World) -> list[Client]:
    clients = [await Client.connect(there) for _ in range(3)]
    for client in clients:
        await client.talk(("EHLO x.example", "250"), ("MAIL FROM:<a@x.example>", "250"))
    return clients


def test_harvesting_has_a_pace(sqlite: Store) -> None:
    """Of one address, over all its connections."""
    timing = replace(QUICK, unknown_per_s=10.0, max_unknown_recipients=100)

    async def main() -> None:
        async with World(sqlite, Setup(kind=DoorKind.MX, timing=timing)) as there:
            clients = await _harvesters(there)
            begun = time.monotonic()
            await asyncio.gather(*map(_harvest, clients[:2]))
            assert time.monotonic() - begun >= 0.1  # 12 at 10 a second, of which one second's worth comes at once
            for client in clients:
                await client.close()

    run(main())


def test_who_asks_for_people_that_are_there_does_not_wait(sqlite: Store) -> None:
    timing = replace(QUICK, unknown_per_s=0.001, max_unknown_recipients=100, shutdown_s=0.6)

    async def main() -> None:
        async with World(sqlite, Setup(kind=DoorKind.MX, timing=timing)) as there:
            clients = await _harvesters(there)
            asking = [asyncio.create_task(_harvest(client)) for client in clients[:2]]
            assert (await clients[2].ask("RCPT TO:<anna@opost.example>")).startswith("250")
            done, _ = await asyncio.wait(asking, timeout=0.2)
            assert not done
            assert (await clients[2].ask("RCPT TO:<bob@opost.example>")).startswith("250")
            for each in asking:
                each.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            for client in clients:
                await client.close()

    run(main())


@pytest.mark.parametrize(("octets", "wanted"), [(900, "250 2.6.0"), (1100, "552 5.3.4")])
def test_header_block_over_its_limit(sqlite: Store, octets: int, wanted: str) -> None:
    async def main() -> None:
        limits = LimitSettings(max_header_octets=1000)
        async with World(sqlite, Setup(kind=DoorKind.MX, limits=limits)) as there:
            client = await Client.connect(there)
            assert await _sent(client, b"X: " + b"y" * (octets - 5) + b"\r\n\r\nx\r\n") == wanted
            await client.close()

    run(main())


async def _sent(client: Client, octets: bytes) -> str:
    await client.talk(("EHLO x.example", "250"), ("MAIL FROM:<a@x.example>", "250"))
    await client.talk(("RCPT TO:<anna@opost.example>", "250"), ("DATA", "354"))
    client.send(octets + b".\r\n")
    return (await client.reply())[-1][:9]


DEEP = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5000))
WIDE = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000
ADDRESSED = (
    b"".join(b"To: " + b",".join(b"a%d@b.example" % n for n in range(1000)) + b"\r\n" for _ in range(15)) + b"\r\nx\r\n"
)
REFERRING = b"References:" + b"".join(b" <%d@b.example>\r\n" % n for n in range(900)) + b"\r\nx\r\n"


@pytest.mark.parametrize("octets", [DEEP, WIDE, ADDRESSED, REFERRING], ids=["deep", "wide", "addressed", "referring"])
def test_hostile_structure_is_taken_and_holds_up_nobody(sqlite: Store, octets: bytes) -> None:
    """Accepted and kept as it is; another client is served meanwhile (promise 7)."""

    async def main() -> None:
        limits = LimitSettings()
        async with World(sqlite, Setup(kind=DoorKind.MX, limits=limits)) as there:
            hostile, other = await Client.connect(there), await Client.connect(there)
            sending = asyncio.create_task(_sent(hostile, octets))
            longest = 0.0  # of the loop's own processor time: what others use, of the machine too, is not counted
            while not sending.done():
                begun = time.thread_time()
                assert (await other.ask("NOOP")).startswith("250")
                longest = max(longest, time.thread_time() - begun)
            assert await sending == "250 2.6.0"
            assert longest < 1.0  # the heart-beat client of security.md 2; measured 0.01
            assert (await there.messages("anna"))[0].endswith(octets)
            await hostile.close()
            await other.close()

    run(main())


@pytest.mark.parametrize(
    ("networks", "wanted"), [((), "550 5.7.1"), (("127.0.0.0/8",), "250 2.1.0"), (("192.0.2.0/24",), "550 5.7.1")]
)
def test_forwarders_bring_our_own_mail_back(sqlite: Store, networks: tuple[str, ...], wanted: str) -> None:
    """`smtp.local_senders_from`: a list or a forwarder elsewhere that keeps the sender."""

    async def main() -> None:
        setup = Setup(kind=DoorKind.MX, forwarders=tuple(map(ip_network, networks)))
        async with World(sqlite, setup) as there:
            client = await Client.connect(there)
            await client.talk(("EHLO x.example", "250"), ("MAIL FROM:<anna@opost.example>", wanted))
            if wanted.startswith("250"):
                await client.talk(("RCPT TO:<x@other.example>", "550 5.7.1"), ("RCPT TO:<bob@opost.example>", "250"))
            await client.close()

    run(main())


@pytest.mark.parametrize("kind", [DoorKind.MX, DoorKind.SUBMISSION])
def test_one_address_has_so_many_connections_before_a_login(sqlite: Store, kind: DoorKind) -> None:
    limits = LimitSettings(max_connections_before_login=2, many_connections_from=())

    async def main() -> None:
        async with World(sqlite, Setup(kind=kind, limits=limits)) as there:
            first, second = await Client.connect(there), await Client.connect(there)
            refused = await Client.connect(there, greeted=False)
            assert await refused.reply() == ["421 4.7.0 too many connections from your address"]
            assert await refused.closed() == b""
            if kind is DoorKind.SUBMISSION:  # who has logged in leaves a place
                await first.talk(("EHLO x.example", "250"), ("AUTH PLAIN AGFubmEAc2VjcmV0", "235"))
                await (await Client.connect(there)).close()
            await second.talk(("NOOP", "250"), ("QUIT", "221"))
            assert await second.closed() == b""
            last = await Client.connect(there)
            for client in (first, second, refused, last):
                await client.close()

    run(main())


ONE = LimitSettings(max_connections_before_login=1, many_connections_from=())


@pytest.mark.parametrize(
    "setup",
    [Setup(kind=DoorKind.LMTP, limits=ONE), Setup(limits=replace(ONE, many_connections_from=("127.0.0.0/8",)))],
    ids=["lmtp", "named"],
)
def test_who_brings_the_mail_of_many_has_no_such_limit(sqlite: Store, setup: Setup) -> None:
    """A server in front, by LMTP; networks that the settings name."""

    async def main() -> None:
        async with World(sqlite, setup) as there:
            for client in [await Client.connect(there) for _ in range(3)]:
                await client.close()

    run(main())


def test_behind_a_balancer_each_client_is_counted(sqlite: Store) -> None:
    async def main() -> None:
        async with World(sqlite, Setup(kind=DoorKind.MX, limits=ONE, proxies=(ip_network("127.0.0.1"),))) as there:
            clients = [await Client.connect(there, greeted=False) for _ in range(3)]
            told = []
            for client, peer in zip(clients, ("192.0.2.1", "192.0.2.2", "192.0.2.1"), strict=True):
                client.send(f"PROXY TCP4 {peer} 127.0.0.1 4000 25\r\n".encode())
                told.append((await client.reply())[-1][:3])
            assert told == ["220", "220", "421"]
            for client in clients:
                await client.close()

    run(main())
