"""SEARCH and UID SEARCH (RFC 9051 6.4.4, RFC 3501 6.4.4; RFC 4731, 5182): every key, over the messages there are.

Keys narrow a list of candidates, the cheap ones first; header keys read the posts' facts, BODY and TEXT ask the
store, which looks into the decoded text and sends back only which posts match.
"""

import asyncio
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace

from opostd.imap.commands.messages import chosen
from opostd.imap.faults import BadCharset
from opostd.imap.format.objectid import email_of, thread_of
from opostd.imap.parse.search import CHARSETS
from opostd.imap.posts import PAGE
from opostd.imap.session import UTF8_ACCEPT, Reply, Selected, Session
from opostd.imap.state.numbers import part
from opostd.imap.state.snapshot import Snapshot
from opostd.imap.values.responses import Condition, Done, ESearch, SearchData
from opostd.imap.values.search import (
    ALL_OF_THEM,
    Aged,
    All,
    And,
    Body,
    Dated,
    DateField,
    EmailId,
    HasFlag,
    HasKeyword,
    Header,
    InText,
    Key,
    Larger,
    Modified,
    Not,
    Option,
    Or,
    Order,
    Recent,
    Returns,
    Search,
    SeqNumbers,
    Smaller,
    ThreadId,
    Uids,
)
from opostd.imap.values.sets import SavedResult
from opostd.imap.values.sort import Sort, Thread
from opostd.intake.indexing import complete
from opostd.mime.casemap import casemap
from opostd.model.errors import BadSyntax
from opostd.model.ids import PostId
from opostd.model.records import PostFacts
from opostd.store import changes
from opostd.store import search as looking
from opostd.store.search import Needle, Where

DAY_S = 24 * 60 * 60
FEW = 64  # posts that are looked into sooner than the index has answered
COST = {Dated: 1, ThreadId: 2, Header: 2, InText: 3, Body: 3}  # 0 for all that needs only the box's own columns


async def search(session: Session, command: Search) -> Reply:
    """The numbers of matching messages, ascending; or what RETURN asks for of them, in one ESEARCH."""
    box = session.box
    returns = command.returns
    if command.charset is not None and UTF8_ACCEPT in session.enabled:
        yield Done(Condition.BAD, "no CHARSET after ENABLE UTF8=ACCEPT")  # RFC 6855 3: it could only contradict
        return
    if returns is None and session.rev2:
        returns = ALL_OF_THEM  # RFC 9051 6.4.4: then there is no SEARCH response
    by_modseq = asks_for(command.key, Modified)
    if by_modseq:
        for response in session.condstore():
            yield response
    snapshot = box.snapshot
    found = await results(session, command.key, command.charset, returns)
    if returns is not None and returns.save:
        box.saved = array("I", [snapshot.uids[index] for index in kept(found, returns)])
    numbers = numbered(box, snapshot, found, by_uid=command.by_uid)
    if returns is None:
        yield SearchData(tuple(numbers), highest_modseq(snapshot, found) if by_modseq else None)
    elif (
        returns.options != {Option.SAVE} or returns.partial is not None
    ):  # alone it is answered by the tagged line (RFC 5182 1)
        modseq = highest_modseq(snapshot, kept(found, returns)) if by_modseq else None
        yield replace(esearch(session.tag, command.by_uid, numbers, returns), modseq=modseq)
    for gone in of_gone(box, command):
        yield gone


def of_gone(box: Selected, command: Search | Sort | Thread) -> list[Done]:
    """Says that the client still counts what has gone, and will be told of it by its next NOOP (RFC 5530 3)."""
    if without_numbers(command) or box.view.expunges == box.snapshot.expunges:
        return []
    return [Done(Condition.OK, "some messages are gone", b"EXPUNGEISSUED")]


def highest_modseq(snapshot: Snapshot, found: Sequence[int]) -> int | None:
    """Of these messages; None where there are none (RFC 7162 3.1.6; with MIN and MAX alone: RFC 4731 3.2)."""
    return max([snapshot.modseqs[index] for index in found], default=None)


def asks_for(key: Key, kind: type) -> bool:
    """Whether a key of this kind stands anywhere in the tree."""
    match key:
        case Not(inner):
            return asks_for(inner, kind)
        case Or(left, right):
            return asks_for(left, kind) or asks_for(right, kind)
        case And(keys):
            return any(asks_for(each, kind) for each in keys)
        case SeqNumbers(SavedResult()):
            return False  # it names messages, and counts none (RFC 5182 2.1)
    return isinstance(key, kind)


