"""Runs transcripts: real connections over a real store, without a socket.

A file holds one conversation.  Its first line says what is shown, with the section; then, line by line:

    raw                          the connections are not logged in (else connection N is logged in when first used)
    as2 bob                      connection 2 logs in as bob (else anna)
    quota anna 5000 10           limits of an account: octets and messages, - for those of the settings
    post INBOX plain.eml ...     puts messages into a box of anna
    send everyone@opost.example plain.eml     a message from root, an administrator, by intake
    later 86400                  the server's clock goes on by so many seconds
    user cara / group team anna,bob / join team cara / leave team cara / nest company team / remove cara / remove-group team
    shared team                  an administrator makes the shared box team
    grant team/2026 bob lrs      and gives rights in it, as SETACL would; of a person's box: anna@opost.example/Plans
    ok1 SELECT INBOX             sends on connection 1, and reads to the tagged OK
    C1: a1 NOOP                  sends a line (C: is connection 1); what is in <<>> is sent as escapes
    S1: * 2 EXPUNGE              expects a line; ``~`` is any text, ``{name}`` keeps a value and later stands for it
    S1: ...                      any untagged lines
    deflate1                     from here on connection 1 is compressed both ways
    plain1                       and from here on no more
    closed1                      the server has closed the connection
"""

import asyncio
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from argon2 import PasswordHasher

from opostd.auth import scram
from opostd.auth.login import Authenticator
from opostd.config import AuthSettings, ImapSettings, LimitSettings, RenderSettings
from opostd.imap.connection import Connection
from opostd.imap.hub import Hub
from opostd.imap.posts import Posts
from opostd.imap.session import Services
from opostd.imap.users import UserCounts
from opostd.intake.intake import Intake, NewMessage, Trace
from opostd.intake.sharing import box_at, grantee_named
from opostd.model.records import Account, PostPolicy
from opostd.model.rights import Change, rights_of
from opostd.render.pool import RenderPool
from opostd.store import acl, boxes, provision, quota, shared
from opostd.store.quota import Own
from opostd.store.run import Store

MAIL = Path(__file__).parent / "mail"
DOMAIN = "opost.example"
PASSWORD = "secret"
SECRET = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)  # cheap: tests, not users
KEYS = scram.pack(scram.make(PASSWORD, salt=b"salt for everybody", iterations=4096))
NOW = 1_700_000_000
PATIENCE_S = 60.0  # on a machine where everything else runs too


