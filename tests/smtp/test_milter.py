"""Content filters over the milter protocol: two real ones (libmilter's own, OpenDKIM), and some that misbehave."""

import asyncio
import contextlib
import os
import shutil
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from opostd.checks import keyring
from opostd.checks.milter import Filters
from opostd.checks.milter_wire import ACTIONS, MUTE_HEADER, NO_BODY, STEPS, packet
from opostd.config import FilterSettings
from opostd.smtp.examine import Examiner
from opostd.smtp.extensions import DoorKind
from opostd.store.run import Store
from tests.smtp.world import HOSTNAME, LIMITS, Client, Setup, World, run
from tests.support import milters


@pytest.fixture(scope="module")
def libmilter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process, socket = milters.libmilter(tmp_path_factory.mktemp("milter"))
    yield f"unix:{socket}"
    process.kill()
    process.wait()


@contextlib.asynccontextmanager
async def world(
    store: Store, *milters: str, kind: DoorKind = DoorKind.MX, timeout_s: float = 10.0, on_fault: str = "tempfail"
) -> AsyncIterator[World]:
    settings = FilterSettings(milters=milters, timeout_s=timeout_s, on_fault=on_fault)  # type: ignore[arg-type]
    filters = Filters(settings, hostname=HOSTNAME, limits=LIMITS)
    async with World(store, Setup(kind=kind, examiner=Examiner(filters=filters))) as there:
        yield there


async def deliver(
    there: World, subject: str, *, to: str = "bob", more: bytes = b"", body: bytes = b"old body\r\n"
) -> str:
    client = await Client.connect(there)
    try:
        await client.talk(("EHLO mx.b.example", "250"))
        sender = "x@b.example"
        if there.setup.kind is DoorKind.SUBMISSION:
            sender = "anna@opost.example"
            await client.talk(("AUTH PLAIN AGFubmEAc2VjcmV0", "235"))
        await client.talk((f"MAIL FROM:<{sender}>", "250"), (f"RCPT TO:<{to}@opost.example>", "250"), ("DATA", "354"))
        client.send(f"From: {sender}\r\nSubject: {subject}\r\n".encode() + more + b"\r\n" + body + b".\r\n")
        return (await client.reply())[-1]
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("subject", "wanted"),
    [
        ("nothing", "250 2.6.0"),
        ("slow", "250 2.6.0"),
        ("early accept", "250 2.6.0"),
        ("reject", "550 5.7.1"),
        ("early reject", "550 5.7.1"),
        ("reply", "554 5.7.0 100% spam, says (this) program"),
        ("tempfail", "451 4.7.1"),
        ("discard", "550 5.7.1"),
    ],
)
def test_answers(sqlite: Store, libmilter: str, subject: str, wanted: str) -> None:
    """A discard too is told to the sender: nothing is lost in silence."""

    async def main() -> None:
        async with world(sqlite, libmilter) as there:
            assert (await deliver(there, subject)).startswith(wanted)
            assert len(await there.messages("bob")) == wanted.startswith("250")

    run(main())


def test_changes(sqlite: Store, libmilter: str) -> None:
    async def main() -> None:
        async with world(sqlite, libmilter) as there:
            more = b"X-Twice: a\r\nX-Gone: x\r\nX-Twice: b\r\n"
            assert (await deliver(there, "headers", more=more)).startswith("250")
            assert (await deliver(there, "body")).startswith("250")
            headers, body = await there.messages("bob")
            header = headers.partition(b"\r\n\r\n")[0]
            received = header.index(b"Received: ")
            assert header.index(b"X-First: top\r\n") > received  # ours stays on top
            assert header.index(b"X-First: top\r\n") < header.index(b"From: ")
            assert b"X-Twice: a\r\nX-Twice: changed\r\n" in header
            assert b"Subject: [spam] headers\r\n" in header
            assert b"X-Gone" not in header
            assert header.endswith(b"X-Last: one\r\n\ttwo")
            assert body.endswith(b"\r\n\r\nnew body\r\n.\r\nof two parts\r\n")

    run(main())


def test_quarantine(sqlite: Store, libmilter: str) -> None:
    async def main() -> None:
        async with world(sqlite, libmilter) as there:
            assert (await deliver(there, "quarantine")).startswith("250")
            assert await there.messages("bob") == []
            assert len(await there.messages("bob", "Junk")) == 1

    run(main())


def test_quarantine_of_mail_to_a_group_is_a_refusal(sqlite: Store, libmilter: str) -> None:
    async def main() -> None:
        async with world(sqlite, libmilter, kind=DoorKind.SUBMISSION) as there:
            assert (await deliver(there, "quarantine", to="team")).startswith("550 5.7.1")
            assert await there.messages("bob") == []

    run(main())


