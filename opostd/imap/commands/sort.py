"""SORT and THREAD and their UID forms (RFC 5256, RFC 5957, RFC 5267 3): a SEARCH, put in order."""

import asyncio
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from opostd.imap.commands.search import asks_for, esearch, highest_modseq, kept, numbered, of_gone, results
from opostd.imap.format.any import format_response
from opostd.imap.session import Reply, Session
from opostd.imap.state.snapshot import Snapshot
from opostd.imap.state.threads import Threaded, by_references, by_subject
from opostd.imap.values.responses import SortData, ThreadData
from opostd.imap.values.search import Modified, Option
from opostd.imap.values.sort import Algorithm, Criterion, Sort, SortKey, Thread
from opostd.model.ids import PostId
from opostd.model.records import Sought

T = TypeVar("T")

OFF_LOOP = 500  # messages: more are put in order, and written, in a thread, for 10,000 take 60 ms

FROM_BOX: dict[SortKey, Callable[[Snapshot, int], int]] = {
    SortKey.ARRIVAL: lambda snapshot, index: snapshot.internaldates[index],
    SortKey.SIZE: lambda snapshot, index: snapshot.sizes[index],
}
FROM_POST: dict[SortKey, Callable[[Sought], str]] = {
    SortKey.CC: lambda sought: sought.cc,
    SortKey.DISPLAYFROM: lambda sought: sought.sender_display,
    SortKey.DISPLAYTO: lambda sought: sought.to_display,
    SortKey.FROM: lambda sought: sought.sender,
    SortKey.SUBJECT: lambda sought: sought.subject,
    SortKey.TO: lambda sought: sought.to,
}
NOTHING = Sought()  # of a post that the store has lost


async def sort(session: Session, command: Sort) -> Reply:
    """The numbers in the order asked for; or what RETURN asks for of them: MIN is the first, MAX the last."""
    box, returns = session.box, command.returns
    by_modseq = asks_for(command.key, Modified)
    if by_modseq:
        for response in session.condstore():
            yield response
    snapshot = box.snapshot
    found = await results(session, command.key, command.charset, returns)
    of_posts = any(each.key not in FROM_BOX for each in command.criteria)
    sought = await _sought(session, snapshot, found) if of_posts else {}
    ordered = await _off_loop(len(found), lambda: in_order(snapshot, found, sought, command.criteria))
    if returns is not None and returns.save:
        box.saved = array("I", sorted(snapshot.uids[index] for index in kept(ordered, returns)))
    numbers = numbered(box, snapshot, ordered, by_uid=command.by_uid)
    if returns is None:
        data = SortData(tuple(numbers), highest_modseq(snapshot, found) if by_modseq else None)
        yield await _off_loop(len(found), lambda: format_response(data))
    elif returns.options != {Option.SAVE} or returns.partial is not None:
        modseq = highest_modseq(snapshot, kept(ordered, returns)) if by_modseq else None
        yield replace(esearch(session.tag, command.by_uid, numbers, returns), modseq=modseq)
    for gone in of_gone(box, command):
        yield gone


def in_order(
    snapshot: Snapshot, found: Sequence[int], sought: dict[PostId, Sought], criteria: Sequence[Criterion]
) -> list[int]:
    """The places by the criteria, the first of them first; what is equal in all stays in the box's order."""
    ordered = list(found)
    for criterion in reversed(criteria):
        keys: dict[int, Any] = {index: _key(snapshot, index, sought, criterion.key) for index in found}
        ordered.sort(key=keys.__getitem__, reverse=criterion.reverse)  # equal ones keep their order, reversed or not
    return ordered


def _key(snapshot: Snapshot, index: int, sought: dict[PostId, Sought], key: SortKey) -> int | str:
    if (of_box := FROM_BOX.get(key)) is not None:
        return of_box(snapshot, index)
    post = sought.get(snapshot.post(index), NOTHING)
    return _sent(snapshot, index, post) if key is SortKey.DATE else FROM_POST[key](post)


def _sent(snapshot: Snapshot, index: int, post: Sought) -> int:
    """The sent date; INTERNALDATE where the message does not say (RFC 5256 2.2)."""
    return snapshot.internaldates[index] if post.sent is None else post.sent


async def thread(session: Session, command: Thread) -> Reply:
    box = session.box
    snapshot = box.snapshot
    found = await results(session, command.key, command.charset, None)
    sought = await _sought(session, snapshot, found)
    if not command.by_uid and box.view.uids is not snapshot.uids:
        found = [index for index in found if box.view.place(snapshot.uids[index]) is not None]
    numbers = numbered(box, snapshot, found, by_uid=command.by_uid)
    make = by_subject if command.algorithm is Algorithm.ORDEREDSUBJECT else by_references

    def threads() -> bytes:
        made = make([_message(*each, snapshot, sought) for each in zip(numbers, found, strict=True)])
        return format_response(ThreadData(made))

    yield await _off_loop(len(found), threads)
    for gone in of_gone(box, command):
        yield gone


def _message(number: int, index: int, snapshot: Snapshot, sought: dict[PostId, Sought]) -> Threaded:
    post = sought.get(snapshot.post(index), NOTHING)
    own, *references = post.references.split("\n")
    return Threaded(number, _sent(snapshot, index, post), post.subject, post.reply, own, tuple(references))


async def _sought(session: Session, snapshot: Snapshot, found: Sequence[int]) -> dict[PostId, Sought]:
    return await session.services.posts.sought(snapshot.posts(found))


async def _off_loop(count: int, work: Callable[[], T]) -> T:
    return work() if count < OFF_LOOP else await asyncio.to_thread(work)
