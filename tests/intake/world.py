"""A store with people, a group of each policy, aliases, and an intake over it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from opostd.config import LimitSettings, RenderSettings
from opostd.intake.intake import Intake, Trace
from opostd.model.ids import PostId
from opostd.model.mailing import Recipient, Target
from opostd.model.records import Account, MemberRole, PostPolicy
from opostd.render.pool import RenderPool
from opostd.store import accounts, boxes, changes, posts, provision, queue, sync
from opostd.store.run import Store

DOMAIN = "opost.example"
OTHER = "second.example"
HOSTNAME = "mail.opost.example"
NOW = 1_700_000_000
PATIENCE_S = 60.0
LIMITS = LimitSettings(max_message_octets=1_000_000)


def text(subject: str, *lines: str, sender: str = "anna") -> bytes:
    """A message with CRLF line ends."""
    return "\r\n".join([f"From: {sender}@{DOMAIN}", f"Subject: {subject}", "", *lines, ""]).encode()


@dataclass
class World:
    store: Store
    intake: Intake
    people: dict[str, Account]

    async def targets(self, *names: str, sender: str | None = None) -> tuple[Target, ...]:
        account = self.people[sender] if sender else None
        places = [each for name in names for each in await self.intake.route(f"{name}@{DOMAIN}", account)]
        return tuple([place for place in places if isinstance(place, Target)])

    async def recipients(self, *names: str, sender: str | None = None) -> list[Recipient]:
        account = self.people[sender] if sender else None
        return [await self.intake.recipient(name if "@" in name else f"{name}@{DOMAIN}", account) for name in names]

    async def submit(
        self,
        subject: str,
        *to: str,
        sender: str | None = None,
        raw: bytes | None = None,
        recipients: Sequence[Recipient] | None = None,
        envid: str = "",
    ) -> PostId:
        """A message from outside, or from one of us who has logged in."""
        account = self.people[sender] if sender else None
        return await self.intake.submit(
            raw or text(subject, "text", sender=sender or "x"),
            mail_from=account.login if account else "x@other.example",
            recipients=await self.recipients(*to, sender=sender) if recipients is None else recipients,
            envid=envid,
            account=account,
            markdown=False,
            trace=Trace(helo="client.example", peer="192.0.2.1", protocol="ESMTP"),
        )

    async def raws(self, name: str, box: str = "INBOX") -> list[bytes]:
        """What is in a box, in order of UIDs, its sources brought in."""
        owner = self.people[name].owner
        found = await self.store.run(boxes.box_named, owner, box)
        await sync.bring_up(self.store, owner, found.box, now=NOW)
        listing = await self.store.run(changes.listing, owner, found.box)
        return [await self.store.run(posts.raw, row.post) for row in listing.rows]

    async def subjects(self, name: str, box: str = "INBOX") -> list[str]:
        found = []
        for raw in await self.raws(name, box):
            lines = raw.decode().split("\r\n")
            found.append(next(line for line in lines if line.startswith("Subject: "))[len("Subject: ") :])
        return found

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not done():  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def queue_is_empty(self, but: int = 0) -> None:
        """Waits until no more than so many rows are in the spool."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.store.run(queue.depth) > but:  # noqa: ASYNC110
                await asyncio.sleep(0)


async def _made(store: Store, name: str) -> Account:
    return await provision.add_user(store, f"{name}@{DOMAIN}", secret=None, admin=name == "root", now=NOW)


async def _account(store: Store, name: str) -> Account:
    address = await store.run(accounts.address, f"{name}@{DOMAIN}")
    assert address is not None
    account = await store.run(accounts.account, address.owner)
    assert account is not None
    return account


@contextlib.asynccontextmanager
async def world(
    store: Store, *names: str, made: bool = False, relay: bool = False, now: Callable[[], int] = lambda: NOW
) -> AsyncIterator[World]:
    """anna, bob, and root (an administrator), or those named; and an intake.

    made: they are there already; relay: mail may leave.
    """
    renderer = RenderPool(RenderSettings())
    intake = Intake(store, renderer, limits=LIMITS, hostname=HOSTNAME, domains=(DOMAIN, OTHER), relay=relay, now=now)
    await provision.ensure_system(store, (DOMAIN, OTHER), now=NOW)
    people: dict[str, Account] = {}
    for name in names or ("anna", "bob", "root"):
        people[name] = await (_account(store, name) if made else _made(store, name))
    try:
        yield World(store, intake, people)
    finally:
        await intake.close()
        renderer.close()


async def add_groups(world: World) -> None:
    """One group of each policy, all with bob as member; anna may post to ``named``."""
    for policy in PostPolicy:
        name = f"{policy.name.lower()}@{DOMAIN}"
        members = [world.people["bob"].owner]
        await provision.add_group(world.store, name, title="", members=members, post=policy, now=NOW)
    await provision.give_role(world.store, f"named@{DOMAIN}", world.people["anna"].owner, MemberRole.SENDER)
