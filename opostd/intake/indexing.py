"""Keeps the index of SEARCH up (``store.search_index``): what was accepted is put into it soon after, step by step.

Nothing waits for it, and a search that comes before it finds all the same.  Posts that an older version has kept get
what SEARCH looks at from their octets, here or when they are first looked for.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from functools import partial

from opostd.intake.rounds import Loop
from opostd.mime.sought import of_message
from opostd.model.errors import LostPost
from opostd.model.ids import PostId
from opostd.model.records import Sought
from opostd.store import posts, search_index
from opostd.store.run import Store

log = logging.getLogger("opostd.intake")

LOOK_S = 60.0  # another process may have left something
QUIET_S = 0.2  # since the last message: those who send go first ...
BUSY_SHARE = 9  # ... but not for ever: while they send, a pause is so many times as long as the step before it


class Indexing:
    """One for a process; ``wake`` after posts were kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.idle = asyncio.Event()  # set while all is indexed that this process knows of
        self._news = asyncio.Event()
        self._last_news = -QUIET_S
        self._loop = Loop("the index of searches", self._follow, self._until_news, log)

    def start(self) -> None:
        self._loop.start()

    def wake(self) -> None:
        self.idle.clear()
        self._news.set()
        self._last_news = asyncio.get_running_loop().time()

    async def close(self) -> None:
        """What is not indexed by now stays noted."""
        await self._loop.close()

    async def _follow(self) -> None:
        self._news.clear()
        await self._steps()
        if not self._news.is_set():
            self.idle.set()

    async def _until_news(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._news.wait()

    async def _steps(self) -> None:
        """All there is to do.  SQLite has one writer, and whoever sends waits for it with every step."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while await index_some(self._store):
            longest = loop.time() + BUSY_SHARE * (loop.time() - begun)
            while (pause := min(self._last_news + QUIET_S, longest) - loop.time()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(pause)  # the news may go on meanwhile
            begun = loop.time()


async def index_some(store: Store) -> bool:
    """One step; whether there was anything to do.  Raises Unavailable."""
    looked_at, rowless = await store.run(search_index.index_some)
    await complete(store, rowless)
    return looked_at > 0


async def complete(store: Store, ids: Sequence[PostId]) -> None:
    """Gives posts what SEARCH looks at, from their octets.  Raises Unavailable."""
    for id_ in ids:
        try:
            raw = await store.run(posts.raw, id_)
        except LostPost as error:
            log.error("not searched: %s", error)
            found = Sought(), ""
        else:
            found = await asyncio.to_thread(partial(of_message, raw))
        await store.run(search_index.complete, [(id_, *found)])
