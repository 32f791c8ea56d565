"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, LIST, LSUB, STATUS (RFC 9051 6.3)."""

from opostd.imap.session import Reply, Session
from opostd.imap.state.match import listed
from opostd.imap.state.snapshot import Snapshot
from opostd.imap.values.commands import List, Mailbox, Rename, Status, StatusItem
from opostd.imap.values.responses import StatusData
from opostd.model.flags import SEEN
from opostd.store import boxes, sync


async def create(session: Session, command: Mailbox) -> Reply:
    """A last separator says only that names below will follow (RFC 9051 6.3.4)."""
    name = command.name.removesuffix("/")
    await session.services.store.run(boxes.create, session.user.owner, name, command.role)
    return
    yield


async def delete(session: Session, command: Mailbox) -> Reply:
    await session.services.store.run(boxes.delete, session.user.owner, command.name)
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
    names = [(box.name, box.role) for box in await store.run(boxes.boxes, owner)]
    subscribed = set(await store.run(boxes.lsub_names, owner))
    for response in listed(names, subscribed, command, lsub=lsub):
        yield response


async def status(session: Session, command: Status) -> Reply:
    """Up to date first (promise 5)."""
    services = session.services
    if StatusItem.HIGHESTMODSEQ in command.items:
        for response in session.condstore():
            yield response
    box = await services.store.run(boxes.box_named, session.user.owner, command.name)
    live = services.hub.live(box.owner, box.box)
    if live.known:
        values = _counted(await live.bring_up())
    else:
        await sync.bring_up(services.store, box.owner, box.box, now=services.now())
        found = await services.store.run(boxes.status, box.owner, box.box)
        values = {
            StatusItem.MESSAGES: found.messages,
            StatusItem.UNSEEN: found.unseen,
            StatusItem.UIDNEXT: found.uidnext,
            StatusItem.UIDVALIDITY: found.uidvalidity,
            StatusItem.RECENT: 0,
            StatusItem.HIGHESTMODSEQ: found.highestmodseq,
        }
    yield StatusData(command.name, tuple((item.value, values[item]) for item in command.items))


def _counted(snapshot: Snapshot) -> dict[StatusItem, int]:
    return {
        StatusItem.MESSAGES: len(snapshot),
        StatusItem.UNSEEN: sum(1 for bits in snapshot.bits if not bits & SEEN),
        StatusItem.UIDNEXT: snapshot.box.uidnext,
        StatusItem.UIDVALIDITY: snapshot.box.uidvalidity,
        StatusItem.RECENT: 0,
        StatusItem.HIGHESTMODSEQ: snapshot.modseq,
    }