def test_what_a_filter_hears(sqlite: Store, libmilter: str) -> None:
    async def main() -> None:
        async with world(sqlite, libmilter) as there:
            more = b"X-Folded:  a\r\n\t b \r\nX-None:\r\n"
            assert (await deliver(there, "seen", more=more, body=b"x" * 998 + b"\r\n" + b"y\r\n" * 30_000)).startswith(
                "250"
            )
            raw = (await there.messages("bob"))[0].partition(b"\r\n\r\n")[0].decode()
            seen = [line.removeprefix("X-Seen: ") for line in raw.split("\r\n") if line.startswith("X-Seen: ")]
            assert seen == [
                "connect=[127.0.0.1] 127.0.0.1",
                "helo=mx.b.example",
                "from=<x@b.example> i=True auth=None",
                "to=<bob@opost.example>",
                "From:x@b.example",
                "Subject:seen",
                "X-Folded: a|\t b",
                "X-None:",
                "body=65535",
                "body=25465",
            ]

    run(main())


def test_who_has_logged_in(sqlite: Store, libmilter: str) -> None:
    async def main() -> None:
        async with world(sqlite, libmilter, kind=DoorKind.SUBMISSION) as there:
            assert (await deliver(there, "seen")).startswith("250")
            assert b"auth=anna@opost.example" in (await there.messages("bob"))[0]

    run(main())


def test_one_recipient_that_a_filter_refuses(sqlite: Store, libmilter: str) -> None:
    """Heard too late to refuse only that one: nobody gets it, and the sender knows."""

    async def main() -> None:
        async with world(sqlite, libmilter) as there:
            assert (await deliver(there, "x", to="bob+bad")).startswith("550 5.1.1 not that one")
            assert await there.messages("bob") == []

    run(main())


def test_several(sqlite: Store, libmilter: str) -> None:
    async def main() -> None:
        async with world(sqlite, libmilter, libmilter) as there:
            assert (await deliver(there, "headers")).startswith("250")
            raw = (await there.messages("bob"))[0]
            assert raw.count(b"X-First: top\r\n") == 1  # the second saw what the first had made of it
            assert b"Subject: [spam] headers" in raw

    run(main())


# -- filters that misbehave ------------------------------------------------------------------------------------------


def _offer(actions: int = ACTIONS, steps: int = 0, version: int = 6) -> bytes:
    return packet(b"O", struct.pack(">III", version, actions, steps))


QUIET = STEPS & ~0x400  # a filter that hears nothing but the end, and answers only that


