"""STORE and UID STORE (RFC 9051 6.4.6; UNCHANGEDSINCE and MODIFIED: RFC 7162 3.1.3)."""

from collections.abc import Sequence

from opostd.imap.commands.fetch import lines
from opostd.imap.commands.messages import chosen, count, indexes, uid_ranges, writable
from opostd.imap.format.sets import format_set
from opostd.imap.session import Reply, Selected, Session
from opostd.imap.values.commands import Store
from opostd.imap.values.fetch import Item
from opostd.imap.values.responses import Condition, Done
from opostd.model.errors import LacksRight
from opostd.model.flags import EVERY_FLAG, FlagAction, Flags, FlagScope
from opostd.model.rights import flag_scope
from opostd.store.flags import Stored


async def store(session: Session, command: Store) -> Reply:
    """Every message named is answered, changed or not, unless .SILENT, with its flags after the change.

    A client that knows of modseqs is told those of what it has changed even then.  Flags that the user may not change
    stay as they are, and the client is told of it; NO where there are no others (RFC 4314 4).
    """
    box = writable(session)
    scope = flag_scope(box.rights)
    narrowed = _narrowed(command, scope)
    silent = command.silent and not narrowed
    ranges = chosen(box, command.numbers, by_uid=command.by_uid)
    if command.unchangedsince is not None:
        for response in session.condstore():
            yield response
    if not ranges:
        return
    known = box.view.modseq
    spans = uid_ranges(box.view, ranges)
    result = await box.live.store_flags(spans, command.action, command.flags, command.unchangedsince, scope)
    found = indexes(box, ranges)
    missing = count(ranges) - len(found)
    manner = session.manner
    items = [Item.UID] if (command.by_uid or manner.modseqs) and not manner.uid_only else []
    if manner.modseqs:
        items.append(Item.MODSEQ)
    alone = True
    if not silent:
        items.append(Item.FLAGS)
    else:
        # Where nothing but this command has happened, or it has changed only what the client knew, the client knows
        # what the flags are.  Else they are told behind.
        unchanged = command.unchangedsince is not None and command.unchangedsince <= known
        alone = unchanged or result.modseq == known + 1
    if result.changed and alone:
        box.own.add(result.modseq)
    if Item.FLAGS in items or Item.MODSEQ in items:
        if command.unchangedsince is not None:
            found = _but(box, found, result.modified)  # what others have changed is told behind
        elif silent:
            changed = alone and bool(result.changed)
            found = [index for index in found if changed and box.snapshot.modseqs[index] == result.modseq]
        async for pieces in lines(session, found, tuple(items)):
            yield pieces
    if result.modified:
        yield _modified(box, command, result, missing)
    elif missing:
        yield Done(Condition.OK, "some of these messages are gone", b"EXPUNGEISSUED")


def _narrowed(command: Store, scope: FlagScope) -> bool:
    """Whether less is changed than was asked for.  Raises LacksRight where nothing of it may be."""
    if scope is EVERY_FLAG:
        return False
    allowed = scope.of(command.flags)
    replaces = command.action is FlagAction.REPLACE
    if (replaces and not scope.bits) or (not replaces and allowed == Flags() != command.flags):
        raise LacksRight("no right to change these flags")
    return replaces or allowed != command.flags


def _but(box: Selected, found: Sequence[int], uids: tuple[int, ...]) -> list[int]:
    out = set(uids)
    return [index for index in found if box.snapshot.uids[index] not in out]


def _modified(box: Selected, command: Store, result: Stored, missing: int) -> Done:
    """MODIFIED with sequence numbers, or with UIDs for UID STORE; NO where other messages are gone (RFC 7162 3.1.3)."""
    places = [(uid, box.view.place(uid)) for uid in result.modified]
    numbers = [uid if command.by_uid else place + 1 for uid, place in places if place is not None]
    code = b"MODIFIED " + format_set(numbers)
    if missing:
        return Done(Condition.NO, "some of these messages are gone", code)
    return Done(Condition.OK, "some of these messages have changed since", code)
