"""FETCH and UID FETCH (RFC 9051 6.4.5, RFC 3501 6.4.5).

All that is asked was computed when the message was accepted; here it is only put together, a column at a time:
for each item one list over a chunk of messages, then one ``%`` for each line.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

from opostd.imap.commands.messages import chosen, count, indexes, uid_spans, vanished_since
from opostd.imap.content import envelope_of, from_header, octets_of, preview_of
from opostd.imap.format.fetch import (
    WITHOUT_KEYWORDS,
    flags_octets,
    internaldate_octets,
    preview_octets,
    section_label,
    section_octets,
)
from opostd.imap.format.objectid import emailid, threadid
from opostd.imap.session import Reply, Session
from opostd.imap.state.numbers import part
from opostd.imap.state.snapshot import Snapshot
from opostd.imap.values.fetch import Fetch, Item, Section, Text
from opostd.imap.values.responses import Condition, Done
from opostd.model.flags import SEEN, FlagAction, Flags
from opostd.model.records import PostFacts
from opostd.model.rights import Rights
from opostd.store import changes

log = logging.getLogger("opostd.imap")

CHUNK = 256  # messages put together at once: about 160 KB of full listing, one write
CHUNK_OCTETS = 1024 * 1024  # of message octets held at once, though a single message may be larger

RFC822_SECTIONS = {
    Item.RFC822: Section((), Text.WHOLE),
    Item.RFC822_HEADER: Section((), Text.HEADER, peek=True),  # RFC 3501 6.4.5: does not set \Seen
    Item.RFC822_TEXT: Section((), Text.TEXT),
}
FROM_FACTS = (Item.ENVELOPE, Item.BODY, Item.BODYSTRUCTURE, Item.THREADID, Item.PREVIEW, Item.PREVIEW_LAZY)


async def fetch(session: Session, command: Fetch) -> Reply:
    """A message that is gone, or whose post cannot be read, is left out and said in the tagged line."""
    box = session.box
    if command.vanished and not session.qresync:
        yield Done(Condition.BAD, "ENABLE QRESYNC first")  # RFC 7162 3.2.6
        return
    ranges = chosen(box, command.numbers, by_uid=command.by_uid)
    items = command.items
    if command.by_uid and Item.UID not in items and not session.manner.uid_only:
        items = (Item.UID, *items)
    if Item.MODSEQ in items:
        for response in session.condstore():
            yield response
    if command.vanished and command.changedsince is not None:
        for gone in await vanished_since(session, command.changedsince, command.numbers):
            yield gone
    found = indexes(box, ranges)
    missing = count(ranges) - len(found)
    if command.partial is not None:
        found = list(part(found, command.partial))
    if command.changedsince is not None:
        found = [index for index in found if box.snapshot.modseqs[index] > command.changedsince]
    newly_seen: frozenset[int] = frozenset()
    if found and not box.read_only and Rights.SEEN in box.rights and any(_sets_seen(item) for item in items):
        uids = [box.snapshot.uids[index] for index in found]
        newly_seen = await _set_seen(session, found)
        here = [box.snapshot.index(uid) for uid in uids]
        found = [index for index in here if index is not None]
        missing += len(uids) - len(found)
    lost: list[int] = []
    async for octets in lines(session, found, items, newly_seen, lost):
        yield octets
    if lost:
        yield Done(Condition.NO, f"{len(lost)} of these messages cannot be read", b"SERVERBUG")
    elif missing:
        yield Done(Condition.OK, "some of these messages are gone", b"EXPUNGEISSUED")


def _sets_seen(item: Item | Section) -> bool:
    section = item if isinstance(item, Section) else RFC822_SECTIONS.get(item)
    return section is not None and not section.peek


async def _set_seen(session: Session, found: Sequence[int]) -> frozenset[int]:
    """Sets ``\\Seen`` where it is not; the UIDs whose flags changed by that, to be shown beside the text."""
    box = session.box
    unseen = [index for index in found if not box.snapshot.bits[index] & SEEN]
    if not unseen:
        return frozenset()
    uids = [box.snapshot.uids[index] for index in unseen]
    result = await box.live.store_flags(uid_spans(box.snapshot, unseen), FlagAction.ADD, Flags(SEEN))
    snapshot = box.snapshot
    if not result.changed:
        return frozenset()
    box.own.add(result.modseq)
    places = ((uid, snapshot.index(uid)) for uid in uids)  # where another has come between, it is told behind
    return frozenset(uid for uid, at in places if at is not None and snapshot.modseqs[at] == result.modseq)


async def lines(
    session: Session,
    found: Sequence[int],
    items: tuple[Item | Section, ...],
    newly_seen: frozenset[int] = frozenset(),
    lost: list[int] | None = None,
) -> AsyncIterator[bytes]:
    """FETCH responses for messages by their places in the snapshot, in chunks of octets.

    lost: gets the UIDs of messages whose post the store does not have; they are left out.
    """
    box = session.box
    same = box.view.uids is box.snapshot.uids
    plan = _Plan(items, session)
    snapshot, view = box.snapshot, box.view
    async with _Reading(plan, snapshot, _chunks(snapshot, found, plan.reads_octets)) as chunks:
        async for chunk in chunks:
            if plan.uid_only:
                numbers = _of(snapshot.uids, chunk)
            elif same:
                numbers = [index + 1 for index in chunk]
            else:
                numbers = [(view.place(snapshot.uids[index]) or 0) + 1 for index in chunk]
            yield await plan.put_together(snapshot, chunk, numbers, newly_seen)
    if plan.lost:
        log.error("posts missing in the store: owner=%d box=%d uids=%r", *box.live.key, plan.lost)
        if lost is not None:
            lost += plan.lost


def _chunks(snapshot: Snapshot, found: Sequence[int], reads_octets: bool) -> list[Sequence[int]]:
    if not reads_octets:
        return [found[at : at + CHUNK] for at in range(0, len(found), CHUNK)]
    chunks: list[Sequence[int]] = []
    chunk: list[int] = []
    octets = 0
    for index in found:
        octets += snapshot.sizes[index]
        if chunk and (octets > CHUNK_OCTETS or len(chunk) == CHUNK):
            chunks.append(chunk)
            chunk, octets = [], snapshot.sizes[index]
        chunk.append(index)
    if chunk:
        chunks.append(chunk)
    return chunks


class _Reading:
    """The chunks, one after the other; while one is put together and sent, the octets of the next are read."""

    def __init__(self, plan: "_Plan", snapshot: Snapshot, chunks: list[Sequence[int]]) -> None:
        self._plan, self._snapshot, self._chunks = plan, snapshot, chunks
        self._next: asyncio.Task[None] | None = None

    async def __aenter__(self) -> AsyncIterator[Sequence[int]]:
        return self._one_by_one()

    async def __aexit__(self, *_: object) -> None:
        if self._next is not None:  # the client is gone
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)

    async def _one_by_one(self) -> AsyncIterator[Sequence[int]]:
        if not self._plan.reads_octets:
            for chunk in self._chunks:
                yield chunk
            return
        for chunk, after in zip(self._chunks, [*self._chunks[1:], None], strict=False):  # there may be none at all
            if self._next is None:
                await self._plan.read_ahead(self._snapshot, chunk)
            else:
                await self._next
            self._next = None
            if after is not None:
                self._next = asyncio.get_running_loop().create_task(self._plan.read_ahead(self._snapshot, after))
            yield chunk


class _Plan:
    """The items of one FETCH, as a line template and a column for each item."""

    def __init__(self, items: tuple[Item | Section, ...], session: Session) -> None:
        self._posts = session.services.posts
        self._store = session.services.store
        self._key = session.box.live.key
        self.uid_only = session.manner.uid_only
        self._response = b"* %d UIDFETCH (" if self.uid_only else b"* %d FETCH ("
        self._items = items
        self._utf8 = session.utf8
        # RFC 9051 6.4.5: flags that changed by this very FETCH are shown with it; RFC 7162 3.2.4: with UID and MODSEQ
        shown = (Item.UID, Item.MODSEQ, Item.FLAGS) if session.manner.modseqs else (Item.FLAGS,)
        self._beside_seen = [item for item in shown if item not in items and not (self.uid_only and item is Item.UID)]
        self.lost: list[int] = []
        sections = [RFC822_SECTIONS.get(item) if isinstance(item, Item) else item for item in items]
        self.needs_facts = any(item in FROM_FACTS for item in items) or any(sections)
        self.reads_octets = any(section is not None and not from_header(section) for section in sections)

    async def read_ahead(self, snapshot: Snapshot, chunk: Sequence[int]) -> None:
        """Facts and octets of these messages, into the cache."""
        if len(chunk) > 1:
            by_id = await self._posts.facts([snapshot.post(index) for index in chunk])
            await self._posts.read_ahead(list(by_id.values()))

    async def put_together(
        self, snapshot: Snapshot, chunk: Sequence[int], numbers: Sequence[int], newly_seen: frozenset[int]
    ) -> bytes:
        facts: list[PostFacts] = []
        if self.needs_facts:
            ids = [snapshot.post(index) for index in chunk]
            facts = self._posts.known(ids) or []
            if not facts:
                by_id = await self._posts.facts(ids)
                kept = [at for at, id_ in enumerate(ids) if id_ in by_id]
                if len(kept) < len(ids):  # the others are served all the same
                    self.lost += [snapshot.uids[chunk[at]] for at, id_ in enumerate(ids) if id_ not in by_id]
                    chunk, numbers = [chunk[at] for at in kept], [numbers[at] for at in kept]
                facts = [by_id[ids[at]] for at in kept]
        templates: list[bytes] = []
        columns: list[Sequence[object]] = [numbers]
        for item in self._items:
            template, column = await self._column(item, snapshot, chunk, facts)
            templates.append(template)
            columns.append(column)
        line = self._response + b" ".join(templates)
        plain = line + b")\r\n"
        if not newly_seen or not self._beside_seen:
            return b"".join([plain % row for row in zip(*columns, strict=True)])
        templates, more = [], []
        for item in self._beside_seen:
            template, column = await self._column(item, snapshot, chunk, facts)
            templates.append(template)
            more.append(column)
        seen = line + b" " + b" ".join(templates) + b")\r\n"
        uids = snapshot.uids
        rows = zip(chunk, zip(*columns, strict=True), zip(*more, strict=True), strict=True)
        return b"".join(
            [seen % (*row, *beside) if uids[index] in newly_seen else plain % row for index, row, beside in rows]
        )

    async def _column(
        self, item: Item | Section, snapshot: Snapshot, chunk: Sequence[int], facts: list[PostFacts]
    ) -> tuple[bytes, Sequence[object]]:
        """The item's part of the line template, and its value for each message of the chunk."""
        if item is Item.UID:
            return b"UID %d", _of(snapshot.uids, chunk)
        if item is Item.FLAGS:
            return b"FLAGS %b", _flags_column(snapshot, chunk)
        if item is Item.MODSEQ:
            return b"MODSEQ (%d)", _of(snapshot.modseqs, chunk)
        if item is Item.RFC822_SIZE:
            return b"RFC822.SIZE %d", _of(snapshot.sizes, chunk)
        if item is Item.INTERNALDATE:
            return b"INTERNALDATE %b", list(map(internaldate_octets, _of(snapshot.internaldates, chunk)))
        if item is Item.SAVEDATE:
            uids = [snapshot.uids[index] for index in chunk]
            first, last = min(uids, default=0), max(uids, default=0)
            saved = await self._store.run(changes.savedates, *self._key, first, last)
            # NIL: one that left a moment ago, of which the client has not been told yet
            return b"SAVEDATE %b", [internaldate_octets(saved[uid]) if uid in saved else b"NIL" for uid in uids]
        if item is Item.EMAILID:
            return b"EMAILID (%b)", [emailid(snapshot.post(index)) for index in chunk]
        if item is Item.THREADID:
            return b"THREADID (%b)", [threadid(each.thread) for each in facts]
        if item is Item.ENVELOPE:
            return b"ENVELOPE %b", [envelope_of(each, self._utf8) for each in facts]
        if item is Item.BODY:
            return b"BODY %b", [each.body for each in facts]
        if item is Item.BODYSTRUCTURE:
            return b"BODYSTRUCTURE %b", [each.bodystructure for each in facts]
        if item is Item.PREVIEW or item is Item.PREVIEW_LAZY:
            return b"PREVIEW %b", await self._previews(facts, lazy=item is Item.PREVIEW_LAZY)
        if isinstance(item, Item):
            return item.value + b" %b", await self._sections(RFC822_SECTIONS[item], facts)
        label = section_label(item).replace(b"%", b"%%")  # a field name may hold "%"
        return label + b" %b", await self._sections(item, facts)

    async def _previews(self, facts: list[PostFacts], *, lazy: bool) -> list[bytes]:
        if lazy:
            return [preview_octets(each.preview, self._utf8) for each in facts]
        return [preview_octets(await preview_of(self._posts, each), self._utf8) for each in facts]

    async def _sections(self, section: Section, facts: list[PostFacts]) -> list[bytes]:
        names = frozenset(field.lower() for field in section.fields)
        if section.fields and section.partial is None and from_header(section):
            return await self._header_fields(section, facts, names)
        return [section_octets(section, await octets_of(self._posts, section, each, names)) for each in facts]

    async def _header_fields(self, section: Section, facts: list[PostFacts], names: frozenset[bytes]) -> list[bytes]:
        key = (section.form, section.text, names)
        known = self._posts.headers(key)
        found = [known.get(each.id) for each in facts]
        answers: list[bytes] = []
        for each, answer in zip(facts, found, strict=True):
            if answer is None:
                answer = section_octets(section, await octets_of(self._posts, section, each, names))
                self._posts.keep_header(key, each.id, answer)
            answers.append(answer)
        return answers


def _flags_column(snapshot: Snapshot, chunk: Sequence[int]) -> list[bytes]:
    keywords, bits = snapshot.keywords, _of(snapshot.bits, chunk)
    if not keywords:
        return [WITHOUT_KEYWORDS[each] for each in bits]
    uids = _of(snapshot.uids, chunk)
    return [flags_octets(each, keywords.get(uid, ())) for each, uid in zip(bits, uids, strict=True)]


def _of(column: Sequence[int], chunk: Sequence[int]) -> Sequence[int]:
    """The column's values at these places, ascending; mostly they are neighbours, and a slice has them at once."""
    if chunk and chunk[-1] - chunk[0] + 1 == len(chunk):
        return column[chunk[0] : chunk[-1] + 1]
    return [column[index] for index in chunk]
