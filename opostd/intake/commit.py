"""Group commit: all posts that wait are kept by one commit, and where one database has all, put into their boxes by it.

A batch closes when the commit before it has returned: one connection never waits for others, and many share one fsync
(feasibility.md 2b: 3 to 7 times as many messages).  What must stay true: a post is answered for after the commit that
has it, never before; a caller who goes away takes nothing with it; one post that the database refuses fails alone;
what waits in memory is bounded, and whoever comes past the bound waits.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from opostd.intake.deliver import Arrival, Key, SpoolKey
from opostd.model.errors import Unavailable
from opostd.model.ids import PostId, post_id_text
from opostd.model.mailing import Mailing
from opostd.model.records import UNLIMITED, NewPost, Quota
from opostd.store import posts, queue
from opostd.store.delivery import Delivered, Order, deliver_many
from opostd.store.run import Group, Store, Tx, writes

log = logging.getLogger("opostd.intake")

MAX_BATCH_OCTETS = 8 * 1024 * 1024  # a commit of more takes so long that those who wait notice
MAX_BATCH_ROWS = 500  # of the spool, in one transaction (rule 9); a message to more goes alone
MAX_ALONG = 100  # boxes of one message, put there by the commit that others wait for
MAX_WAITING_OCTETS = 64 * 1024 * 1024
MAX_FORGOTTEN = 10_000  # spool rows to be removed; past it the retry loop finds them, and delivers nothing twice
# A spool row that is done goes with the next commit, which is free.  It is not kept longer than this: should the
# process die before, the post is looked for in its box once more, and among all that has left it.
LINGER_S = 0.005
PAUSE_S = 1.0  # before spool rows are removed again after a fault


class _Apart(Exception):
    """A box does not take what it is given: the posts are kept without it, and delivered as anywhere else."""


@writes(Group.POST)
def keep(
    tx: Tx,
    done: Sequence[SpoolKey],
    items: Sequence[Mailing],
    now: int,
    orders: Sequence[Order] = (),
    quota: Quota = UNLIMITED,
    again: Set[PostId] = frozenset(),
) -> list[Delivered]:
    """Keep posts with a spool row for each place they go to; forget spool rows that are done.  One transaction.

    orders: what is put into boxes too, only where ``Store.together``: these posts get no rows for boxes.  What they
    became, in order.  again: posts that an earlier one may have kept.
    """
    if done:
        queue.done(tx, done)
    along = frozenset(each.post for _, _, those in orders for each in those)
    posts.accept(tx, items, now, delivered=along, again=again)
    found = deliver_many(tx, orders, now, quota, new=True)
    placed = [each for each in found if isinstance(each, Delivered)]
    if len(placed) < len(found):
        raise _Apart
    return placed


@dataclass(slots=True)
class _Item:
    mailing: Mailing
    rows: int
    arrivals: tuple[Arrival, ...]
    kept: "asyncio.Future[bool]"
    again: bool

    @property
    def octets(self) -> int:
        return len(self.post.raw) + len(self.post.text)

    @property
    def post(self) -> NewPost:
        return self.mailing.post


class GroupCommit:
    """Keeps posts.  One task commits while there is something to commit.

    on_the_way: whether something is on its way into a box already, which what comes later must not overtake.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], int],
        on_the_way: Callable[[Key], bool] = lambda _: False,
        quota: Quota = UNLIMITED,
        max_waiting_octets: int = MAX_WAITING_OCTETS,
    ) -> None:
        self._store = store
        self._now = now
        self._on_the_way = on_the_way
        self._quota = quota
        self._max_waiting_octets = max_waiting_octets
        self._waiting: deque[_Item] = deque()
        self._waiting_octets = 0
        self._done: list[SpoolKey] = []
        self._room: deque[asyncio.Future[None]] = deque()
        self._news = asyncio.Event()
        self._finishing = False
        self._task: asyncio.Task[None] | None = None

    async def keep(self, mailing: Mailing, arrivals: Sequence[Arrival] = (), *, again: bool = False) -> bool:
        """Returns after the commit that has the post and a spool row for each place it goes to.

        arrivals: in all the boxes that it goes to.  True: the same commit has put them there, and they are settled.
        again: an earlier commit may have kept it.
        Raises Unavailable, or whatever the database says to this one.  Cancelled, the post is kept all the same.
        """
        await self._wait_for_room(len(mailing.post.raw) + len(mailing.post.text))
        rows = max(sum(len(each.places) for each in mailing.recipients), len(arrivals))
        may_go_along = self._store.together and len(arrivals) <= MAX_ALONG and not any(each.told for each in arrivals)
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        item = _Item(mailing, rows, tuple(arrivals) if may_go_along else (), kept, again)
        item.kept.add_done_callback(_looked_at)
        self._waiting.append(item)
        self._waiting_octets += item.octets
        self._wake()
        return await asyncio.shield(item.kept)

    def forget(self, keys: Sequence[SpoolKey]) -> None:
        """Spool rows to be removed with the next commit."""
        self._done.extend(keys[: MAX_FORGOTTEN - len(self._done)])
        if self._done:
            self._wake()

    async def finish(self) -> None:
        """Until nothing waits."""
        self._finishing = True
        self._news.set()
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def cancel(self) -> None:
        """Give up what waits, which has had no answer."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        while self._waiting:
            _fail(self._waiting.popleft(), Unavailable("stopped"))

    async def _wait_for_room(self, octets: int) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and self._waiting_octets + octets > self._max_waiting_octets:
            turn = loop.create_future()
            self._room.append(turn)
            await turn

    def _wake(self) -> None:
        self._news.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._waiting or self._done:
            if not self._waiting and not self._finishing:
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_S):
                        while not self._waiting and not self._finishing:
                            await self._news.wait()
                            self._news.clear()
            await self._commit(self._batch())

    def _batch(self) -> list[_Item]:
        batch: list[_Item] = []
        octets = rows = 0
        while self._waiting:
            item = self._waiting[0]
            octets, rows = octets + item.octets, rows + max(1, item.rows)
            if batch and (octets > MAX_BATCH_OCTETS or rows > MAX_BATCH_ROWS):
                break
            batch.append(self._waiting.popleft())
            self._waiting_octets -= item.octets
        while self._room:
            turn = self._room.popleft()
            if not turn.done():
                turn.set_result(None)
        return batch

    async def _commit(self, batch: list[_Item]) -> None:
        done, self._done = self._done[:MAX_BATCH_ROWS], self._done[MAX_BATCH_ROWS:]
        error = await self._try(done, batch)
        if error is None:
            return
        self._done[:0] = done
        if not batch:
            log.warning("spool rows stay rows=%d error=%r", len(done), error)
            await self._pause()
        elif isinstance(error, Unavailable) or len(batch) == 1:
            for item in batch:
                if not isinstance(error, Unavailable):
                    log.error("not kept id=%s", post_id_text(item.post.facts.id), exc_info=error)
                _fail(item, error)
        else:  # whichever of them it was, the others are not to suffer
            for item in batch:
                failed = await self._try([], [item])
                if failed is not None:
                    log.error("not kept id=%s", post_id_text(item.post.facts.id), exc_info=failed)
                    _fail(item, failed)

    async def _try(self, done: list[SpoolKey], batch: list[_Item]) -> Exception | None:
        """One transaction, or two where a box does not take its posts; those that are kept are answered."""
        boxes: dict[Key, list[Arrival]] = {}
        for item in batch:
            if any(self._on_the_way(each.key) for each in item.arrivals):
                item.arrivals = ()
            for each in item.arrivals:
                boxes.setdefault(each.key, []).append(each)
        orders = [(*key, [each.delivery for each in arrivals]) for key, arrivals in boxes.items()]
        again = frozenset(item.post.facts.id for item in batch if item.again)
        try:
            if batch:
                mailings = [item.mailing for item in batch]
                results = await self._store.run(keep, done, mailings, self._now(), orders, self._quota, again)
            else:
                results = []
                await self._store.run(queue.done, done)
        except Exception as error:
            if isinstance(error, Unavailable) or not orders:
                return error
            for item in batch:
                item.arrivals = ()
            return await self._try(done, batch)
        for arrivals, result in zip(boxes.values(), results, strict=True):
            for arrival, uid in zip(arrivals, result.uids, strict=True):
                arrival.settle((result.uidvalidity, uid))
        for item in batch:
            if not item.kept.done():
                item.kept.set_result(bool(item.arrivals))
        return None

    async def _pause(self) -> None:
        """The database is away; nobody waits but the spool."""
        if self._finishing:
            self._done.clear()  # they stay, and are found at the next start
            return
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PAUSE_S):
                while not self._waiting and not self._finishing:
                    self._news.clear()
                    await self._news.wait()


def _fail(item: _Item, error: Exception) -> None:
    if not item.kept.done():
        item.kept.set_exception(error)


def _looked_at(future: "asyncio.Future[bool]") -> None:
    """Its caller may be gone: then nobody reads the error, which is logged."""
    if not future.cancelled():
        future.exception()
