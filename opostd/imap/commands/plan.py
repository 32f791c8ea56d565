"""What a FETCH asks of each message, column by column: a line template, and the item's values for many messages.

A body stands between two lines of octets and is never copied: what is written is a list of pieces.
"""

from collections.abc import Container, Sequence
from itertools import chain

from opostd.imap.commands.headers import Headers, key_of, listed
from opostd.imap.content import envelope_of, from_header, octets_of, preview_of
from opostd.imap.format.fetch import (
    WITHOUT_KEYWORDS,
    flags_octets,
    internaldate_octets,
    preview_octets,
    section_label,
    section_octets,
    section_pieces,
)
from opostd.imap.format.objectid import emailid, threadid
from opostd.imap.session import Session
from opostd.imap.state.snapshot import Snapshot
from opostd.imap.values.fetch import Form, Item, Section, Text
from opostd.model.ids import PostId
from opostd.model.records import PostFacts
from opostd.store import changes

RFC822_SECTIONS = {
    Item.RFC822: Section((), Text.WHOLE),
    Item.RFC822_HEADER: Section((), Text.HEADER, peek=True),  # RFC 3501 6.4.5: does not set \Seen
    Item.RFC822_TEXT: Section((), Text.TEXT),
}
FROM_FACTS = (Item.ENVELOPE, Item.BODY, Item.BODYSTRUCTURE, Item.THREADID, Item.PREVIEW, Item.PREVIEW_LAZY)


class _Lines:
    """The responses to some messages, in the order of their items."""

    def __init__(self, response: bytes, numbers: Sequence[int]) -> None:
        self._count = len(numbers)
        self._template = response
        self._columns: list[Sequence[object]] = [numbers]
        self._space = b""
        self._before: list[Sequence[bytes]] = []  # lines up to a body and the bodies, in turns

    def add(self, template: bytes, column: Sequence[object], bodies: Sequence[bytes] | None) -> None:
        """One item.  template: of its value; bodies: octets behind the value."""
        self._template += self._space + template
        self._columns.append(column)
        self._space = b" "
        if bodies is not None:
            self._before += [self._formatted(b""), bodies]
            self._template, self._columns = b"", []

    def ended(self) -> list[bytes]:
        """What stands behind the last body, of each message."""
        return self._formatted(b")\r\n")

    def pieces(self, ends: list[bytes]) -> list[bytes]:
        """All of it.  ends: of ``ended``."""
        if not self._before:
            return [b"".join(ends)]
        return list(chain.from_iterable(zip(*self._before, ends, strict=True)))

    def _formatted(self, end: bytes) -> list[bytes]:
        template = self._template + end
        if not self._columns:
            return [template] * self._count
        return [template % row for row in zip(*self._columns, strict=True)]


