"""SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE and UID EXPUNGE (RFC 9051 6.3.2, 6.4; RFC 3691; RFC 4315)."""

from opostd.imap.commands.messages import chosen, uids_of, writable
from opostd.imap.format.fetch import flags_list
from opostd.imap.session import Reply, Selected, Session
from opostd.imap.state.snapshot import Snapshot
from opostd.imap.values.commands import Bare, Select, UidExpunge
from opostd.imap.values.responses import BoxFlags, Condition, Done, Exists, Recent, State
from opostd.model.flags import ALL_FLAGS, SEEN
from opostd.store import boxes, moves


async def select(session: Session, command: Select) -> Reply:
    async for response in _open(session, command.name, read_only=False):
        yield response


async def examine(session: Session, command: Select) -> Reply:
    async for response in _open(session, command.name, read_only=True):
        yield response


async def _open(session: Session, name: str, *, read_only: bool) -> Reply:
    session.deselect()  # even when the new one cannot be selected (RFC 9051 6.3.2)
    services = session.services
    box = await services.store.run(boxes.box_named, session.user.owner, name)
    live = await services.hub.open(box.owner, box.box)
    session.selected = Selected.open(live, box.name, read_only)
    snapshot = live.snapshot
    keywords = snapshot.keywords_in_use()
    yield BoxFlags(keywords)
    yield Exists(len(snapshot))
    yield Recent(0)
    if (unseen := first_unseen(snapshot)) is not None:
        yield State(Condition.OK, "first unseen", b"UNSEEN %d" % unseen)
    permanent = b"()" if read_only else flags_list(ALL_FLAGS, (*keywords, "\\*"))
    yield State(Condition.OK, "kept", b"PERMANENTFLAGS " + permanent)
    yield State(Condition.OK, "the same UIDs for ever", b"UIDVALIDITY %d" % snapshot.box.uidvalidity)
    yield State(Condition.OK, "predicted", b"UIDNEXT %d" % snapshot.box.uidnext)
    yield Done(Condition.OK, "selected", b"READ-ONLY" if read_only else b"READ-WRITE")


def first_unseen(snapshot: Snapshot) -> int | None:
    """The sequence number of the first message without ``\\Seen`` (RFC 3501 7.1)."""
    return next((at + 1 for at, bits in enumerate(snapshot.bits) if not bits & SEEN), None)


async def close(session: Session, _: Bare) -> Reply:
    """Removes what is ``\\Deleted``, without a word of it (RFC 9051 6.4.1)."""
    box = session.box
    if not box.read_only:
        await session.services.store.run(moves.expunge, *box.live.key, None, True)
    session.deselect()
    return
    yield


async def unselect(session: Session, _: Bare) -> Reply:
    session.deselect()
    return
    yield


async def expunge(session: Session, _: Bare) -> Reply:
    """The connection shows the EXPUNGE responses, from the box's new state."""
    box = writable(session)
    await session.services.store.run(moves.expunge, *box.live.key, None, True)
    await box.live.refresh()
    return
    yield


async def uid_expunge(session: Session, command: UidExpunge) -> Reply:
    box = writable(session)
    uids = uids_of(box.view, chosen(box, command.numbers, by_uid=True))
    if uids:
        await session.services.store.run(moves.expunge, *box.live.key, uids, True)
        await box.live.refresh()
    return
    yield
