"""Posts that are kept reach their boxes: the second commit, one for all that wait.

What must stay true: one delivery at a time, in the order of acceptance, so that one sender's messages keep theirs in
every box, also after a fault; a box that is gone, or a row that the database refuses, never stops the others; nothing
is lost here, for what is only in memory is in the spool too (APPEND excepted, whose client is told no).
"""

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from opostd.model.errors import NoSuchBox, OpostError, OverQuota, Unavailable
from opostd.model.ids import BoxId, OwnerId, PostId, Uid, post_id_text
from opostd.model.records import UNLIMITED, Quota
from opostd.store import delivery
from opostd.store.delivery import Delivered, Delivery
from opostd.store.run import Store

log = logging.getLogger("opostd.intake")

MAX_ROWS = 250  # rows in a transaction: half of the store's 500, for those held back may join
MAX_HELD_OF_BOX = 250
MAX_HELD = 10_000  # held back after a fault, in all; more is left to the spool, which loses no post, at most an order

Key = tuple[OwnerId, BoxId]
SpoolKey = tuple[PostId, OwnerId, BoxId]


@dataclass(slots=True)
class Ticket:
    """What waits for the arrivals of one message.  left: how many are under way."""

    left: int
    done: "asyncio.Future[None]"
    placed: dict[Key, tuple[int, Uid]] = field(default_factory=dict)  # uidvalidity and uid
    error: Exception | None = None

    def settle(self, key: Key, result: tuple[int, Uid] | Exception) -> None:
        if isinstance(result, Exception):
            self.error = result
        else:
            self.placed[key] = result
        self.left -= 1
        if self.left <= 0 and not self.done.done():
            self.done.set_result(None)


@dataclass(slots=True)
class Arrival:
    """One post on its way into one box.

    spooled: the spool knows of it, so that it is tried until it is there.  told: somebody wants to hear that it is.
    """

    owner: OwnerId
    box: BoxId
    delivery: Delivery
    tickets: tuple[Ticket, ...]
    spooled: bool = True
    told: bool = False

    @property
    def key(self) -> Key:
        return self.owner, self.box

    def settle(self, result: tuple[int, Uid] | Exception) -> None:
        for ticket in self.tickets:
            ticket.settle(self.key, result)