def names_saved(key: Key) -> bool:
    """Whether ``$`` stands anywhere in the tree."""
    match key:
        case Not(inner):
            return names_saved(inner)
        case Or(left, right):
            return names_saved(left) or names_saved(right)
        case And(keys):
            return any(map(names_saved, keys))
        case SeqNumbers(SavedResult()) | Uids(SavedResult()):
            return True
    return False


async def matching(session: Session, box: Selected, key: Key) -> Sequence[int]:
    """The places in the snapshot of a box, selected or not, of the messages that match, ascending."""
    return await _Searcher(session, box).matching(key, range(len(box.snapshot)))


def without_numbers(command: Search | Sort | Thread) -> bool:
    """Whether messages may leave while it runs: not where its keys count them (RFC 7162 3.2.10.2)."""
    return not with_numbers(command)


def with_numbers(command: Search | Sort | Thread) -> bool:
    """Whether its keys or its answer count messages."""
    return not command.by_uid or asks_for(command.key, SeqNumbers)


async def results(session: Session, key: Key, charset: str | None, returns: Returns | None) -> Sequence[int]:
    """The places in the snapshot of the messages that match, ascending.  Raises BadCharset.

    Where the answer will be NO, a result that was to be saved is the empty one (RFC 5182 2.1).
    """
    box = session.box
    try:
        if charset is not None and charset not in CHARSETS:
            raise BadCharset(tuple(CHARSETS))
        return await matching(session, box, key)
    except BadSyntax:
        raise
    except Exception:
        if returns is not None and returns.save:
            box.saved = array("I")
        raise


def numbered(box: Selected, snapshot: Snapshot, found: Sequence[int], *, by_uid: bool) -> list[int]:
    """UIDs, or numbers as the client counts, in the order found; without what it does not count."""
    if by_uid:
        return [snapshot.uids[index] for index in found]
    if box.view.uids is snapshot.uids:
        return [index + 1 for index in found]
    places = (box.view.place(snapshot.uids[index]) for index in found)
    return [place + 1 for place in places if place is not None]


def kept(found: Sequence[int], returns: Returns) -> Sequence[int]:
    """What SAVE keeps: all, but with MIN, MAX or PARTIAL alone only these (RFC 5182 2.4, RFC 9394 3.2)."""
    options = returns.options - {Option.SAVE}
    nothing_else = not options and returns.partial is None
    if not found or nothing_else or options & {Option.ALL, Option.COUNT}:
        return found
    some = set(part(found, returns.partial)) if returns.partial is not None else set()
    ends = ({found[0]} if Option.MIN in options else set()) | ({found[-1]} if Option.MAX in options else set())
    return sorted(some | ends)


def esearch(tag: bytes, by_uid: bool, numbers: Sequence[int], returns: Returns) -> ESearch:
    """What is asked of the numbers found, in their order; only COUNT is there where nothing is (RFC 4731 3.1)."""
    options = returns.options
    return ESearch(
        tag,
        by_uid,
        min=numbers[0] if numbers and Option.MIN in options else None,
        max=numbers[-1] if numbers and Option.MAX in options else None,
        count=len(numbers) if Option.COUNT in options else None,
        all=tuple(numbers) if Option.ALL in options else (),
        partial=None if returns.partial is None else (returns.partial, tuple(part(numbers, returns.partial))),
    )


