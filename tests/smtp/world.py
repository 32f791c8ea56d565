"""A store with users, and one SMTP door over it on a loopback socket.

anna, bob and root (an administrator) log in with ``secret``; cara is disabled; ``sales`` is an alias of anna and bob,
``postmaster`` of root, ``team`` a group of anna and bob that locals may post to, ``everyone`` is as it comes; anna owns
``news``, where the posts of who is no member wait for her, whoever asks may join, and a second reply is one too many.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from argon2 import PasswordHasher

from opostd.auth.login import Authenticator
from opostd.config import AuthSettings, LimitSettings, Markdown, RenderSettings
from opostd.intake.intake import Intake
from opostd.model.records import Account, AccountState, Joining, MemberRole, Moderation, PostPolicy
from opostd.render.pool import RenderPool
from opostd.smtp.door import SmtpDoor
from opostd.smtp.examine import Examiner
from opostd.smtp.extensions import DoorKind
from opostd.smtp.greylist import Greylist
from opostd.smtp.proxy import Network
from opostd.smtp.timing import Timing
from opostd.store import accounts, boxes, changes, posts, provision
from opostd.store.run import Store

T = TypeVar("T")
DOMAIN = "opost.example"
HOSTNAME = "mail.opost.example"
PASSWORD = "secret"
SECRET = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)  # cheap: tests, not users
NOW = 1_700_000_000
PATIENCE_S = 60.0  # for one reply, on a machine where everything else runs too
# No waiting where nothing is to be shown about waiting.
QUICK = Timing(error_delay_s=0.0, unknown_per_s=1e6)
LIMITS = LimitSettings(max_message_octets=100_000, max_recipients=120)


def run(main: Coroutine[Any, Any, T]) -> T:
    """The result of asyncio code on a loop of its own: a thread's, for the main thread's loop runs the reactor."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(asyncio.run(main))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


@dataclass
class Setup:
    """How a door is made."""

    kind: DoorKind = DoorKind.SUBMISSION
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    plaintext_on_loopback: bool = True
    markdown: Markdown = "off"
    limits: LimitSettings = LIMITS
    relay: bool = False
    demo: bool = False
    timing: Timing = field(default=QUICK)
    proxies: tuple[Network, ...] = ()
    forwarders: tuple[Network, ...] = ()
    examiner: Examiner | None = None
    greylist: Callable[[Store], Greylist] | None = None


class World:
    def __init__(self, store: Store, setup: Setup) -> None:
        self.store = store
        self.setup = setup
        self.accounts: dict[str, Account] = {}

    async def __aenter__(self) -> "World":
        await self.store.start()
        self.renderer = RenderPool(RenderSettings())
        self.intake = Intake(
            self.store,
            self.renderer,
            limits=self.setup.limits,
            hostname=HOSTNAME,
            domains=(DOMAIN,),
            relay=self.setup.relay,
            now=lambda: NOW,
        )
        self.auth = Authenticator(self.store, (DOMAIN,), AuthSettings())
        await self._people()
        self.door = SmtpDoor(
            kind=self.setup.kind,
            hostname=HOSTNAME,
            intake=self.intake,
            auth=self.auth if self.setup.kind is DoorKind.SUBMISSION else None,
            limits=self.setup.limits,
            markdown=self.setup.markdown,
            plaintext_on_loopback=self.setup.plaintext_on_loopback,
            tls=self.setup.tls,
            timing=self.setup.timing,
            proxies=self.setup.proxies,
            forwarders=self.setup.forwarders,
            demo=self.setup.demo,
            examiner=self.setup.examiner,
            greylist=self.setup.greylist and self.setup.greylist(self.store),
        )
        implicit = self.setup.implicit_tls
        self.server = await asyncio.get_running_loop().create_server(
            lambda: self.door.factory(implicit_tls=implicit), "127.0.0.1", 0, ssl=self.setup.tls if implicit else None
        )
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.server.close()
        await self.door.shutdown()
        await self.intake.close()
        self.renderer.close()
        await self.store.close()

    async def _people(self) -> None:
        await provision.ensure_system(self.store, (DOMAIN,), now=NOW)
        for name in ("anna", "bob", "cara", "root"):
            self.accounts[name] = await provision.add_user(
                self.store, f"{name}@{DOMAIN}", secret=SECRET, admin=name == "root", now=NOW
            )
        await self.store.run(accounts.set_state, self.accounts["cara"].owner, AccountState.DISABLED)
        await provision.add_alias(self.store, f"sales@{DOMAIN}", [f"anna@{DOMAIN}", f"bob@{DOMAIN}"])
        await provision.add_alias(self.store, f"postmaster@{DOMAIN}", [f"root@{DOMAIN}"])
        members = [self.accounts["anna"].owner, self.accounts["bob"].owner]
        await provision.add_group(
            self.store, f"team@{DOMAIN}", title="team", members=members, post=PostPolicy.LOCAL, now=NOW
        )

        await provision.add_group(
            self.store, f"news@{DOMAIN}", title="News", members=members[:1], post=PostPolicy.ANYONE, now=NOW
        )
        await provision.change(self.store, f"news@{DOMAIN}", "moderation", int(Moderation.NON_MEMBERS))
        await provision.change(self.store, f"news@{DOMAIN}", "joining", int(Joining.OPEN))
        await provision.change(self.store, f"news@{DOMAIN}", "brake", 1)
        await provision.give_role(self.store, f"news@{DOMAIN}", members[0], MemberRole.OWNER)

    async def messages(self, user: str, box: str = "INBOX") -> list[bytes]:
        """The raw messages in a box, in order of their UIDs; what its sources have for it is brought in first."""
        owner = self.accounts[user].owner
        found = await self.store.run(boxes.box_named, owner, box)
        from opostd.store import sync

        await sync.bring_up(self.store, owner, found.box, now=NOW)
        listing = await self.store.run(changes.listing, owner, found.box)
        return [await self.store.run(posts.raw, row.post) for row in listing.rows]


class Client:
    """One connection, octet by octet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, world: World, *, greeted: bool = True) -> "Client":
        context = client_context() if world.setup.implicit_tls else None
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port, ssl=context)
        client = cls(reader, writer)
        if greeted:
            assert (await client.reply())[0].startswith("220 ")
        return client

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def line(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            line = await self.reader.readline()
        if not line:
            raise AssertionError("closed")
        return line.decode("utf-8", "backslashreplace").rstrip("\r\n")

    async def reply(self) -> list[str]:
        """All lines of one reply."""
        lines = [await self.line()]
        while lines[-1][3:4] == "-":
            lines.append(await self.line())
        return lines

    async def ask(self, command: str | bytes) -> str:
        """The last line of the reply to one command."""
        self.send((command if isinstance(command, bytes) else command.encode()) + b"\r\n")
        return (await self.reply())[-1]

    async def talk(self, *pairs: tuple[str, str]) -> None:
        """Commands, each with the beginning of its reply."""
        for command, wanted in pairs:
            got = await self.ask(command)
            assert got.startswith(wanted), f"{command}: {got}"

    async def start_tls(self) -> None:
        await self.writer.start_tls(client_context())

    async def closed(self) -> bytes:
        """What comes until the server closes, which it must."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self.reader.read()
        except ConnectionError:
            return b""

    async def close(self) -> None:
        self.writer.close()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.writer.wait_closed()
        except (ConnectionError, ssl.SSLError):
            pass


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