class Deliverer:
    """Puts arrivals into their boxes, in the order in which they come.

    quota: limits of accounts that have none of their own.

    settled: told of what is there, so that the spool forgets it.  ended: told of what is there where somebody wants to
    hear of that (None), and of what can never be (the error).  failed: told, with the error, of what must be tried
    again.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], int],
        settled: Callable[[list[SpoolKey]], None],
        failed: Callable[[Arrival, Exception], None],
        ended: Callable[[Arrival, Exception | None], None],
        quota: Quota = UNLIMITED,
    ) -> None:
        self._store = store
        self._now = now
        self._settled = settled
        self._failed = failed
        self._ended = ended
        self._quota = quota
        self._waiting: deque[Arrival] = deque()
        self._on_the_way: Counter[Key] = Counter()
        self._held: dict[Key, dict[PostId, Arrival]] = {}
        self._task: asyncio.Task[None] | None = None

    def put(self, arrivals: Iterable[Arrival]) -> None:
        """Deliver these after those that wait; returns at once."""
        for arrival in arrivals:
            self._waiting.append(arrival)
            self._on_the_way[arrival.key] += 1
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._run())

    def has(self, key: Key) -> bool:
        """Whether something is on its way into this box."""
        return key in self._on_the_way or key in self._held

    def put_held(self) -> None:
        """Try again what a fault has held back."""
        self.put([next(iter(arrivals.values())) for arrivals in self._held.values()])  # the rest of a box comes along

    async def finish(self) -> None:
        """Until nothing waits."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def cancel(self) -> None:
        """Give up what waits; the spool has it."""
        self._waiting.clear()
        self._on_the_way.clear()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while self._waiting:
            boxes: dict[Key, dict[PostId, Arrival]] = {}
            rows = 0
            taken: Counter[Key] = Counter()
            while self._waiting and rows < MAX_ROWS:
                arrival = self._waiting.popleft()
                taken[arrival.key] += 1
                if arrival.key not in boxes:
                    boxes[arrival.key] = self._held.pop(arrival.key, {})
                    rows += len(boxes[arrival.key])
                rows += 1
                # The spool may bring a post that is on its way already, or was held back: it keeps its place.
                known = boxes[arrival.key].setdefault(arrival.delivery.post, arrival)
                if known is not arrival:
                    known.tickets += arrival.tickets
                    known.told |= arrival.told
            await self._deliver(boxes)
            self._on_the_way -= taken  # which forgets those at nought

    async def _deliver(self, boxes: dict[Key, dict[PostId, Arrival]]) -> None:
        orders = [(*key, [each.delivery for each in arrivals.values()]) for key, arrivals in boxes.items()]
        try:
            results = await self._store.run(delivery.deliver_many, orders, self._now(), self._quota)
        except Unavailable as error:
            log.warning("not delivered boxes=%d error=%r", len(boxes), error)
            for arrivals in boxes.values():
                self._hold(arrivals, error)
            return
        except Exception as error:
            if len(boxes) > 1:  # whichever of them it was, the others are not to suffer
                for key, arrivals in boxes.items():
                    await self._deliver({key: arrivals})
            else:
                await self._failed_box(next(iter(boxes.values())), error)
            return
        for arrivals, result in zip(boxes.values(), results, strict=True):
            if isinstance(result, OverQuota):
                await self._over_quota(arrivals, result)
            else:
                self._settle(arrivals, result)

    async def _over_quota(self, arrivals: dict[PostId, Arrival], error: OverQuota) -> None:
        """There is no room for all: each for itself, in order.  Those without are tried again, for room may be made."""
        if len(arrivals) > 1:
            for post, arrival in arrivals.items():
                await self._deliver({arrival.key: {post: arrival}})
            return
        for post, arrival in arrivals.items():
            if arrival.spooled:
                log.info("over quota id=%s owner=%d box=%d", post_id_text(post), arrival.owner, arrival.box)
                self._failed(arrival, error)
            arrival.settle(error)

    async def _failed_box(self, arrivals: dict[PostId, Arrival], error: Exception) -> None:
        """A box that takes what it is given is one thing; a post that no box takes must not hold up those after it."""
        if len(arrivals) > 1:
            for post, arrival in arrivals.items():
                await self._deliver({arrival.key: {post: arrival}})
            return
        for post, arrival in arrivals.items():
            log.error(
                "not delivered id=%s owner=%d box=%d", post_id_text(post), arrival.owner, arrival.box, exc_info=error
            )
            self._failed(arrival, error)
            arrival.settle(error)

    def _settle(self, arrivals: dict[PostId, Arrival], result: Delivered | NoSuchBox) -> None:
        uids: list[Uid | None] = [None] * len(arrivals) if isinstance(result, Exception) else list(result.uids)
        for arrival, uid in zip(arrivals.values(), uids, strict=True):
            if isinstance(result, Exception):
                if arrival.spooled:
                    post = post_id_text(arrival.delivery.post)
                    log.warning("given up id=%s owner=%d box=%d: the box is gone", post, arrival.owner, arrival.box)
                    self._ended(arrival, result)
                arrival.settle(result)
            elif uid is not None:
                if arrival.told:
                    self._ended(arrival, None)
                arrival.settle((result.uidvalidity, uid))
        if not isinstance(result, Exception):
            self._settled(
                [(post, each.owner, each.box) for post, each in arrivals.items() if each.spooled and not each.told]
            )

    def _hold(self, arrivals: dict[PostId, Arrival], error: OpostError) -> None:
        """Keep them in front of what comes next for their box, as far as there is room."""
        held = {post: arrival for post, arrival in arrivals.items() if arrival.spooled}
        for arrival in held.values():  # a COMMIT whose answer was lost may have put it there
            arrival.delivery = replace(arrival.delivery, again=True)
        in_all = sum(map(len, self._held.values()))
        if held and len(held) <= MAX_HELD_OF_BOX and in_all + len(held) <= MAX_HELD:
            self._held.setdefault(next(iter(held.values())).key, {}).update(held)
        for arrival in arrivals.values():
            if arrival.spooled:
                self._failed(arrival, error)
            arrival.settle(error)
