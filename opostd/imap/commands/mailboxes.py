"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, LIST, LSUB (RFC 9051 6.3; MAILBOXID: RFC 8474 4.1; RFC 5819)."""

from dataclasses import replace

from opostd.imap.commands.status import status_data, statuses
from opostd.imap.format.objectid import mailboxid
from opostd.imap.session import Reply, Session
from opostd.imap.state.match import listed
from opostd.imap.values.commands import List, Mailbox, Rename, StatusItem
from opostd.imap.values.responses import Condition, Done
from opostd.model.records import Box
from opostd.store import boxes


async def create(session: Session, command: Mailbox) -> Reply:
    """A last separator says only that names below will follow (RFC 9051 6.3.4)."""
    name = command.name.removesuffix("/")
    made = await session.services.store.run(boxes.create, session.user.owner, name, command.role)
    yield Done(Condition.OK, "created", b"MAILBOXID (%b)" % mailboxid(made.box))


async def delete(session: Session, command: Mailbox) -> Reply:
    """A client that deletes the box it has selected has none selected afterwards, and hears its OK."""
    owner = session.user.owner
    box = await session.services.store.run(boxes.delete, owner, command.name)
    if session.selected is not None and session.selected.live.key == (owner, box):
        session.deselect()
    return
    yield


async def rename(session: Session, command: Rename) -> Reply:
    await session.services.store.run(boxes.rename, session.user.owner, command.old, command.new.removesuffix("/"))
    return
    yield


async def subscribe(session: Session, command: Mailbox) -> Reply:
    """The name need not be a box, now or ever (RFC 9051 6.3.7)."""
    await session.services.store.run(boxes.lsub_add, session.user.owner, command.name)
    return
    yield


async def unsubscribe(session: Session, command: Mailbox) -> Reply:
    await session.services.store.run(boxes.lsub_remove, session.user.owner, command.name)
    return
    yield


async def list_(session: Session, command: List) -> Reply:
    async for response in _listed(session, command, lsub=False):
        yield response


async def lsub(session: Session, command: List) -> Reply:
    async for response in _listed(session, command, lsub=True):
        yield response


async def _listed(session: Session, command: List, *, lsub: bool) -> Reply:
    store, owner = session.services.store, session.user.owner
    found = await store.run(boxes.boxes, owner)
    subscribed = set(await store.run(boxes.lsub_names, owner))
    responses = listed([(box.name, box.role) for box in found], subscribed, command, lsub=lsub)
    if not command.status:
        for response in responses:
            yield response
        return
    if StatusItem.HIGHESTMODSEQ in command.status:
        for told in session.condstore():
            yield told
    shown = {response.name for response in responses}
    wanted = {box.name: box for box in found if box.name in shown and chosen(box, subscribed, command)}
    counted = await statuses(session, [box.box for box in wanted.values()])
    for response in responses:
        box = wanted.get(response.name)
        if box is not None and box.box not in counted:  # deleted a moment ago (RFC 5819 2)
            yield replace(response, attributes=("\\NonExistent", "\\Noselect", *response.attributes))
            continue
        yield response
        if box is not None:
            yield status_data(response.name, command.status, counted[box.box])


async def itself(session: Session, name: str) -> Reply:
    """The LIST response of one mailbox, as SELECT shows it (RFC 9051 6.3.2)."""
    store, owner = session.services.store, session.user.owner
    names = [(box.name, box.role) for box in await store.run(boxes.boxes, owner)]
    subscribed = set(await store.run(boxes.lsub_names, owner))
    for response in listed(
        names, subscribed, List("", (name,), returns=frozenset({"SUBSCRIBED"}), extended=True), lsub=False
    ):
        yield response


def chosen(box: Box, subscribed: set[str], command: List) -> bool:
    """Whether a box is listed for its own sake, not for one below it: only then it has a STATUS (RFC 5819 3)."""
    if "SUBSCRIBED" in command.select and box.name not in subscribed:
        return False
    return "SPECIAL-USE" not in command.select or bool(box.role)