class Plan:
    """The items of one FETCH.

    lost: UIDs of messages whose post the store does not have.  reads_octets: more than a header is read of them.
    """

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
        self._headers: Headers | None = None
        asked = [section for section in sections if section is not None]
        if asked and all(map(listed, asked)) and not any(item in FROM_FACTS for item in items):
            self.needs_facts, self._headers = False, Headers(self._posts, asked)
        self._cold = False

    @property
    def cold(self) -> bool:
        """Whether something had to be read for the messages that were looked at last: for the next ones too, surely."""
        return self._cold or (self._headers is not None and self._headers.cold)

    async def read_ahead(self, snapshot: Snapshot, chunk: Sequence[int]) -> None:
        """What of these messages is to be read, into the cache."""
        ids = snapshot.posts(chunk)
        if self._headers is not None:
            await self._headers.read_ahead(ids)
        elif not self.reads_octets:
            self._cold = self._posts.known(ids) is None
            if self._cold:
                await self._posts.facts(ids)
        elif len(chunk) > 1:
            by_id = await self._posts.facts(ids)
            await self._posts.read_ahead(list(by_id.values()))

    async def put_together(
        self, snapshot: Snapshot, chunk: Sequence[int], numbers: Sequence[int], newly_seen: frozenset[int]
    ) -> list[bytes]:
        """The responses to messages by their places in the snapshot, in pieces.

        numbers: how the client counts them; newly_seen: UIDs of those whose flags this FETCH has changed.
        """
        facts: list[PostFacts] = []
        answers: list[Sequence[bytes]] = []  # of the sections, where they are all of ``headers``
        ids = snapshot.posts(chunk) if self.needs_facts or self._headers is not None else []
        if self._headers is not None:
            known = await self._headers.answers(ids)
            if (kept := self._kept(snapshot, chunk, ids, known[0])) is not None:
                chunk, numbers, ids = [chunk[at] for at in kept], [numbers[at] for at in kept], [ids[at] for at in kept]
            answers = [[each[id_] for id_ in ids] for each in known]
        elif self.needs_facts:
            facts = self._posts.known(ids) or []
            if not facts:
                self._cold = True
                by_id = await self._posts.facts(ids)
                if (kept := self._kept(snapshot, chunk, ids, by_id)) is not None:
                    chunk, numbers, ids = (
                        [chunk[at] for at in kept],
                        [numbers[at] for at in kept],
                        [ids[at] for at in kept],
                    )
                facts = [by_id[id_] for id_ in ids]
        lines = _Lines(self._response, numbers)
        for item in self._items:
            if answers and isinstance(item, Section):
                lines.add(_label(item), answers.pop(0), None)
            else:
                lines.add(*await self._column(item, snapshot, chunk, facts))
        ends = lines.ended()
        if newly_seen and self._beside_seen:
            for item in self._beside_seen:
                lines.add(*await self._column(item, snapshot, chunk, facts))
            uids = snapshot.uids
            ends = [
                seen if uids[index] in newly_seen else plain
                for index, plain, seen in zip(chunk, ends, lines.ended(), strict=True)
            ]
        return lines.pieces(ends)

    def _kept(
        self, snapshot: Snapshot, chunk: Sequence[int], ids: Sequence[PostId], there: Container[PostId]
    ) -> list[int] | None:
        """Which of the chunk are served, where the store has not all of the posts; the others are noted as lost."""
        kept = [at for at, id_ in enumerate(ids) if id_ in there]
        if len(kept) == len(ids):
            return None
        self.lost += [snapshot.uids[chunk[at]] for at, id_ in enumerate(ids) if id_ not in there]
        return kept

    async def _column(
        self, item: Item | Section, snapshot: Snapshot, chunk: Sequence[int], facts: list[PostFacts]
    ) -> tuple[bytes, Sequence[object], Sequence[bytes] | None]:
        """The item's part of the line template, and its value for each message of the chunk; bodies: see _Lines."""
        if isinstance(item, Section):
            return (_label(item), *await self._sections(item, facts))
        if (section := RFC822_SECTIONS.get(item)) is not None:
            return (item.value + b" %b", *await self._sections(section, facts))
        return (*await self._plain_column(item, snapshot, chunk, facts), None)

    async def _plain_column(
        self, item: Item, snapshot: Snapshot, chunk: Sequence[int], facts: list[PostFacts]
    ) -> tuple[bytes, Sequence[object]]:
        """Of an item that has no octets of the message in it."""
        if item is Item.UID:
            return b"UID %d", of_column(snapshot.uids, chunk)
        if item is Item.FLAGS:
            return b"FLAGS %b", _flags_column(snapshot, chunk)
        if item is Item.MODSEQ:
            return b"MODSEQ (%d)", of_column(snapshot.modseqs, chunk)
        if item is Item.RFC822_SIZE:
            return b"RFC822.SIZE %d", of_column(snapshot.sizes, chunk)
        if item is Item.INTERNALDATE:
            return b"INTERNALDATE %b", list(map(internaldate_octets, of_column(snapshot.internaldates, chunk)))
        if item is Item.SAVEDATE:
            uids = [snapshot.uids[index] for index in chunk]
            first, last = min(uids, default=0), max(uids, default=0)
            saved = await self._store.run(changes.savedates, *self._key, first, last)
            # NIL: one that left a moment ago, of which the client has not been told yet
            return b"SAVEDATE %b", [internaldate_octets(saved[uid]) if uid in saved else b"NIL" for uid in uids]
        if item is Item.EMAILID:
            return b"EMAILID (%b)", list(map(emailid, snapshot.posts(chunk)))
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
        raise TypeError(f"no such item: {item!r}")

    async def _previews(self, facts: list[PostFacts], *, lazy: bool) -> list[bytes]:
        if lazy:
            return [preview_octets(each.preview, self._utf8) for each in facts]
        return [preview_octets(await preview_of(self._posts, each), self._utf8) for each in facts]

    async def _sections(
        self, section: Section, facts: list[PostFacts]
    ) -> tuple[Sequence[bytes], Sequence[bytes] | None]:  # fmt: skip
        names = frozenset(field.lower() for field in section.fields)
        if section.fields and section.partial is None and from_header(section):
            return await self._header_fields(section, facts, names), None
        found = [await octets_of(self._posts, section, each, names) for each in facts]
        if from_header(section) or section.form is Form.BINARY_SIZE:
            return [section_octets(section, octets) for octets in found], None
        pieces = [section_pieces(section, octets) for octets in found]
        return [head for head, _ in pieces], [octets for _, octets in pieces]

    async def _header_fields(self, section: Section, facts: list[PostFacts], names: frozenset[bytes]) -> list[bytes]:
        key = key_of(section, names)
        known = self._posts.headers(key)
        found = [known.get(each.id) for each in facts]
        answers: list[bytes] = []
        for each, answer in zip(facts, found, strict=True):
            if answer is None:
                answer = section_octets(section, await octets_of(self._posts, section, each, names))
                self._posts.keep_header(key, each.id, answer)
            answers.append(answer)
        return answers


def _label(section: Section) -> bytes:
    return section_label(section).replace(b"%", b"%%") + b" %b"  # a field name may hold "%"


def _flags_column(snapshot: Snapshot, chunk: Sequence[int]) -> list[bytes]:
    keywords, bits = snapshot.keywords, of_column(snapshot.bits, chunk)
    if not keywords:
        return [WITHOUT_KEYWORDS[each] for each in bits]
    uids = of_column(snapshot.uids, chunk)
    return [flags_octets(each, keywords.get(uid, ())) for each, uid in zip(bits, uids, strict=True)]


def of_column(column: Sequence[int], chunk: Sequence[int]) -> Sequence[int]:
    """The column's values at these places, ascending; mostly they are neighbours, and a slice has them at once."""
    if chunk and chunk[-1] - chunk[0] + 1 == len(chunk):
        return column[chunk[0] : chunk[-1] + 1]
    return [column[index] for index in chunk]
