"""The boxes that are open now, those that were a while ago, and the one task that follows what happens to them.

Hints say when to look, and a slow tick looks without any: a lost hint costs time, never truth (promise 6).  Boxes
nobody has open are kept for a while, so that the next SELECT reads only what has changed.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol
from weakref import WeakValueDictionary

from opostd.imap.live import PAGES_AT_ONCE, Key, LiveBox
from opostd.imap.state.wishes import Wishes
from opostd.intake.rounds import Loop
from opostd.model.errors import NoSuchBox
from opostd.model.ids import SYSTEM_OWNER, BoxId, ModSeq, OwnerId
from opostd.model.records import BoxHint
from opostd.store import changes, sync
from opostd.store.activity import Activity
from opostd.store.names import canonical
from opostd.store.run import Store

log = logging.getLogger("opostd.imap")

KEPT_ROWS = 1_000_000  # of closed boxes: about 33 MB at 33 octets a row
KEPT_BOXES = 1000
TICK_S = 5.0  # how long a change may stay unseen by an idle client when every hint was lost
TICKS_A_NAME = 12  # ticks between looks at the names of boxes: few change, and their hints are rarely lost
TOGETHER_S = 0.002  # hints that come in a burst are followed together
UNKNOWN = 2**63  # above any modseq: a hint that does not tell it
LOOKS_AT_ONCE = 8  # boxes looked at side by side: more only queue at the store


class Watch(Protocol):
    """A client that hears of boxes it has not opened (RFC 5465), as the hub knows it."""

    @property
    def keys(self) -> Sequence[Key]: ...

    @property
    def wishes(self) -> Wishes: ...

    def hint(self, box: BoxId, modseq: int) -> None: ...

    def compare(self, modseqs: Mapping[Key, ModSeq], *, names: bool) -> None:
        """modseqs: of boxes, its own among them; one that is not there has gone.  names: look at the tree as well."""


class Hub:
    """All live boxes of the process, and the one task that follows hints for those that clients watch."""

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now
        self._boxes: dict[Key, LiveBox] = {}
        self._closed: OrderedDict[Key, LiveBox] = OrderedDict()
        self._closed_rows = 0
        self._by_name: WeakValueDictionary[tuple[OwnerId, str], LiveBox] = WeakValueDictionary()
        self._watches: dict[OwnerId, set[Watch]] = {}
        self._ticks = 0
        self._dirty: dict[Key, int] = {}
        self._sources = False
        self._everything = False
        self._activity = Activity(store, now)
        self._late: set[Key] = set()  # more is to come than a command waits for
        self._wake = asyncio.Event()
        self._loop = Loop("the look at open boxes", self._follow, self._until_hint, log, later=True)
        self._stop_listening: Callable[[], None] | None = None

    def start(self) -> None:
        self._stop_listening = self._store.listen(self.hint)
        self._loop.start()

    async def close(self) -> None:
        if self._stop_listening is not None:
            self._stop_listening()
        await self._loop.close()
        await self._activity.flush(last=True)

    def live(self, owner: OwnerId, box: BoxId) -> LiveBox:
        """The live box, without opening it: for STATUS and for changes made by this process."""
        key = (owner, box)
        return self._boxes.get(key) or self._closed.get(key) or self._new(key)

    def _new(self, key: Key) -> LiveBox:
        return LiveBox(self._store, key, self._now, self._is_late)

    def _is_late(self, key: Key) -> None:
        self._late.add(key)
        self._wake.set()

    def likely(self, owner: OwnerId, name: str) -> LiveBox | None:
        """The box that had this name when it was opened last, if it is still kept."""
        return self._by_name.get((owner, canonical(name)))

    async def open(self, owner: OwnerId, box: BoxId, looked: sync.Peeked | None = None) -> LiveBox:
        """The live box, up to date, counted as open: ``release`` it.  Raises NoSuchBox.

        looked: a look at it just now, where there was one.
        """
        key = (owner, box)
        self._activity.saw(owner)
        live = self._boxes.get(key)
        if live is None:
            live = self._closed.pop(key, None) or self._new(key)
            self._closed_rows -= live.rows
            self._boxes[key] = live
        live.open += 1
        try:
            await live.bring_up(looked)
        except BaseException:
            self.release(live)
            raise
        self._by_name[owner, live.snapshot.box.name] = live
        return live

    async def bring_up(self, keys: Sequence[Key]) -> None:
        """Carries into these boxes what their subscriptions owe them (promise 5), or the first pages of very much.

        Deleted ones are passed over.
        """
        for owner, _ in keys:
            self._activity.saw(owner)
        behind = await self._store.run(sync.live_behind, keys)
        for _ in range(PAGES_AT_ONCE):
            if behind:
                behind = await sync.carry_all(self._store, behind, now=self._now())
        for key in behind:
            self._is_late(key)

    def release(self, live: LiveBox) -> None:
        """The counterpart of ``open``."""
        live.open -= 1
        if live.open or self._boxes.get(live.key) is not live:
            return
        del self._boxes[live.key]
        if live.deleted or not live.rows:
            return
        self._closed[live.key] = live
        self._closed_rows += live.rows
        while self._closed_rows > KEPT_ROWS or len(self._closed) > KEPT_BOXES:
            _, dropped = self._closed.popitem(last=False)
            self._closed_rows -= dropped.rows

    def watch(self, owner: OwnerId, watch: Watch) -> None:
        """Hints of this owner's boxes go to it too, and its boxes get what their subscriptions owe them."""
        self._watches.setdefault(owner, set()).add(watch)

    def unwatch(self, owner: OwnerId, watch: Watch) -> None:
        """The counterpart of ``watch``."""
        watches = self._watches.get(owner, set())
        watches.discard(watch)
        if not watches:
            self._watches.pop(owner, None)

    def hint(self, hint: BoxHint) -> None:
        """A box has changed, perhaps; cheap, called for every change anywhere."""
        key = (hint.owner, hint.box)
        for watch in self._watches.get(hint.owner, ()):
            watch.hint(hint.box, hint.modseq)
        if not hint.owner:
            self._everything = True
            self._ticks = 0
        elif hint.owner == SYSTEM_OWNER:
            self._sources = True
            if not hint.box:  # what is said of the server
                for watch in [each for watches in self._watches.values() for each in watches if each.wishes.server]:
                    watch.hint(hint.box, hint.modseq)
        elif key in self._boxes:
            self._dirty[key] = max(self._dirty.get(key, 0), hint.modseq or UNKNOWN)
        else:
            return
        self._wake.set()

    async def _until_hint(self) -> None:
        try:
            async with asyncio.timeout(TICK_S):
                await self._wake.wait()
            await asyncio.sleep(TOGETHER_S)
        except TimeoutError:
            self._everything = True

    async def _follow(self) -> None:
        self._wake.clear()
        everything, self._everything = self._everything, False
        sources, self._sources = self._sources, False
        dirty, self._dirty = self._dirty, {}
        try:
            await self._look(dirty, sources=sources or everything, everything=everything)
        except Exception:  # what a bug keeps from being shown is not forgotten either
            self._dirty |= dirty
            self._sources |= sources
            self._everything |= everything
            raise
        await self._activity.flush()

    async def _look(self, dirty: dict[Key, int], *, sources: bool, everything: bool) -> None:
        """dirty: boxes that have changed, with the modseq of which their hints told."""
        live = [key for key, live in self._boxes.items() if live.watchers]
        watches = [watch for each in self._watches.values() for watch in each]
        watched = list({*live, *(key for watch in watches for key in watch.keys)}) if watches else live
        if everything and (watched or watches):
            modseqs = await self._store.run(changes.modseqs, watched)
            dirty |= {key: modseqs.get(key, ModSeq(UNKNOWN)) for key in live}
            for watch in watches:
                watch.compare(modseqs, names=self._ticks == 0)
            self._ticks = (self._ticks + 1) % TICKS_A_NAME
        await self._refresh_all([key for key, modseq in dirty.items() if self._lacks(key, modseq)])
        if sources and watched:
            await self._carry(set(await self._store.run(sync.live_behind, watched)) - self._late)
        await self._carry(self._late)
        if self._late:
            self._wake.set()  # a page more, after what others wait for

    def _lacks(self, key: Key, modseq: int) -> bool:
        """Whether a box is open and does not show this change yet: what a command has done it has shown itself."""
        live = self._boxes.get(key)
        return live is not None and (not live.known or live.snapshot.modseq < modseq)

    async def _carry(self, keys: Collection[Key]) -> None:
        """A page into each of these boxes, whose readers hear of it before the next boxes' turn.

        Whatever has more to come is late.
        """
        waiting = sorted(keys)
        self._late.update(waiting)  # until they are done: a fault on the way forgets none
        for at in range(0, len(waiting), sync.BOXES):
            part = waiting[at : at + sync.BOXES]
            found = await sync.carry_part(self._store, part, now=self._now())
            late = {key for key, carried in found.items() if carried is None or carried.more}
            self._late.difference_update(set(part).difference(late))
            for key, carried in found.items():
                live = self._boxes.get(key)
                if live is not None:
                    await _unless_deleted(live.refresh() if carried is None else live.arrived(carried))

    async def _refresh_all(self, keys: Sequence[Key]) -> None:
        await _side_by_side([self._refresh(key) for key in keys])

    async def _refresh(self, key: Key) -> None:
        live = self._boxes.get(key)
        if live is not None:
            await _unless_deleted(live.refresh())


async def _unless_deleted(look: Awaitable[object]) -> None:
    try:
        await look
    except NoSuchBox:
        log.debug("a live box was deleted")


async def _side_by_side(looks: Sequence[Awaitable[None]]) -> None:
    gate = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def one(look: Awaitable[None]) -> None:
        async with gate:
            await look

    await asyncio.gather(*(one(look) for look in looks))
