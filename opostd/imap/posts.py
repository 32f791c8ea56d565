"""Posts as this process knows them: immutable, so kept in an LRU that is never invalidated.

A broadcast is read from the store once per process, not once per reader: readers that ask at the same time wait
for one look-up.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence

from opostd.intake.indexing import complete
from opostd.model.errors import NoSuchAddress
from opostd.model.ids import PostId
from opostd.model.records import PostFacts, Sought
from opostd.store import posts, search
from opostd.store.run import Store

FACTS_OCTETS = 48 * 1024 * 1024  # about 15,000 posts at 3 KB each
RAW_OCTETS = 16 * 1024 * 1024
RAW_KEPT_OCTETS = 1024 * 1024  # a larger message is sliced from the store, never kept
AT_ONCE_OCTETS = 64 * 1024  # read by the loop itself where the store can: less than the way to a thread and back
FACTS_AT_ONCE = 4  # posts whose facts the loop itself reads: of a message that somebody opens
HEADER_OVERHEAD = 150  # an answer's two objects and its place in the dictionary
SOUGHT_OCTETS = 32 * 1024 * 1024  # what SORT and THREAD look at of about 40,000 posts
SOUGHT_OVERHEAD = 600  # the record, its strings and its place in the cache
FACTS_OVERHEAD = 700  # the record, its small fields and its place in the cache
HEADERS_OCTETS = 16 * 1024 * 1024  # the fields that Thunderbird asks for, of about 20,000 posts
PAGE = 500  # ids in one look-up (rule 9 of the store)


class Lost(NoSuchAddress):
    """A post that a box has and the store has not: said once in the log, answered NO for that message."""


class Posts:
    """facts and octets of posts, by id."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._facts: OrderedDict[PostId, PostFacts] = OrderedDict()
        self._facts_octets = 0
        self._raw: OrderedDict[PostId, bytes] = OrderedDict()
        self._raw_octets = 0
        self._headers: OrderedDict[Hashable, dict[PostId, bytes]] = OrderedDict()
        self._headers_octets = 0
        self._sought: OrderedDict[PostId, Sought] = OrderedDict()
        self._sought_octets = 0
        self._asked: dict[PostId, asyncio.Future[dict[PostId, PostFacts]]] = {}
        self._asked_raw: dict[PostId, asyncio.Future[bytes]] = {}

    def known(self, ids: Sequence[PostId]) -> list[PostFacts] | None:
        """The facts of all of these, in order, if all are in the cache."""
        cache = self._facts
        try:
            return [cache[id_] for id_ in ids]
        except KeyError:
            return None

    async def facts(self, ids: Sequence[PostId]) -> dict[PostId, PostFacts]:
        """The facts by id; an id that the store does not have is left out."""
        found: dict[PostId, PostFacts] = {}
        missing: list[PostId] = []
        waiting: list[asyncio.Future[dict[PostId, PostFacts]]] = []
        for id_ in ids:
            if (facts := self._facts.get(id_)) is not None:
                self._facts.move_to_end(id_)
                found[id_] = facts
            elif (asked := self._asked.get(id_)) is not None:
                waiting.append(asked)
            else:
                missing.append(id_)
        for at in range(0, len(missing), PAGE):
            found |= await self._look_up(missing[at : at + PAGE])
        for asked in set(waiting):
            answer = await asyncio.shield(asked)
            found |= {id_: facts for id_, facts in answer.items() if id_ in set(ids)}
        return found

    async def _look_up(self, page: Sequence[PostId]) -> dict[PostId, PostFacts]:
        read = self._store.glance if len(page) <= FACTS_AT_ONCE else self._store.run
        task = asyncio.ensure_future(read(posts.facts, page))
        for id_ in page:
            self._asked[id_] = task
        try:
            answer = await asyncio.shield(task)
        finally:
            for id_ in page:
                if self._asked.get(id_) is task:
                    del self._asked[id_]
        for id_, facts in answer.items():
            self._keep(id_, facts)
        return answer

    def _keep(self, id_: PostId, facts: PostFacts) -> None:
        if id_ in self._facts:
            return
        self._facts[id_] = facts
        self._facts_octets += _octets(facts)
        while self._facts_octets > FACTS_OCTETS:
            _, dropped = self._facts.popitem(last=False)
            self._facts_octets -= _octets(dropped)

    def headers(self, fields: Hashable) -> Mapping[PostId, bytes]:
        """What was answered before for these header fields, by post: clients ask for the same ones again and again."""
        if fields in self._headers:
            self._headers.move_to_end(fields)
        return self._headers.get(fields, {})

    def keep_header(self, fields: Hashable, id_: PostId, answer: bytes) -> None:
        """For the next who asks for these fields of this post."""
        octets = len(answer) + HEADER_OVERHEAD
        while self._headers_octets + octets > HEADERS_OCTETS and self._headers:
            _, dropped = self._headers.popitem(last=False)
            self._headers_octets -= sum(map(len, dropped.values())) + HEADER_OVERHEAD * len(dropped)
        answers = self._headers.setdefault(fields, {})
        if id_ not in answers:
            answers[id_] = answer
            self._headers_octets += octets

    async def header_blocks(self, ids: Sequence[PostId]) -> dict[PostId, bytes]:
        """The header of each of these posts, by id; one that the store does not have is left out.

        Of those whose facts are not known it alone is read: half of what the facts are, and it is kept by nobody.
        """
        facts = self._facts
        found = {id_: facts[id_].header for id_ in ids if id_ in facts}
        missing = [id_ for id_ in ids if id_ not in found]
        for at in range(0, len(missing), PAGE):
            found |= await self._store.run(posts.headers, missing[at : at + PAGE])
        return found

    async def sought(self, ids: Sequence[PostId]) -> dict[PostId, Sought]:
        """What SORT and THREAD look at, by id, without the head; an id that the store does not have is left out."""
        cache = self._sought
        found = {id_: cache[id_] for id_ in ids if id_ in cache}
        missing = list(dict.fromkeys(id_ for id_ in ids if id_ not in found))
        for at in range(0, len(missing), PAGE):
            page = missing[at : at + PAGE]
            answer = await self._store.run(search.sought, page)
            if len(answer) < len(page):
                rowless = [id_ for id_ in page if id_ not in answer]
                await complete(self._store, rowless)
                answer |= await self._store.run(search.sought, rowless)
            for id_, sought in answer.items():
                if id_ not in cache:
                    cache[id_] = sought
                    self._sought_octets += _sought_octets(sought)
            found |= answer
            while self._sought_octets > SOUGHT_OCTETS:
                _, dropped = cache.popitem(last=False)
                self._sought_octets -= _sought_octets(dropped)
        return found

    async def raw(self, id_: PostId, start: int, end: int, size: int) -> bytes:
        """The octets from start to end of a message of ``size`` octets, as served under its UID for ever."""
        if size > RAW_KEPT_OCTETS:
            return await self._store.run(posts.raw_slice, id_, start, end - start)
        whole = self._raw.get(id_)
        if whole is None:
            whole = await self._whole(id_, size)
        else:
            self._raw.move_to_end(id_)
        return whole if start == 0 and end >= len(whole) else whole[start:end]

    async def read_ahead(self, wanted: Sequence[PostFacts]) -> None:
        """Reads the octets of these posts at once, so that ``raw`` finds them; the caller bounds their size."""
        ids = [each.id for each in wanted if each.size <= RAW_KEPT_OCTETS and each.id not in self._raw]
        if len(ids) > 1:
            for id_, whole in (await self._store.run(posts.raws, ids)).items():
                self._keep_raw(id_, whole)

    async def _whole(self, id_: PostId, size: int) -> bytes:
        asked = self._asked_raw.get(id_)
        if asked is None and size <= AT_ONCE_OCTETS and (found := self._store.at_once(posts.raw, id_)) is not None:
            self._keep_raw(id_, found[0])
            return found[0]
        if asked is None:
            read = self._store.glance if size <= AT_ONCE_OCTETS else self._store.run
            asked = self._asked_raw[id_] = asyncio.ensure_future(read(posts.raw, id_))
            asked.add_done_callback(lambda _: self._asked_raw.pop(id_, None))
        whole = await asyncio.shield(asked)
        self._keep_raw(id_, whole)
        return whole

    def _keep_raw(self, id_: PostId, whole: bytes) -> None:
        if id_ not in self._raw:
            self._raw[id_] = whole
            self._raw_octets += len(whole)
            while self._raw_octets > RAW_OCTETS:
                _, dropped = self._raw.popitem(last=False)
                self._raw_octets -= len(dropped)


def _octets(facts: PostFacts) -> int:
    texts = len(facts.envelope) + len(facts.body) + len(facts.bodystructure) + len(facts.header)
    return FACTS_OVERHEAD + texts + len(facts.preview or "")


def _sought_octets(sought: Sought) -> int:
    return SOUGHT_OVERHEAD + len(sought.subject) + len(sought.references) + 2 * len(sought.sender_display)