@contextlib.asynccontextmanager
async def misbehaving(answer: Callable[[bytes], bytes | None]) -> AsyncIterator[str]:
    """A filter; answer: to a command by its letter, None to hang up, empty for silence."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    (length,) = struct.unpack(">I", await reader.readexactly(4))
                    octets = await reader.readexactly(length)
                    if octets[:1] in b"DQ":
                        continue
                    said = answer(octets[:1])
                    if said is None:
                        break
                    writer.write(said)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _at_end(reply: bytes) -> Callable[[bytes], bytes | None]:
    return lambda command: _offer(steps=QUIET) if command == b"O" else reply


MISBEHAVIOURS: dict[str, Callable[[bytes], bytes | None]] = {
    "hangs up": lambda command: None,
    "is silent": lambda command: b"",
    "hangs up at the end": lambda command: _offer(steps=QUIET) if command == b"O" else None,
    "is silent at the end": _at_end(b""),
    "is of another version": lambda command: _offer(version=1),
    "wants other steps": lambda command: _offer(steps=1 << 30),
    "offers nothing": lambda command: packet(b"O"),
    "says no offer": lambda command: packet(b"c"),
    "announces a gigabyte": lambda command: struct.pack(">I", 1 << 30),
    "sends an empty packet": lambda command: struct.pack(">I", 0),
    "adds a recipient": _at_end(packet(b"+", b"<eve@e.example>\0")),
    "removes a recipient": _at_end(packet(b"-", b"<bob@opost.example>\0")),
    "changes the sender": _at_end(packet(b"e", b"<eve@e.example>\0")),
    "answers what is none": _at_end(packet(b"!")),
    "replies what is none": _at_end(packet(b"y", b"250 fine\0")),
    "puts a header into a header": _at_end(packet(b"h", b"X-A\0a\nBcc: eve\0") + packet(b"c")),
    "puts a header into a name": _at_end(packet(b"h", b"X-A: x\r\nX-B\0a\0") + packet(b"c")),
    "puts NUL into the body": _at_end(packet(b"b", b"a\0b") + packet(b"c")),
    "makes a line too long": _at_end(packet(b"b", b"x" * 60_000) + packet(b"b", b"x" * 60_000) + packet(b"c")),
    "makes a message too big": _at_end(packet(b"b", b"xxx\r\n" * 10_000) * 3 + packet(b"c")),
    "makes a thousand headers": _at_end(packet(b"h", b"X-A\0a\0") * 1000 + packet(b"c")),
    "has a header without a place": _at_end(packet(b"i", b"\0\0") + packet(b"c")),
    "answers yes and no to a header": lambda command: (
        _offer(steps=NO_BODY) if command == b"O" else packet(b"h", b"a\0b\0")
    ),
}


@pytest.mark.parametrize("how", MISBEHAVIOURS)
@pytest.mark.parametrize(("on_fault", "wanted"), [("tempfail", "451 4.3.2"), ("accept", "250 2.6.0")])
def test_faults(sqlite: Store, how: str, on_fault: str, wanted: str) -> None:
    async def main() -> None:
        async with misbehaving(MISBEHAVIOURS[how]) as place:
            async with world(sqlite, place, on_fault=on_fault, timeout_s=0.3 if "silent" in how else 1000.0) as there:
                assert (await deliver(there, "x")).startswith(wanted)
                for raw in await there.messages("bob"):
                    assert raw.endswith(b"From: x@b.example\r\nSubject: x\r\n\r\nold body\r\n")

    run(main())


def test_progress_for_ever_ends(sqlite: Store) -> None:
    async def main() -> None:
        async with misbehaving(_at_end(packet(b"p") * 1000)) as place, world(sqlite, place, timeout_s=0.5) as there:
            assert (await deliver(there, "x")).startswith("451 4.3.2")

    run(main())


def test_nobody_there(sqlite: Store, tmp_path: Path) -> None:
    async def main() -> None:
        async with world(sqlite, f"unix:{tmp_path / 'none'}") as there:
            assert (await deliver(there, "x")).startswith("451 4.3.2")

    run(main())


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (b"550 5.7.1 no\0", "550 5.7.1 no"),
        (b"550-5.7.1 one\r\n550 5.7.1 two\0", "550 5.7.1 one two"),
        (b"451 later\0", "451 4.7.1 later"),
        (b"421 4.7.0 go away\0", "451 4.7.0 go away"),
        (b"550 4.7.1 mixed\0", "550 5.7.1 mixed"),
        (b"550 5.7.1 \x07\xff\r\nX\0", "550 5.7.1 ????X"),
        (b"550\0", "550 5.7.1 refused by a filter"),
    ],
)
def test_replies(sqlite: Store, said: bytes, wanted: str) -> None:
    async def main() -> None:
        async with misbehaving(_at_end(packet(b"y", said))) as place, world(sqlite, place) as there:
            assert await deliver(there, "x") == wanted

    run(main())


def test_filter_that_wants_little(sqlite: Store) -> None:
    """It answers only what it is asked to answer; what it does not want is not sent."""
    heard: list[bytes] = []

    def answer(command: bytes) -> bytes:
        heard.append(command)
        if command == b"O":
            return _offer(steps=NO_BODY | MUTE_HEADER)
        return b"" if command == b"L" else packet(b"c")

    async def main() -> None:
        async with misbehaving(answer) as place, world(sqlite, place) as there:
            assert (await deliver(there, "x")).startswith("250")
        assert heard == [b"O", b"C", b"H", b"M", b"R", b"T", b"L", b"L", b"N", b"E"]

    run(main())


# -- OpenDKIM --------------------------------------------------------------------------------------------------------


@pytest.fixture
def opendkim(tmp_path: Path) -> Iterator[str]:
    """OpenDKIM that signs for opost.example with a key of ours."""
    program = shutil.which("opendkim") or "/usr/sbin/opendkim"
    (path, _) = keyring.generate(tmp_path / "dkim", "opost.example", "s")
    socket = tmp_path / "o"
    configuration = tmp_path / "opendkim.conf"
    configuration.write_text(
        f"Mode s\nDomain opost.example\nSelector sr\nKeyFile {path}\nSocket local:{socket}\nSyslog no\n"
        "Canonicalization relaxed/simple\nRequireSafeKeys no\nInternalHosts 0.0.0.0/0\nBackground no\n"
    )
    user = ["-u", "root"] if os.geteuid() == 0 else []
    process = milters.started([program, "-f", "-x", str(configuration), *user], socket, tmp_path)
    yield f"unix:{socket}"
    process.kill()
    process.wait()


def test_opendkim_signs_what_our_checks_take(sqlite: Store, opendkim: str, tmp_path: Path) -> None:
    """Its signature, over what we told it, holds over what we kept: not an octet was lost on the way there."""
    from opostd.checks import dkim
    from opostd.checks.canon import Body
    from tests.checks.zones import Texts, message, published

    texts = Texts(published(*keyring.Keyring(tmp_path / "dkim").of("opost.example")))

    async def main() -> None:
        async with world(sqlite, opendkim, kind=DoorKind.SUBMISSION) as there:
            more = b"X-Folded:  a\r\n\t b \r\nTo:bob@opost.example\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700\r\n"
            body = b"..dot  \t \r\n" + b"line of text\r\n" * 6_000 + b"\r\n\r\n"
            assert (await deliver(there, "signed", more=more, body=body)).startswith("250")
            letter = message((await there.messages("bob"))[0])
            found = await dkim.check(texts, letter, Body(letter), int(time.time()))
            assert [(each.result, each.reason, each.domain) for each in found] == [("pass", "", "opost.example")]

    run(main())