def mail(name: str) -> bytes:
    """A message from the mail folder, with CRLF line ends."""
    return (MAIL / name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class MemoryTransport:
    """The other end of a connection: what the server wrote, line by line or by count."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.closed = False
        self.tls = False
        self.inflate: zlib._Decompress | None = None
        self._news = asyncio.Event()

    def write_pieces(self, pieces: Sequence[bytes]) -> None:
        self.write(b"".join(pieces))

    def write(self, octets: bytes) -> None:
        self.buffer += octets if self.inflate is None else self.inflate.decompress(octets)
        self._news.set()

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def start_tls(self) -> None:
        self.tls = True

    def channel_bindings(self) -> dict[str, bytes]:
        return {"tls-exporter": b"of this very connection"} if self.tls else {}

    def close(self) -> None:
        self.closed = True
        self._news.set()

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    async def line(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            while b"\r\n" not in self.buffer:
                if self.closed:
                    raise AssertionError(f"closed after {bytes(self.buffer)!r}")
                self._news.clear()
                await self._news.wait()
        line, _, rest = bytes(self.buffer).partition(b"\r\n")
        self.buffer[:] = rest
        return line.decode("utf-8", "backslashreplace")

    async def end(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not self.closed:
                self._news.clear()
                await self._news.wait()


class Client:
    """One connection and its transport."""

    def __init__(self, world: "World") -> None:
        self.transport = MemoryTransport()
        self.connection = Connection(
            world.services,
            self.transport,
            world.users,
            peer="127.0.0.1",
            tls=False,
            tls_offered=True,
            plaintext_allowed=not world.tls_wanted,
        )
        self.task = asyncio.get_running_loop().create_task(self.connection.run())
        self._tags = 0
        self.deflate: zlib._Compress | None = None

    def send(self, line: str) -> None:
        octets = line.encode("utf-8") + b"\r\n"
        if self.deflate is not None:
            octets = self.deflate.compress(octets) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        self.connection.feed(octets)

    def start_deflate(self) -> None:
        """Both ends compress from here on (RFC 4978)."""
        self.deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        self.transport.inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)

    async def ok(self, command: str) -> list[str]:
        """Sends a command, and gives all lines up to its tagged OK."""
        self._tags += 1
        tag = f"ok{self._tags}"
        self.send(f"{tag} {command}")
        lines = [await self.transport.line()]
        while not lines[-1].startswith(tag + " "):
            lines.append(await self.transport.line())
        assert lines[-1].startswith(f"{tag} OK"), lines[-1]
        return lines


class World:
    """A store with anna, bob and root (an administrator), and the services of an IMAP door over it."""

    def __init__(self, store: Store, tls_wanted: bool = False, auth: AuthSettings | None = None) -> None:
        self.store = store
        self.tls_wanted = tls_wanted
        self.clock = NOW
        limits = LimitSettings(max_message_octets=1_000_000)
        self.renderer = RenderPool(RenderSettings())
        self.intake = Intake(
            store, self.renderer, limits=limits, hostname="mail." + DOMAIN, domains=(DOMAIN,), now=self.now
        )
        self.auth = Authenticator(store, (DOMAIN,), auth or AuthSettings())
        self.hub = Hub(store, self.now)
        self.services = Services(
            "mail." + DOMAIN, store, self.intake, self.auth, self.hub, Posts(store), ImapSettings(), limits, self.now
        )
        self.users = UserCounts(50)
        self.clients: dict[str, Client] = {}
        self.accounts: dict[str, Account] = {}

    def now(self) -> int:
        return self.clock

    async def start(self) -> None:
        await self.store.start()
        self.hub.start()
        await provision.ensure_system(self.store, (DOMAIN,), now=NOW)
        await self.user("root", admin=True)
        for name in ("anna", "bob"):
            await self.user(name)

    async def user(self, name: str, admin: bool = False) -> None:
        self.accounts[name] = await provision.add_user(
            self.store, f"{name}@{DOMAIN}", secret=SECRET, scram=KEYS, admin=admin, now=NOW
        )

    async def share_tree(self, name: str, *below: str) -> None:
        """A shared box that an administrator makes, and others below it."""
        top = await self.store.run(shared.add_tree, name, NOW)
        for each in below:
            await self.store.run(boxes.create, top.owner, each, "", NOW)

    async def grant(self, name: str, who: str, letters: str) -> None:
        """Rights in ``team/2026`` or ``anna@opost.example/Plans``, in place of those that somebody has there."""
        box = await box_at(self.store, (DOMAIN,), name)
        grantee = await grantee_named(self.store, (DOMAIN,), who)
        await self.store.run(acl.change, box.owner, box.box, grantee, Change.REPLACE, rights_of(letters))

    async def close(self) -> None:
        for client in self.clients.values():
            client.connection.lost()
        await asyncio.gather(*(client.task for client in self.clients.values()))
        await self.hub.close()
        await self.intake.close()
        self.renderer.close()
        await self.store.close()

    async def client(self, number: str, user: str = "anna", login: bool = True) -> Client:
        """The connection of that number, made at its first use."""
        if number not in self.clients:
            client = self.clients[number] = Client(self)
            if login:
                await client.transport.line()
                await client.ok(f"LOGIN {user} {PASSWORD}")
        return self.clients[number]

    async def post(self, box: str, name: str, user: str = "anna") -> None:
        owner = self.accounts[user].owner
        found = await self.store.run(boxes.box_named, owner, box)
        await self.intake.append([NewMessage(mail(name), NOW)], owner, found.box)

    async def send(self, to: str, raw: bytes, sender: str = "root") -> None:
        account = self.accounts[sender]
        recipients = [await self.intake.recipient(to, account)]
        trace = Trace(helo="test", peer="127.0.0.1", protocol="ESMTPA", tls=False, login=account.login)
        await self.intake.submit(
            raw, mail_from=account.login, recipients=recipients, account=account, markdown=False, trace=trace
        )


async def run(store: Store, path: Path) -> None:
    """Runs one transcript; an AssertionError names the file, the line and both texts."""
    lines = path.read_text(encoding="utf-8").splitlines()
    script = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    world = World(store, tls_wanted=any(line == "tls" for _, line in script))
    await world.start()
    runner = _Runner(world)
    try:
        for number, line in script:
            try:
                await runner.step(line)
            except (AssertionError, TimeoutError) as error:
                raise AssertionError(f"{path.name}:{number}: {line}\n  {error or type(error).__name__}") from error
    finally:
        await world.close()


class _Runner:
    def __init__(self, world: World) -> None:
        self.world = world
        self.kept: dict[str, str] = {}
        self.login = True
        self.skipping: set[str] = set()

    async def step(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word in ("raw", "tls"):
            self.login = False
        elif word == "post":
            box, *names = rest.split()
            for name in names:
                await self.world.post(box, name)
        elif word == "send":
            to, name = rest.split()
            sender_header = f"From: root@{DOMAIN}\r\n".encode()
            raw = re.sub(rb"(?m)^From: .*\r\n", sender_header, mail(name), count=1)
            await self.world.send(to, raw)
        elif word == "later":
            self.world.clock += int(rest)
        elif word == "quota":
            name, *limits = rest.split()
            own = Own(*(None if limit == "-" else int(limit) for limit in limits))
            await self.world.store.run(quota.set_own, self.world.accounts[name].owner, own)
        elif word == "user":
            await self.world.user(rest)
        elif word == "group":
            name, members = rest.split()
            owners = [self.world.accounts[member].owner for member in members.split(",")]
            await provision.add_group(
                self.world.store, f"{name}@{DOMAIN}", title=name, members=owners, post=PostPolicy.LOCAL, now=NOW
            )
        elif word == "nest":
            outer, inner = rest.split()
            await provision.nest(self.world.store, f"{outer}@{DOMAIN}", f"{inner}@{DOMAIN}")
        elif word == "remove":
            await provision.delete_user(self.world.store, f"{rest}@{DOMAIN}")
        elif word == "remove-group":
            await provision.delete_group(self.world.store, f"{rest}@{DOMAIN}")
        elif word == "shared":
            await self.world.share_tree(rest)
        elif word == "grant":
            name, who, letters = rest.split()
            await self.world.grant(name, who, letters)
        elif word in ("join", "leave"):
            group, name = rest.split()
            owner = self.world.accounts[name].owner
            if word == "join":
                await provision.join(self.world.store, f"{group}@{DOMAIN}", owner, now=NOW)
            else:
                await provision.leave(self.world.store, f"{group}@{DOMAIN}", owner, now=NOW)
        elif match := re.fullmatch(r"(as|ok|closed|deflate|plain)(\d*)", word):
            await self._verb(match[1], match[2] or "1", rest)
        elif match := re.fullmatch(r"([CS])(\d*):", word):
            client = await self.world.client(match[2] or "1", login=self.login)
            if match[1] == "C":
                client.send(self._filled(rest))
            else:
                await self._expect(client, rest)
        else:
            raise AssertionError("no such transcript line")

    async def _verb(self, verb: str, number: str, rest: str) -> None:
        if verb == "as":
            await self.world.client(number, rest)
            return
        client = await self.world.client(number, login=self.login)
        if verb == "ok":
            await client.ok(self._filled(rest))
        elif verb == "deflate":
            client.start_deflate()
        elif verb == "plain":
            client.deflate = client.transport.inflate = None
        else:
            await client.transport.end()

    def _filled(self, text: str) -> str:
        text = re.sub(r"\{([a-z]\w*)\}", lambda match: self.kept.get(match[1], match[0]), text)
        return re.sub(r"<<(.*?)>>", lambda match: match[1].encode().decode("unicode_escape"), text)

    async def _expect(self, client: Client, wanted: str) -> None:
        number = str(id(client))
        if wanted == "...":
            self.skipping.add(number)
            return
        pattern = self._pattern(wanted)
        while True:
            line = await client.transport.line()
            if (match := pattern.fullmatch(line)) is not None:
                self.skipping.discard(number)
                self.kept.update(match.groupdict())
                return
            assert number in self.skipping, f"got: {line}"
            assert line.startswith("* "), f"got: {line}"

    def _pattern(self, wanted: str) -> re.Pattern[str]:
        pieces = []
        for piece in re.split(r"(~|\{[a-z]\w*\})", wanted):
            if piece == "~":
                pieces.append(".*")
            elif re.fullmatch(r"\{[a-z]\w*\}", piece):
                name = piece[1:-1]
                pieces.append(re.escape(self.kept[name]) if name in self.kept else rf"(?P<{name}>\S+?)")
            else:
                pieces.append(re.escape(piece))
        return re.compile("".join(pieces))
