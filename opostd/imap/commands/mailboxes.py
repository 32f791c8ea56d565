"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, LIST, LSUB (RFC 9051 6.3; MAILBOXID: RFC 8474 4.1; RFC 5819).

A name is first one of the user's own boxes, then, below ``Shared``, one that others share (RFC 4314 4).
"""

from dataclasses import replace

from opostd.imap.access import Access, find, look, others
from opostd.imap.commands.metadata import annotations_of
from opostd.imap.commands.status import status_data, statuses
from opostd.imap.faults import BadUse
from opostd.imap.format.objectid import mailboxid
from opostd.imap.session import Reply, Session
from opostd.imap.state.match import listed, may_match
from opostd.imap.values.acl import MyRights
from opostd.imap.values.commands import List, Mailbox, Rename, StatusItem
from opostd.imap.values.metadata import MetadataData
from opostd.imap.values.responses import Condition, Done, Listed
from opostd.model.errors import NoSuchBox
from opostd.model.rights import Rights
from opostd.store import boxes, shared
from opostd.store.names import SHARED, is_shared


async def create(session: Session, command: Mailbox) -> Reply:
    """A last separator says only that names below will follow (RFC 9051 6.3.4)."""
    name, store = command.name.removesuffix("/"), session.services.store
    _own(session, name)
    if not is_shared(name):
        made = await store.run(boxes.create, session.user.owner, name, command.role)
    elif command.role:
        raise BadUse("a special use is of a mailbox of one's own")
    else:
        made = await store.run(shared.create, session.user.owner, name)
    yield Done(Condition.OK, "created", b"MAILBOXID (%b)" % mailboxid(made.box))


async def delete(session: Session, command: Mailbox) -> Reply:
    """A client that deletes the box it has selected has none selected afterwards, and hears its OK."""
    owner, store = session.user.owner, session.services.store
    _own(session, command.name)
    try:
        key = owner, await store.run(boxes.delete, owner, command.name)
    except NoSuchBox:
        if not is_shared(command.name):
            raise
        key = await store.run(shared.delete, owner, command.name)
    if session.selected is not None and session.selected.live.key == key:
        session.deselect()
    return
    yield


async def rename(session: Session, command: Rename) -> Reply:
    others_box = is_shared(command.old) and not (await look(session, command.old)).own
    store, new = session.services.store, command.new.removesuffix("/")
    _own(session, command.old, new)
    if others_box:
        await store.run(shared.rename, session.user.owner, command.old, new)
    else:
        await store.run(boxes.rename, session.user.owner, command.old, new)
    return
    yield


async def subscribe(session: Session, command: Mailbox) -> Reply:
    """The name need not be a box, now or ever (RFC 9051 6.3.7), but for what others share: that must be seen."""
    if is_shared(command.name):
        await find(session, command.name, Rights.LOOKUP)
    _own(session, command.name)
    await session.services.store.run(boxes.lsub_add, session.user.owner, command.name)
    return
    yield


async def unsubscribe(session: Session, command: Mailbox) -> Reply:
    _own(session, command.name)
    await session.services.store.run(boxes.lsub_remove, session.user.owner, command.name)
    return
    yield


def _own(session: Session, *names: str) -> None:
    """Of what it does itself a client is not notified (RFC 5465 5)."""
    if session.notices is not None:
        session.notices.renamed(*names)


async def list_(session: Session, command: List) -> Reply:
    async for response in _listed(session, command, lsub=False):
        yield response


async def lsub(session: Session, command: List) -> Reply:
    async for response in _listed(session, command, lsub=True):
        yield response


async def _listed(session: Session, command: List, *, lsub: bool) -> Reply:
    store, owner = session.services.store, session.user.owner
    found = {box.name: Access(box, box.name) for box in await store.run(boxes.boxes, owner)}
    if may_match(command, SHARED):
        found = {each.name: each for each in await others(session)} | found
    subscribed = set(await store.run(boxes.lsub_names, owner))
    responses = _responses(found, subscribed, command, lsub=lsub)
    if StatusItem.HIGHESTMODSEQ in command.status:
        for told in session.condstore():
            yield told
    shown = {response.name for response in responses}
    asked = bool(command.status or command.annotations) or "MYRIGHTS" in command.returns
    wanted = {
        name: each for name, each in found.items() if asked and name in shown and chosen(each, subscribed, command)
    }
    readable = [each.key for each in wanted.values() if command.status and Rights.READ in each.rights]
    counted = await statuses(session, readable) if readable else {}
    annotated = await annotations_of(session, list(wanted.values()), command.annotations)
    for response in responses:
        access = wanted.get(response.name)
        if access is not None and access.key in readable and access.key not in counted:
            # deleted a moment ago (RFC 5819 2)
            yield replace(response, attributes=("\\NonExistent", "\\Noselect", *response.attributes))
            continue
        yield response
        if access is not None and "MYRIGHTS" in command.returns:
            yield MyRights(access.name, access.rights)
        if access is not None and access.key in annotated:
            yield MetadataData(response.name, annotated[access.key])
        if access is not None and access.key in counted:
            limit = session.services.limits.max_message_octets
            yield status_data(response.name, command.status, counted[access.key], limit)


def _responses(found: dict[str, Access], subscribed: set[str], command: List, *, lsub: bool) -> list[Listed]:
    """What is listed; a box that may not be read cannot be selected either."""
    responses = listed([(each.name, each.role) for each in found.values()], subscribed, command, lsub=lsub)
    closed = {name for name, each in found.items() if Rights.READ not in each.rights}
    if not closed:
        return responses
    return [
        replace(each, attributes=("\\Noselect", *each.attributes)) if each.name in closed else each
        for each in responses
    ]


async def itself(session: Session, box: Access) -> Reply:
    """The LIST response of one mailbox, as SELECT shows it (RFC 9051 6.3.2)."""
    store, owner = session.services.store, session.user.owner
    if box.own:
        names = [(each.name, each.role) for each in await store.run(boxes.boxes, owner)]
    else:
        names = list({box.name: "", **{each.name: "" for each in await others(session)}}.items())
    subscribed = set(await store.run(boxes.lsub_names, owner))
    command = List("", (box.name,), returns=frozenset({"SUBSCRIBED"}), extended=True)
    for response in listed(names, subscribed, command, lsub=False):
        yield response


def chosen(box: Access, subscribed: set[str], command: List) -> bool:
    """Whether a box is listed for its own sake, not for one below it: only then it has a STATUS (RFC 5819 3)."""
    if "SUBSCRIBED" in command.select and box.name not in subscribed:
        return False
    return "SPECIAL-USE" not in command.select or bool(box.role)
