"""FETCH and UID FETCH (RFC 9051 6.4.5, RFC 3501 6.4.5).

All that is asked was computed when the message was accepted; here it is only put together, a column at a time:
for each item one list over a chunk of messages, then one ``%`` for each line.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

from opostd.imap.commands.messages import chosen, count, indexes, uid_spans, vanished_since
from opostd.imap.commands.plan import RFC822_SECTIONS, Plan, of_column
from opostd.imap.session import Reply, Session
from opostd.imap.state.numbers import part
from opostd.imap.state.snapshot import Snapshot
from opostd.imap.values.fetch import Fetch, Item, Section
from opostd.imap.values.responses import Condition, Done
from opostd.model.flags import SEEN, FlagAction, Flags
from opostd.model.rights import Rights

log = logging.getLogger("opostd.imap")

CHUNK = 256  # messages put together at once: about 160 KB of full listing, one write
CHUNK_OCTETS = 1024 * 1024  # of message octets held at once, though a single message may be larger


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
    async for pieces in lines(session, found, items, newly_seen, lost):
        yield pieces
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
) -> AsyncIterator[list[bytes]]:
    """FETCH responses for messages by their places in the snapshot: whole ones, in pieces of any size.

    lost: gets the UIDs of messages whose post the store does not have; they are left out.
    """
    box = session.box
    same = box.view.uids is box.snapshot.uids
    plan = Plan(items, session)
    snapshot, view = box.snapshot, box.view
    async with _Reading(plan, snapshot, _chunks(snapshot, found, plan.reads_octets)) as chunks:
        async for chunk in chunks:
            if plan.uid_only:
                numbers = of_column(snapshot.uids, chunk)
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
    """The chunks, one after the other; while one is put together and sent, what the next one lacks is read."""

    def __init__(self, plan: Plan, snapshot: Snapshot, chunks: list[Sequence[int]]) -> None:
        self._plan, self._snapshot, self._chunks = plan, snapshot, chunks
        self._next: asyncio.Task[None] | None = None

    async def __aenter__(self) -> AsyncIterator[Sequence[int]]:
        return self._one_by_one()

    async def __aexit__(self, *_: object) -> None:
        if self._next is not None:  # the client is gone
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)

    async def _one_by_one(self) -> AsyncIterator[Sequence[int]]:
        for chunk, after in zip(self._chunks, [*self._chunks[1:], None], strict=False):  # there may be none at all
            if self._next is not None:
                await self._next
            elif self._plan.reads_octets:
                await self._plan.read_ahead(self._snapshot, chunk)
            self._next = None
            if after is not None and (self._plan.reads_octets or self._plan.cold):
                self._next = asyncio.get_running_loop().create_task(self._plan.read_ahead(self._snapshot, after))
            yield chunk
