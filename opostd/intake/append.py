"""Messages that a mail program puts into a box itself (APPEND, REPLACE): kept as they are.

What must stay true: they have no spool rows, for what is not in its box at the answer was never promised; several are
put there all or none; no octet of them is changed.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from opostd.config import LimitSettings
from opostd.intake.commit import MAX_BATCH_OCTETS, GroupCommit
from opostd.intake.deliver import Arrival, Deliverer, Ticket
from opostd.intake.message import check_kept
from opostd.mime.facts import new_post
from opostd.model.flags import Flags
from opostd.model.ids import BoxId, OwnerId, Uid
from opostd.model.mailing import Mailing
from opostd.model.new_ids import new_post_id
from opostd.model.records import UNLIMITED, NewPost, Quota
from opostd.store import posts
from opostd.store.delivery import Delivered, Delivery, Order, deliver
from opostd.store.replace import replace
from opostd.store.run import Group, Store, Tx, writes

T = TypeVar("T")
OFF_LOOP_OCTETS = 64 * 1024  # larger ones are looked through in a thread: others are served meanwhile
CHECKED_OCTETS = (
    4 * 1024 * 1024
)  # in which the loop itself looks for NUL, in less than a millisecond: a thread takes more
TOGETHER = 4  # small ones that the loop looks through before others have their turn: 2 ms
NO_FLAGS = Flags()


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message for ``append``.  internaldate: seconds, None for now."""

    raw: bytes
    internaldate: int | None = None
    flags: Flags = NO_FLAGS


@writes(Group.POST)
def keep_all(tx: Tx, mailings: Sequence[Mailing], order: Order, now: int, quota: Quota) -> Delivered:
    """Keeps posts and puts them into a box, where ``Store.together``.  Raises NoSuchBox, LimitReached, OverQuota."""
    posts.accept(tx, mailings, now, delivered={each.post for each in order[2]})
    return deliver(tx, *order, now, quota)


async def off_loop(octets: int, work: Callable[[], T], most: int = OFF_LOOP_OCTETS) -> T:
    """What the work returns; done in a thread where it goes over ``most`` octets or more."""
    return work() if octets < most else await asyncio.to_thread(work)


class Appender:
    """kept: called when a post was kept.  quota: limits of accounts that have none of their own."""

    def __init__(
        self,
        store: Store,
        commit: GroupCommit,
        deliverer: Deliverer,
        limits: LimitSettings,
        *,
        kept: Callable[[], None],
        quota: Quota = UNLIMITED,
    ) -> None:
        self._store = store
        self._commit = commit
        self._deliverer = deliverer
        self._limits = limits
        self._kept = kept
        self._quota = quota

    async def made(self, messages: Sequence[NewMessage], now: int) -> list[tuple[NewPost, Delivery]]:
        """Posts and what is to be delivered; all are checked before one is analysed.  Raises TooBig, BadMessage."""
        for each in messages:
            await off_loop(len(each.raw), partial(check_kept, each.raw, self._limits), CHECKED_OCTETS)
        rows: list[tuple[NewPost, Delivery]] = []
        for number, each in enumerate(messages):
            if number and number % TOGETHER == 0:
                await asyncio.sleep(0)
            post = await off_loop(len(each.raw), partial(new_post, each.raw, id=new_post_id(), now=now))
            date = now if each.internaldate is None else each.internaldate
            delivery = Delivery(post.facts.id, post.facts.size, date, each.flags.bits, each.flags.keywords)
            rows.append((post, delivery))
        return rows

    async def append(
        self, rows: Sequence[tuple[NewPost, Delivery]], owner: OwnerId, box: BoxId, now: int
    ) -> tuple[int, tuple[Uid, ...]]:
        """The box's uidvalidity, and the uids in order."""
        if len(rows) == 1:
            return await self._keep_and_append(*rows[0], owner, box)
        return await self._keep_and_append_all(rows, owner, box, now)

    async def _keep_and_append(
        self, post: NewPost, delivery: Delivery, owner: OwnerId, box: BoxId
    ) -> tuple[int, tuple[Uid, ...]]:
        """One message goes with whatever else is delivered now."""
        ticket = Ticket(1, asyncio.get_running_loop().create_future())
        arrival = Arrival(owner, box, delivery, (ticket,), spooled=False)
        if not await self._commit.keep(Mailing(post), [arrival]):
            self._deliverer.put([arrival])
        self._kept()
        await ticket.done
        if ticket.error is not None:
            raise ticket.error
        uidvalidity, uid = ticket.placed[owner, box]
        return uidvalidity, (uid,)

    async def _keep_and_append_all(
        self, rows: Sequence[tuple[NewPost, Delivery]], owner: OwnerId, box: BoxId, now: int
    ) -> tuple[int, tuple[Uid, ...]]:
        """Several go in by a transaction of their own (RFC 3502 6.3.11); posts without a box are reaped."""
        mailings, deliveries = [Mailing(post) for post, _ in rows], [delivery for _, delivery in rows]
        if self._store.together and sum(delivery.size for delivery in deliveries) <= MAX_BATCH_OCTETS:
            placed = await self._store.run(keep_all, mailings, (owner, box, deliveries), now, self._quota)
            self._kept()
            return placed.uidvalidity, placed.uids
        await asyncio.gather(*(self._commit.keep(mailing) for mailing in mailings))
        self._kept()
        placed = await self._store.run(deliver, owner, box, deliveries, now, self._quota)
        return placed.uidvalidity, placed.uids

    async def replace(
        self,
        post: NewPost,
        delivery: Delivery,
        owner: OwnerId,
        box: BoxId,
        source: tuple[OwnerId, BoxId],
        uid: Uid,
        now: int,
    ) -> tuple[int, Uid]:
        """The uidvalidity and uid of the new message; ``uid`` has left ``source``.  Raises NoSuchMessage."""
        await self._commit.keep(Mailing(post))
        placed = await self._store.run(replace, *source, uid, box, delivery, now, self._quota, target_owner=owner)
        return placed.uidvalidity, placed.uids[0]
