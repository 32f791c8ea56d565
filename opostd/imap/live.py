"""A box that is open: one snapshot, shared by all connections of this process to it (``hub`` has all of them).

A snapshot is brought forward by modseq.  What this process does to the box it shows without a look at the store, where
nothing came between.
"""

import asyncio
from collections.abc import Callable, Sequence

from opostd.imap.state.snapshot import Snapshot, appended, changed, flagged, without
from opostd.model.errors import NoSuchBox
from opostd.model.flags import EVERY_FLAG, UNCHARGED, FlagAction, Flags, FlagScope
from opostd.model.ids import BoxId, ModSeq, OwnerId, Uid
from opostd.store import changes, flags, listing, moves, sync
from opostd.store.carrying import Carried
from opostd.store.flags import Stored
from opostd.store.run import Store

Key = tuple[OwnerId, BoxId]

# A SELECT of somebody who comes back carries 2,000 posts before it answers, a few tenths of a second; the rest comes
# in the background, page by page, and is told as new mail.
PAGES_AT_ONCE = 4


class LiveBox:
    """One box and its newest snapshot; ``open`` counts the connections that have it selected."""

    def __init__(
        self, store: Store, key: Key, now: Callable[[], int], late: Callable[[Key], None] | None = None
    ) -> None:
        self.key = key
        self._late = late
        self.open = 0
        self.deleted = False
        self.watchers: set[Callable[[], None]] = set()
        self._store = store
        self._now = now
        self._snapshot: Snapshot | None = None
        self._lock = asyncio.Lock()
        self._begun = 0
        self._version: tuple[int, int] | None = None
        self._sources: frozenset[Key] = frozenset()

    @property
    def snapshot(self) -> Snapshot:
        """The newest state that is known; only after a first ``refresh``."""
        if self._snapshot is None:
            raise RuntimeError("the box was never read")
        return self._snapshot

    @property
    def known(self) -> bool:
        """Whether the box was read before, so that looking again is cheap."""
        return self._snapshot is not None

    @property
    def rows(self) -> int:
        return len(self._snapshot) if self._snapshot else 0

    async def refresh(self) -> Snapshot:
        """The state of the box at a moment after the call.  Callers that wait share one look at the store.

        Raises NoSuchBox when the box has been deleted.
        """
        wanted = self._begun + 1
        async with self._lock:
            if self._begun >= wanted and self._snapshot is not None:
                return self._snapshot
            self._begun += 1
            before = self._snapshot
            try:
                self._snapshot = await self._read()
            except NoSuchBox:
                self._was_deleted()
                raise
            if before is not None and before is not self._snapshot:
                self._wake()
            return self._snapshot

    @property
    def sources(self) -> frozenset[Key]:
        """Of its subscriptions, as the last look has found them."""
        return self._sources

    async def bring_up(self, looked: sync.Peeked | None = None) -> Snapshot:
        """The state of the box with all that its subscriptions owe it (promise 5), or the first pages of very much.

        looked: a look at it just now, where there was one.  late: told of a box that has more to come; without it all
        is carried.
        Mostly nothing has happened, which one look tells, or none where the store knows that nobody has written.
        """
        version = self._store.version()
        if version is not None and version == self._version and self._snapshot is not None:
            return self._snapshot
        try:
            found = await self._store.glance(sync.peek, *self.key, self._sources) if looked is None else looked
        except NoSuchBox:
            self._was_deleted()
            raise
        self._sources = found.sources
        if found.behind:
            pages = None if self._late is None else PAGES_AT_ONCE
            carried = await sync.carry_pages(self._store, *self.key, now=self._now(), pages=pages)
            if carried.more and self._late is not None:
                self._late(self.key)
        if found.behind or self._snapshot is None or self._snapshot.box != found.box:
            await self.refresh()
        self._version = version  # read before all looks: whatever came after it differs from it
        return self.snapshot

    async def store_flags(
        self,
        spans: Sequence[tuple[int, int]],
        action: FlagAction,
        change: Flags,
        unchangedsince: ModSeq | None = None,
        scope: FlagScope = EVERY_FLAG,
    ) -> Stored:
        """STORE, and the state of the box after it: computed, where nothing came between, else read.

        spans: inclusive ranges of UIDs.  scope: other flags stay.  Raises NoSuchBox, LimitReached.
        """
        change = scope.of(change)
        result = await self._store.run(flags.store_flags, *self.key, spans, action, change, unchangedsince, scope)
        async with self._lock:
            if self._snapshot is not None and not result.changed and result.modseq == self._snapshot.modseq:
                return result
            # A STORE that changed nothing gave its modseq back, and the next number is that of somebody else's change.
            if self._snapshot is not None and result.changed and not change.keywords:
                found = flagged(self._snapshot, spans, action, change.bits, result.modseq, unchangedsince)
                if found is not None and found[1] == result.changed:
                    self._snapshot = found[0]
                    self._wake()
                    return result
        await self.refresh()
        return result

    async def arrived(self, carried: Carried) -> None:
        """What was carried into the box just now is shown: computed, where nothing came between, else read.

        Raises NoSuchBox.
        """
        async with self._lock:
            if self._snapshot is not None and carried.posts:
                found = appended(self._snapshot, carried.box, carried.posts, UNCHARGED)
                if found is not None:
                    self._snapshot = found
                    self._wake()
                    return
        if carried.posts:
            await self.refresh()

    async def expunge(self, uids: Sequence[Uid] | None, *, deleted_only: bool) -> tuple[Uid, ...]:
        """Removes messages for good (``moves.expunge``), and the state of the box after it; what has left."""
        left = await self._store.run(moves.expunge, *self.key, uids, deleted_only)
        await self.left(left.uids, left.modseq)
        return left.uids

    async def left(self, uids: Sequence[Uid], modseq: ModSeq | None) -> None:
        """What has left the box just now is shown: computed, where nothing came between, else read.

        Raises NoSuchBox.
        """
        async with self._lock:
            if self._snapshot is not None and uids and modseq is not None:
                found = without(self._snapshot, uids, modseq)
                if found is not None:
                    self._snapshot = found
                    self._wake()
                    return
        await self.refresh()

    async def _read(self) -> Snapshot:
        if self._snapshot is not None:
            found = await self._store.run(changes.changes, *self.key, self._snapshot.modseq)
            if found.box.uidvalidity == self._snapshot.box.uidvalidity:
                return changed(self._snapshot, found.box, found.rows, found.gone)
        return Snapshot(*await self._store.run(listing.columns, *self.key))

    def _was_deleted(self) -> None:
        self.deleted = True
        self._wake()

    def _wake(self) -> None:
        for watcher in tuple(self.watchers):
            watcher()
