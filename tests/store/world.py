"""Posts, people and groups for the tests of the store."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, PostId
from opostd.model.mailing import Target
from opostd.model.new_ids import new_post_id
from opostd.model.records import Account, NewPost, PostFacts, PostPolicy, Sought
from opostd.store import accounts, boxes, changes, delivery, posts, provision, sync
from opostd.store.delivery import Delivered, Delivery
from opostd.store.run import Store
from tests.support.mail import mailing

T = TypeVar("T")
DOMAIN = "opost.example"
NOW = 1_700_000_000
PATIENCE_S = 60.0


def new_post(text: str = "text", id_: PostId | None = None, thread: PostId | None = None) -> NewPost:
    """A post of a few octets."""
    id_ = id_ or new_post_id()
    raw = f"Subject: {text}\r\n\r\n{text}\r\n".encode("utf-8", "surrogateescape")
    facts = PostFacts(
        id_, len(raw), NOW, NOW // 86400, b"(envelope)", b"(body)", b"(bodystructure)", raw, b"parts",
        "anna", text, "<1@x>", thread or id_,
    )  # fmt: skip
    return NewPost(facts, raw, text.upper(), Sought(head=f"\nSUBJECT: {text.upper()}"))


def a_delivery(id_: PostId | None = None, date: int = NOW, bits: int = 0, keywords: Sequence[str] = ()) -> Delivery:
    return Delivery(id_ or new_post_id(), 100, date, bits, tuple(keywords))


def arriving(count: int, at_ms: int = NOW * 1000) -> list[PostId]:
    """Ids of posts that have come some milliseconds apart, as one makes them who does something else in between."""
    return [PostId((at_ms + 7 * number).to_bytes(6, "big") + new_post_id()[6:]) for number in range(count)]


class World:
    """A store with people and groups, and short words for what tests do."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.people: dict[str, Account] = {}
        self.inbox: dict[str, BoxId] = {}

    async def make(self, *names: str) -> "World":
        await provision.ensure_system(self.store, (DOMAIN,), now=NOW)
        for name in names:
            self.people[name] = await provision.add_user(self.store, f"{name}@{DOMAIN}", secret=None, now=NOW)
            self.inbox[name] = (await self.store.run(boxes.box_named, self.owner(name), "INBOX")).box
        return self

    def owner(self, name: str) -> OwnerId:
        return self.people[name].owner

    def key(self, name: str) -> tuple[OwnerId, BoxId]:
        return self.owner(name), self.inbox[name]

    async def group(self, name: str, *members: str, post: PostPolicy = PostPolicy.LOCAL) -> BoxId:
        owners = [self.owner(member) for member in members]
        await provision.add_group(self.store, f"{name}@{DOMAIN}", title=name, members=owners, post=post, now=NOW)
        return await self.source(name)

    async def source(self, name: str) -> BoxId:
        found = await self.store.run(accounts.address, f"{name}@{DOMAIN}")
        assert found is not None
        return found.box

    async def send(self, source: BoxId, *ids: PostId, date: int = NOW) -> Delivered:
        """Posts into a source box."""
        return await self.store.run(
            delivery.deliver, SYSTEM_OWNER, source, [a_delivery(id_, date) for id_ in ids], NOW + 1
        )  # fmt: skip

    async def fill(self, name: str, count: int, bits: int = 0, keywords: Sequence[str] = ()) -> list[PostId]:
        """New posts in somebody's INBOX."""
        new = [a_delivery(bits=bits, keywords=keywords) for _ in range(count)]
        for at in range(0, count, 500):
            await self.store.run(delivery.deliver, *self.key(name), new[at : at + 500], NOW)
        return [each.post for each in new]

    async def look(self, name: str) -> list[PostId]:
        """The posts in somebody's INBOX, after what the sources have for it."""
        await sync.bring_up(self.store, *self.key(name), now=NOW)
        return await self.posts_in(*self.key(name))

    async def posts_in(self, owner: OwnerId, box: BoxId) -> list[PostId]:
        return [row.post for row in (await self.store.run(changes.listing, owner, box)).rows]


async def accept(store: Store, new: NewPost, *targets: Target, now: int = NOW) -> PostId:
    await store.run(posts.accept, [mailing(new, *targets)], now)
    return new.facts.id


def run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(main)


async def until(condition: Callable[[], bool], woken: asyncio.Event | None = None) -> None:
    """Waits for a condition, looked at again at each wake-up."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            if woken is None:
                await asyncio.sleep(0.01)
            else:
                await woken.wait()
                woken.clear()


def seconds(work: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


async def async_seconds(work: Awaitable[T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = await work
    return time.perf_counter() - started, result
