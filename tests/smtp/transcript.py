"""Runs transcripts: real connections on a loopback socket, over a real store.

A file holds one conversation.  Its first line says what is shown, with the section; then, line by line:

    door submission|mx|lmtp [tls] [implicit] [strict] [relay] [demo] [balancer]
                            the door; tls: it has a certificate; implicit: TLS from the start; strict: no login without
                            TLS on loopback; relay: mail may leave; demo: recipients play; balancer: whoever connects
                            must say for whom; default: submission.  Comes first, if at all
    C: EHLO client          sends a line (C2: on connection 2); what is in <<>> is sent as Python escapes, and
                            {b64 TEXT} as the base64 of TEXT, itself with escapes
    raw: TEXT               sends without a line end
    S: 250 ~                expects a line; ``~`` is any text
    S: ...                  any lines of one reply before the next
    starttls                the client's side of the handshake
    eof                     the client sends no more
    closed                  the server has closed the connection, without another word
    many 120 C: RCPT ...    repeats a line
    box anna INBOX 2        so many messages are in the box
    quota anna 500 -        limits of an account: octets and messages, - for those of the settings
    told anna               waits until something is in the INBOX
    holds anna INBOX TEXT   the last of them has this (with escapes); lacks: has it not
"""

import asyncio
import base64
import re
import ssl
from ipaddress import ip_network
from pathlib import Path

from opostd.smtp.extensions import DoorKind
from opostd.store import quota
from opostd.store.quota import Own
from opostd.store.run import Store
from tests.smtp.world import PATIENCE_S, Client, Setup, World

KINDS = {"submission": DoorKind.SUBMISSION, "mx": DoorKind.MX, "lmtp": DoorKind.LMTP}


def unescape(text: str) -> bytes:
    """The octets of a text with Python escapes; other text is UTF-8."""
    return re.sub(rb"\\(x[0-9a-f]{2}|[0rnt\\])", _escape, text.encode())


def _escape(match: re.Match[bytes]) -> bytes:
    return match[0].decode().encode().decode("unicode_escape").encode("latin-1")


def wire(text: str) -> bytes:
    """A C: line as octets."""
    text = re.sub(r"\{b64 (.*?)\}", lambda m: base64.b64encode(unescape(m[1])).decode(), text)
    pieces = re.split(r"<<(.*?)>>", text)
    return b"".join(unescape(piece) if at % 2 else piece.encode() for at, piece in enumerate(pieces))


def setup_of(words: list[str], context: ssl.SSLContext) -> Setup:
    setup = Setup(kind=KINDS[words[0]])
    if "tls" in words or "implicit" in words:
        setup.tls = context
    if "balancer" in words:
        setup.proxies = (ip_network("127.0.0.1"),)
    setup.implicit_tls = "implicit" in words
    setup.plaintext_on_loopback = "strict" not in words
    setup.relay = "relay" in words
    setup.demo = "demo" in words
    return setup


async def run(store: Store, path: Path, context: ssl.SSLContext) -> None:
    """Runs one transcript; an AssertionError names the file, the line and both texts."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert re.match(r"# [a-z0-9-]+: .*(RFC \d+|security\.md)", lines[0]), "the first line says what, and the section"
    script = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    setup = Setup()
    if script[0][1].startswith("door "):
        setup = setup_of(script.pop(0)[1].split()[1:], context)
    async with World(store, setup) as world:
        runner = _Runner(world)
        try:
            for number, line in script:
                try:
                    await runner.step(line)
                except (AssertionError, TimeoutError, ConnectionError) as error:
                    what = str(error) or type(error).__name__
                    raise AssertionError(f"{path.name}:{number}: {line}\n  {what}") from error
        finally:
            for client in runner.clients.values():
                await client.close()


class _Runner:
    def __init__(self, world: World) -> None:
        self.world = world
        self.clients: dict[str, Client] = {}
        self.skipping = False

    async def client(self, number: str) -> Client:
        if number not in self.clients:
            self.clients[number] = await Client.connect(self.world, greeted=False)
        return self.clients[number]

    async def step(self, line: str) -> None:
        match = re.fullmatch(r"(C|S|raw|starttls|eof|closed|many|box|holds|lacks|told|quota)(\d*):?(?: (.*))?", line)
        assert match is not None, "no such transcript line"
        verb, number, rest = match[1], match[2], match[3] or ""
        if verb == "many":
            count, what = rest.split(" ", 1)
            for _ in range(int(count)):
                await self.step(what)
        elif verb in ("box", "holds", "lacks"):
            await self._look(verb, *rest.split(" ", 2))
        elif verb == "quota":
            name, *limits = rest.split()
            own = Own(*(None if limit == "-" else int(limit) for limit in limits))
            await self.world.store.run(quota.set_own, self.world.accounts[name].owner, own)
        elif verb == "told":
            await self._told(rest)
        elif verb == "S":
            await self._expect(await self.client(number), rest)
        else:
            await self._do(await self.client(number), verb, rest)

    async def _do(self, client: Client, verb: str, rest: str) -> None:
        if verb == "C":
            client.send(wire(rest) + b"\r\n")
        elif verb == "raw":
            client.send(wire(rest) if rest.startswith("<<") else unescape(rest))
        elif verb == "starttls":
            await client.start_tls()
        elif verb == "eof":
            client.writer.write_eof()
        else:
            left = await client.closed()
            assert left == b"", f"got: {left!r}"

    async def _told(self, user: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await self.world.messages(user):  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def _look(self, verb: str, user: str, box: str, what: str) -> None:
        messages = await self.world.messages(user, box)
        if verb == "box":
            assert len(messages) == int(what), f"got: {len(messages)}"
        else:
            assert (unescape(what) in messages[-1]) is (verb == "holds"), f"got: {messages[-1]!r}"

    async def _expect(self, client: Client, wanted: str) -> None:
        if wanted == "...":
            self.skipping = True
            return
        pattern = re.compile(".*".join(re.escape(piece) for piece in wanted.split("~")))
        while True:
            line = await client.line()
            if pattern.fullmatch(line):
                self.skipping = False
                return
            assert self.skipping, f"got: {line}"
            assert line[3:4] == "-", f"got: {line}"
