"""ESEARCH (RFC 7377): one search in several mailboxes, one response for each that has something.

Each mailbox is opened as by EXAMINE, up to date (promise 5), one after the other; the selected one stays selected.
What must stay true: what the user may not read is passed over without a word (RFC 7377 5); another's command goes
between two mailboxes.
"""

import asyncio
from array import array
from collections.abc import AsyncIterator
from dataclasses import replace

from opostd.imap.access import Access, look, others
from opostd.imap.commands.search import asks_for, esearch, highest_modseq, kept, matching, names_saved
from opostd.imap.faults import BadCharset
from opostd.imap.limits import MAX_MULTISEARCH_BOXES
from opostd.imap.live import Key
from opostd.imap.parse.search import CHARSETS
from opostd.imap.session import UTF8_ACCEPT, Reply, Selected, Session
from opostd.imap.state.scope import covers
from opostd.imap.values.responses import Condition, Done, ESearch
from opostd.imap.values.scope import Scope
from opostd.imap.values.search import Modified, MultiSearch, Option, SeqNumbers
from opostd.model.errors import LimitReached, NoSuchBox
from opostd.model.rights import Rights
from opostd.store import boxes
from opostd.store.names import is_shared


async def multisearch(session: Session, command: MultiSearch) -> Reply:
    """Nothing is answered for a mailbox where nothing was found (RFC 7377 2.1)."""
    if (why := _refusal(session, command)) is not None:
        yield Done(Condition.BAD, why)
        return
    if command.charset is not None and command.charset not in CHARSETS:
        if command.returns.save:
            session.box.saved = array("I")  # RFC 5182 2.1
        raise BadCharset(tuple(CHARSETS))
    if asks_for(command.key, Modified):
        for response in session.condstore():
            yield response
    searched: set[Key] = set()
    if _with_selected(command):
        searched.add(session.box.live.key)
        found = await _found(session, session.box, command)
        if found is not None and (command.returns.options != {Option.SAVE} or command.returns.partial is not None):
            yield found
    async for each in _sources(session, command, searched):
        yield each


def _with_selected(command: MultiSearch) -> bool:
    return not command.filters or any(each.scope is Scope.SELECTED for each in command.filters)


def _refusal(session: Session, command: MultiSearch) -> str | None:
    """Why this cannot be asked, or not now; None where it can (RFC 7377 2.2)."""
    alone = all(each.scope is Scope.SELECTED for each in command.filters)
    if _with_selected(command) and session.selected is None:
        return "no mailbox is selected"
    if command.returns.save and not alone:
        return "SAVE is for the selected mailbox alone"
    if not alone and names_saved(command.key):
        return "$ is of the selected mailbox alone"
    if command.charset is not None and UTF8_ACCEPT in session.enabled:
        return "no CHARSET after ENABLE UTF8=ACCEPT"  # RFC 6855 3
    return None


async def _sources(session: Session, command: MultiSearch, searched: set[Key]) -> AsyncIterator[ESearch]:
    chosen = [each for each in await _chosen(session, command) if each.key not in searched]
    if len(chosen) > MAX_MULTISEARCH_BOXES:
        raise LimitReached(f"one search goes through at most {MAX_MULTISEARCH_BOXES} mailboxes")
    for access in chosen:
        try:
            live = await session.services.hub.open(*access.key)
        except NoSuchBox:
            continue  # deleted a moment ago
        try:
            box = Selected.open(live, access.name, True, access.rights, not access.own)
            found = await _found(session, box, command)
        finally:
            session.services.hub.release(live)
        if found is not None:
            yield found
        await asyncio.sleep(0)


async def _chosen(session: Session, command: MultiSearch) -> list[Access]:
    """The mailboxes that the sources name, by name, each once; those of others that may be read among them."""
    filters = [each for each in command.filters if each.scope is not Scope.SELECTED]
    if not filters:
        return []
    run, owner = session.services.store.run, session.user.owner
    subscribed: set[str] = set()
    if any(each.scope is Scope.SUBSCRIBED for each in filters):
        subscribed = set(await run(boxes.lsub_names, owner))
    found = {box.name: Access(box, box.name) for box in await run(boxes.boxes, owner)}
    chosen = {name: each for name, each in found.items() if any(covers(one, name, subscribed) for one in filters)}
    of_others = [each for each in filters if each.scope not in (Scope.PERSONAL, Scope.INBOXES)]
    if any(map(is_shared, subscribed.union(*(each.names for each in of_others)))):
        for access in await others(session):
            if Rights.READ in access.rights and any(covers(one, access.name, subscribed) for one in of_others):
                chosen.setdefault(access.name, access)
        # What is named itself needs no right to be listed.
        for name in {name for each in of_others if each.scope is Scope.MAILBOXES for name in each.names}:
            if is_shared(name) and name not in chosen and (named := await _readable(session, name)) is not None:
                chosen.setdefault(named.name, named)
    return [chosen[name] for name in sorted(chosen)]


async def _readable(session: Session, name: str) -> Access | None:
    try:
        access = await look(session, name)
    except NoSuchBox:
        return None
    return access if Rights.READ in access.rights else None


async def _found(session: Session, box: Selected, command: MultiSearch) -> ESearch | None:
    """The response for one mailbox; None where nothing was found."""
    snapshot, returns = box.snapshot, command.returns
    try:
        found = await matching(session, box, command.key)
    except Exception:
        if returns.save:
            box.saved = array("I")  # the answer will be NO (RFC 5182 2.1)
        raise
    if returns.save:
        box.saved = array("I", [snapshot.uids[index] for index in kept(found, returns)])
    if not found:
        return None
    modseq = highest_modseq(snapshot, kept(found, returns)) if asks_for(command.key, Modified) else None
    response = esearch(session.tag, True, [snapshot.uids[index] for index in found], returns)
    return replace(response, modseq=modseq, mailbox=box.name, uidvalidity=snapshot.box.uidvalidity)


def with_numbers(command: MultiSearch) -> bool:
    """Whether its keys count messages (RFC 9586 3)."""
    return asks_for(command.key, SeqNumbers)


def without_numbers(command: MultiSearch) -> bool:
    """Whether messages may leave while it runs (RFC 7162 3.2.10.2)."""
    return not with_numbers(command)
