"""STATUS (RFC 9051 6.3.11), of one mailbox and of those that LIST shows (RFC 5819).

Up to date first (promise 5): whatever the number of boxes, what their subscriptions owe them is asked in a few
statements, and only boxes that are owed something are written.
"""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from opostd.imap.access import find_to_read
from opostd.imap.format.objectid import mailboxid
from opostd.imap.session import Reply, Session
from opostd.imap.state.snapshot import Snapshot
from opostd.imap.values.commands import Status, StatusItem
from opostd.imap.values.responses import StatusData
from opostd.model.errors import NoSuchBox
from opostd.model.flags import DELETED, SEEN, UNCHARGED
from opostd.model.ids import BoxId, OwnerId
from opostd.store import boxes
from opostd.store.boxes import Status as Counted

Key = tuple[OwnerId, BoxId]
UNSEEN_BITS = bytes(not bits & SEEN for bits in range(256))
DELETED_BITS = bytes(bool(bits & DELETED) for bits in range(256))


async def status(session: Session, command: Status) -> Reply:
    if StatusItem.HIGHESTMODSEQ in command.items:
        for response in session.condstore():
            yield response
    services = session.services
    box = await find_to_read(session, command.name)
    key = box.key
    live = services.hub.live(*key)
    if live.known:
        found = {key: counted(await live.bring_up(box.looked))}
    else:
        found = await statuses(session, [key])
    if key not in found:
        raise NoSuchBox("no such mailbox")
    yield status_data(command.name, command.items, found[key], services.limits.max_message_octets)


async def statuses(session: Session, keys: Sequence[Key], *, carried: bool = False) -> dict[Key, Counted]:
    """Boxes, brought up to date and counted; one that is deleted meanwhile is left out.

    carried: the hub follows what their subscriptions owe them, and has told of a change: they are only counted.
    A box whose newest state this process has is counted here, the others by the store.
    """
    if not carried:
        await session.services.hub.bring_up(keys)
    by_owner: dict[OwnerId, list[BoxId]] = {}
    for owner, id_ in keys:
        by_owner.setdefault(owner, []).append(id_)
    return {
        (owner, id_): counted
        for owner, ids in by_owner.items()
        for id_, counted in (await _of_owner(session, owner, ids)).items()
    }


async def _of_owner(session: Session, owner: OwnerId, ids: Sequence[BoxId]) -> dict[BoxId, Counted]:
    hub, store = session.services.hub, session.services.store
    found: dict[BoxId, Counted] = {}
    lives = {id_: live for id_ in ids if (live := hub.live(owner, id_)).known}
    for box in await store.run(boxes.boxes_by_id, owner, list(lives)) if lives else []:
        snapshot = lives[box.box].snapshot
        if snapshot.box.highestmodseq == box.highestmodseq:
            found[box.box] = counted(snapshot)
    missing = [id_ for id_ in ids if id_ not in found]
    if missing:
        found.update((each.box, each) for each in await store.run(boxes.statuses, owner, missing))
    return found


def counted(snapshot: Snapshot) -> Counted:
    """What STATUS tells of a snapshot, counted once: a box that is asked about again has mostly not changed."""
    found = _COUNTED.get(snapshot)
    if found is None:
        found = _COUNTED[snapshot] = _count(snapshot)
    return found


_COUNTED: WeakKeyDictionary[Snapshot, Counted] = WeakKeyDictionary()


def _count(snapshot: Snapshot) -> Counted:
    bits = snapshot.bits.tobytes()
    deleted = bits.translate(DELETED_BITS).count(1)
    return Counted(
        snapshot.box.box,
        len(snapshot),
        bits.translate(UNSEEN_BITS).count(1),
        deleted,
        snapshot.box.uidnext,
        snapshot.box.uidvalidity,
        snapshot.modseq,
        sum(snapshot.sizes),
        _reclaimed(snapshot) if deleted else 0,
    )


def _reclaimed(snapshot: Snapshot) -> int:
    """Octets that the account would have less without its ``\\Deleted`` messages (RFC 9208 4.1.4)."""
    return sum(
        size
        for size, bits in zip(snapshot.sizes, snapshot.bits, strict=True)
        if bits & (DELETED | UNCHARGED) == DELETED
    )


def status_data(name: str, items: Sequence[StatusItem], counted: Counted, append_limit: int) -> StatusData:
    """What is asked of a box.  RECENT is always 0 (``extensions``); append_limit: octets, the same for all boxes."""
    values: dict[StatusItem, int | bytes] = {
        StatusItem.MESSAGES: counted.messages,
        StatusItem.RECENT: 0,
        StatusItem.UIDNEXT: counted.uidnext,
        StatusItem.UIDVALIDITY: counted.uidvalidity,
        StatusItem.UNSEEN: counted.unseen,
        StatusItem.HIGHESTMODSEQ: counted.highestmodseq,
        StatusItem.DELETED: counted.deleted,
        StatusItem.SIZE: counted.size,
        StatusItem.APPENDLIMIT: append_limit,
        StatusItem.DELETED_STORAGE: counted.deleted_storage,
        StatusItem.MAILBOXID: b"(%b)" % mailboxid(counted.box),
    }
    return StatusData(name, tuple((item.value, values[item]) for item in items))
