"""SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE and UID EXPUNGE (RFC 9051 6.3.2, 6.4; RFC 3691; RFC 4315; RFC 7162)."""

from opostd.imap.access import find_to_read
from opostd.imap.commands.fetch import lines
from opostd.imap.commands.mailboxes import itself
from opostd.imap.commands.messages import changed_since, chosen, uids_of, vanished_since, writable
from opostd.imap.commands.status import UNSEEN_BITS
from opostd.imap.format.fetch import flags_list
from opostd.imap.format.objectid import mailboxid
from opostd.imap.session import Reply, Selected, Session
from opostd.imap.state.snapshot import Snapshot
from opostd.imap.values.commands import Bare, Resync, Select, UidExpunge
from opostd.imap.values.fetch import Item
from opostd.imap.values.responses import BoxFlags, Condition, Done, Exists, Recent, State
from opostd.model.rights import CHANGING, NO_RIGHTS, Rights, flag_scope
from opostd.store import moves


async def select(session: Session, command: Select) -> Reply:
    async for response in _open(session, command, read_only=False):
        yield response


async def examine(session: Session, command: Select) -> Reply:
    async for response in _open(session, command, read_only=True):
        yield response


async def _open(session: Session, command: Select, *, read_only: bool) -> Reply:
    if command.resync is not None and not session.qresync:
        yield Done(Condition.BAD, "ENABLE QRESYNC first")  # RFC 7162 3.2.3
        return
    if session.selected is not None:
        session.deselect()  # even when the new one cannot be selected (RFC 9051 6.3.2)
        yield State(Condition.OK, "the mailbox before is closed", b"CLOSED")  # RFC 7162 3.2.11
    if command.condstore:
        session.condstore()
    services = session.services
    box = await find_to_read(session, command.name)
    live = await services.hub.open(*box.key, box.looked)
    session.selected = Selected.open(live, box.name, read_only, box.rights, foreign=not box.own)
    snapshot = live.snapshot
    yield BoxFlags(snapshot.keywords_in_use())
    yield Exists(len(snapshot))
    if session.rev2:
        async for listed in itself(session, box):
            yield listed
    else:
        yield Recent(0)
    # IMAP4rev2 has dropped it; under UIDONLY it would be a message number (RFC 9051 E 11, RFC 9586 3)
    unseen = None if session.rev2 or session.manner.uid_only else first_unseen(snapshot)
    if unseen is not None:
        yield State(Condition.OK, "first unseen", b"UNSEEN %d" % unseen)
    yield permanent_flags(session.selected)
    yield State(Condition.OK, "the same UIDs for ever", b"UIDVALIDITY %d" % snapshot.box.uidvalidity)
    yield State(Condition.OK, "predicted", b"UIDNEXT %d" % snapshot.box.uidnext)
    yield State(Condition.OK, "the same under any name", b"MAILBOXID (%b)" % mailboxid(box.box.box))
    yield State(Condition.OK, "up to this change", b"HIGHESTMODSEQ %d" % snapshot.modseq)
    if command.resync is not None and command.resync.uidvalidity == snapshot.box.uidvalidity:
        async for each in _resync(session, command.resync):
            yield each
    changes_nothing = read_only or not box.rights & CHANGING
    yield Done(Condition.OK, "selected", b"READ-ONLY" if changes_nothing else b"READ-WRITE")


def permanent_flags(box: Selected) -> State:
    """What this client may change (RFC 9051 7.1; RFC 4314 5.1.1)."""
    scope = flag_scope(NO_RIGHTS if box.read_only else box.rights)
    keywords = (*box.snapshot.keywords_in_use(), "\\*") if scope.keywords else ()
    return State(Condition.OK, "kept", b"PERMANENTFLAGS " + flags_list(scope.bits, keywords))


async def _resync(session: Session, resync: Resync) -> Reply:
    """What has left and what has changed since (RFC 7162 3.2.5.1).

    Nothing that left is ever forgotten here, so the sequence match data, which would narrow what a forgetful server
    tells, is not needed (RFC 7162 5.3).
    """
    for gone in await vanished_since(session, resync.modseq, resync.known):
        yield gone
    found = changed_since(session.box, resync.modseq, resync.known)
    items = (Item.FLAGS, Item.MODSEQ) if session.manner.uid_only else (Item.UID, Item.FLAGS, Item.MODSEQ)
    async for pieces in lines(session, found, items):
        yield pieces


def with_numbers(command: Select) -> bool:
    """Whether it has message numbers: in the sequence match data (RFC 9586 3.7)."""
    return command.resync is not None and command.resync.match is not None


def first_unseen(snapshot: Snapshot) -> int | None:
    """The sequence number of the first message without ``\\Seen`` (RFC 3501 7.1)."""
    return (snapshot.bits.tobytes().translate(UNSEEN_BITS).find(1) + 1) or None


async def close(session: Session, _: Bare) -> Reply:
    """Removes what is ``\\Deleted``, without a word of it (RFC 9051 6.4.1), where the user may (RFC 4314 4)."""
    box = session.box
    if not box.read_only and Rights.EXPUNGE in box.rights:
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
    box = writable(session, Rights.EXPUNGE)
    gone = await box.live.expunge(None, deleted_only=True)
    if gone and session.qresync:
        yield EXPUNGED


async def uid_expunge(session: Session, command: UidExpunge) -> Reply:
    box = writable(session, Rights.EXPUNGE)
    uids = uids_of(box.view, chosen(box, command.numbers, by_uid=True))
    if uids:
        gone = await box.live.expunge(uids, deleted_only=True)
        if gone and session.qresync:
            yield EXPUNGED


EXPUNGED = Done(Condition.OK, "expunged", highestmodseq=True)  # RFC 7162 3.2.7, 3.2.9; never at CLOSE: 3.2.8
