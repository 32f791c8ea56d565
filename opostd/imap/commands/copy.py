"""COPY, MOVE and their UID forms (RFC 9051 6.4.7, 6.4.8; COPYUID: RFC 4315 3): a row is made, no copy of a post."""

from opostd.imap.access import Access, find
from opostd.imap.commands.messages import chosen, uids_of, writable
from opostd.imap.format.sets import format_set
from opostd.imap.session import Reply, Selected, Session
from opostd.imap.values.commands import Copy
from opostd.imap.values.responses import Condition, Done, State
from opostd.model.errors import NoSuchBox
from opostd.model.rights import Rights
from opostd.store import moves
from opostd.store.moves import Copied


async def copy(session: Session, command: Copy) -> Reply:
    box, target = session.box, await _target(session, command.name)
    uids = uids_of(box.view, chosen(box, command.numbers, by_uid=command.by_uid))
    if target is None:
        yield NO_TARGET
    elif uids:
        copied = await session.services.store.run(
            moves.copy,
            *box.live.key,
            target.box.box,
            uids,
            session.services.now(),
            session.services.quota,
            target_owner=target.box.owner,
            scope=target.scope,
        )
        _put(session, target, copied)
        await _show_target(box, target)
        yield Done(Condition.OK, "copied", copyuid(copied, target))


async def move(session: Session, command: Copy) -> Reply:
    """COPYUID comes before the EXPUNGEs (RFC 6851 4.3), which the connection shows.

    Needs the rights of STORE +FLAGS (\\Deleted) and EXPUNGE beside those of COPY (RFC 6851 5).
    """
    box, target = writable(session, Rights.DELETE | Rights.EXPUNGE), await _target(session, command.name)
    uids = uids_of(box.view, chosen(box, command.numbers, by_uid=command.by_uid))
    if target is None:
        yield NO_TARGET
    elif uids:
        moved = await session.services.store.run(
            moves.move,
            *box.live.key,
            target.box.box,
            uids,
            session.services.now(),
            session.services.quota,
            target_owner=target.box.owner,
            scope=target.scope,
        )
        _put(session, target, moved)
        if (code := copyuid(moved, target)) is not None:
            yield State(Condition.OK, "moved", code)
        await box.live.left([uid for uid, _ in moved.pairs], moved.left)
        if moved.pairs:
            yield Done(Condition.OK, "moved", highestmodseq=True)  # of every client, says RFC 6851 4.4


NO_TARGET = Done(Condition.NO, "no such mailbox", b"TRYCREATE")  # RFC 9051 6.4.7


async def _target(session: Session, name: str) -> Access | None:
    try:
        return await find(session, name, Rights.INSERT)
    except NoSuchBox:
        return None


async def _show_target(box: Selected, target: Access) -> None:
    """A copy into the selected box itself is shown at once."""
    if box.live.key == target.key:
        await box.live.refresh()


def _put(session: Session, target: Access, copied: Copied) -> None:
    """Of what it does itself a client is not notified (RFC 5465 5)."""
    if session.notices is not None:
        session.notices.put(target.key, [uid for _, uid in copied.pairs])


def copyuid(copied: Copied, target: Access) -> bytes | None:
    """``COPYUID validity source target``; None where nothing was copied, or the target must not be read (6.4.7)."""
    if not copied.pairs or Rights.READ not in target.rights:
        return None
    before, after = zip(*copied.pairs, strict=True)
    return b"COPYUID %d %b %b" % (copied.uidvalidity, format_set(before), format_set(after))