class _Searcher:
    """Evaluates one search over one snapshot; candidates are places in it, ascending."""

    def __init__(self, session: Session, box: Selected) -> None:
        self._session = session
        self._services = session.services
        self._box = box
        self._snapshot: Snapshot = box.snapshot
        self._now = session.services.now()

    async def matching(self, key: Key, candidates: Sequence[int]) -> Sequence[int]:
        """Those of the candidates that match, in their order."""
        match key:
            case All():
                return candidates
            case And(keys):
                for each in sorted(keys, key=_cost):
                    candidates = await self.matching(each, candidates)
                return candidates
            case Or(left, right):
                first = set(await self.matching(left, candidates))
                rest = await self.matching(right, [index for index in candidates if index not in first])
                return sorted(first.union(rest))
            case Not(inner):
                out = set(await self.matching(inner, candidates))
                return [index for index in candidates if index not in out]
            case SeqNumbers(numbers):
                return self._numbered(candidates, chosen(self._box, numbers, by_uid=False, clamped=True))
            case Uids(numbers):
                return self._numbered(candidates, chosen(self._box, numbers, by_uid=True))
            case Header(field, value):
                name = casemap(field.decode("latin-1"))
                return await self._by_needle(candidates, Needle(casemap(value), Where.HEADER, name))
            case Dated(DateField.SENT, order, day):
                return await self._by_facts(candidates, lambda facts: _compare(facts.sent_day, order, day))
            case Dated(DateField.SAVED, order, day):
                return await self._saved(candidates, order, day)
            case EmailId(objectid):
                post = email_of(objectid)
                places = set() if post is None else self._snapshot.places(post)
                return [index for index in candidates if index in places]
            case ThreadId(objectid):
                thread = thread_of(objectid)
                return [] if thread is None else await self._by_facts(candidates, lambda facts: facts.thread == thread)
            case Body(value):
                return await self._by_needle(candidates, Needle(casemap(value), Where.BODY))
            case InText(value):
                return await self._by_needle(candidates, Needle(casemap(value), Where.TEXT))
            case _:
                test = self._column_test(key)
                return [index for index in candidates if test(index)]

    def _column_test(self, key: Key) -> Callable[[int], bool]:
        snapshot = self._snapshot
        match key:
            case HasFlag(bit, wanted):
                bits = snapshot.bits
                return lambda index: bool(bits[index] & bit) is wanted
            case HasKeyword(keyword, wanted):
                low, uids, keywords = keyword.lower(), snapshot.uids, snapshot.keywords
                return lambda index: (low in (k.lower() for k in keywords.get(uids[index], ()))) is wanted
            case Recent(recent):
                return lambda index: not recent
            case Aged(seconds, older):
                moment, dates = self._now - seconds, snapshot.internaldates
                if older:
                    return lambda index: dates[index] <= moment
                return lambda index: dates[index] >= moment
            case Modified(modseq):
                return lambda index: snapshot.modseqs[index] >= modseq
            case Larger(octets):
                return lambda index: snapshot.sizes[index] > octets
            case Smaller(octets):
                return lambda index: snapshot.sizes[index] < octets
            case Dated(_, order, day):
                return lambda index: _compare(snapshot.internaldates[index] // DAY_S, order, day)
        raise TypeError(f"no such search key: {key!r}")

    async def _saved(self, candidates: Sequence[int], order: Order, day: int) -> list[int]:
        """By SAVEDATE, which is asked of the store: few ask for it, so the columns do without (RFC 8514 4.3)."""
        if not candidates:
            return []
        uids = self._snapshot.uids
        saved = await self._services.store.run(
            changes.savedates, *self._box.live.key, uids[candidates[0]], uids[candidates[-1]]
        )
        return [
            index for index in candidates if uids[index] in saved and _compare(saved[uids[index]] // DAY_S, order, day)
        ]

    def _numbered(self, candidates: Sequence[int], ranges: Sequence[tuple[int, int]]) -> list[int]:
        view = self._box.view
        if view.uids is self._snapshot.uids:
            wanted = {place for start, stop in ranges for place in range(start, stop)}
        else:
            found = (view.index(self._snapshot, place) for start, stop in ranges for place in range(start, stop))
            wanted = {index for index in found if index is not None}
        return [index for index in candidates if index in wanted]

    async def _by_facts(self, candidates: Sequence[int], test: Callable[[PostFacts], bool]) -> list[int]:
        found: list[int] = []
        for at in range(0, len(candidates), PAGE):
            page = candidates[at : at + PAGE]
            ids = self._snapshot.posts(page)
            by_id = await self._services.posts.facts(ids)
            matching = {id_ for id_, facts in by_id.items() if test(facts)}
            found += [index for index, id_ in zip(page, ids, strict=True) if id_ in matching]
            self._session.looked += len(page)
            await asyncio.sleep(0)  # others' commands go between two pages
        return found

    async def _by_needle(self, candidates: Sequence[int], needle: Needle) -> Sequence[int]:
        """The index narrows, then each post that is left is looked into."""
        if not needle.text and needle.where is not Where.HEADER:
            return candidates  # the empty string is in every text
        run = self._services.store.run
        ids = self._snapshot.posts(candidates)
        left: Sequence[PostId] = list(dict.fromkeys(ids))
        if len(left) > FEW:
            narrowed = await run(looking.may_hold, left, needle)
            left = left if narrowed is None else narrowed
        found: set[PostId] = set()
        for at in range(0, len(left), PAGE):  # others' reads go between two pages
            held, rowless = await run(looking.matching, left[at : at + PAGE], needle)
            found |= held
            self._session.looked += len(left[at : at + PAGE])
            if rowless:
                await complete(self._services.store, rowless)
                found |= (await run(looking.matching, rowless, needle))[0]
        return [index for index, id_ in zip(candidates, ids, strict=True) if id_ in found] if found else []


def _cost(key: Key) -> int:
    match key:
        case Not(inner):
            return _cost(inner)
        case Or(left, right):
            return max(_cost(left), _cost(right))
        case And(keys):
            return max(map(_cost, keys), default=0)
    return COST.get(type(key), 0)


def _compare(day: int, order: Order, wanted: int) -> bool:
    if order is Order.BEFORE:
        return day < wanted
    return day >= wanted if order is Order.SINCE else day == wanted
