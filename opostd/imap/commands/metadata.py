"""GETMETADATA, SETMETADATA (RFC 5464 4.2, 4.3): of the server, and of mailboxes, also of those that others share.

Who may read a mailbox may read its shared annotations, and has private ones of their own there; shared ones are
changed by who may change its flags (RFC 5464 3.3).  Shared ones of the server are an administrator's.
"""

from collections.abc import Sequence

from opostd.imap.access import Access, find
from opostd.imap.session import Reply, Session
from opostd.imap.values.metadata import Depth, GetMetadata, MetadataData, SetMetadata
from opostd.imap.values.responses import Condition, Done
from opostd.model.errors import LacksRight, TooManyAnnotations
from opostd.model.ids import BoxId, OwnerId
from opostd.model.rights import Rights
from opostd.store import annotations
from opostd.store.annotations import Place

TOO_BIG = Done(Condition.NO, "the value is too big", b"METADATA MAXSIZE %d" % annotations.MAX_OCTETS)
TOO_MANY = Done(Condition.NO, f"at most {annotations.MAX_ENTRIES} annotations", b"METADATA TOOMANY")
FIXED = Done(Condition.NO, "a special use is given by CREATE", b"CANNOT")
SPECIAL_USE = "/private/specialuse"  # RFC 6154 4: it says what LIST does, and is set by CREATE


async def getmetadata(session: Session, command: GetMetadata) -> Reply:
    """Entries over MAXSIZE are left out, and the largest is told.  With DEPTH 0 a named one without a value is NIL."""
    place, role = await _place(session, command.name, Rights.READ)
    known = await session.services.store.run(annotations.entries, place)
    if role:
        known = known | {SPECIAL_USE: _special_use(role)}
    found = {entry: known[entry] for entry in sorted(known) if _wanted(entry, command)}
    most = command.max_octets
    values: dict[str, bytes | None] = {
        entry: value for entry, value in found.items() if most is None or len(value) <= most
    }
    if command.depth is Depth.ENTRY:
        values |= dict.fromkeys([entry for entry in command.entries if entry not in known])
    if values:
        yield MetadataData(command.name, tuple(sorted(values.items())))
    biggest = max(map(len, found.values()), default=0)
    if most is not None and biggest > most:
        yield Done(Condition.OK, "some values are longer", b"METADATA LONGENTRIES %d" % biggest)


def _wanted(entry: str, command: GetMetadata) -> bool:
    for asked in command.entries:
        if entry == asked:
            return True
        if command.depth is not Depth.ENTRY and entry.startswith(asked + "/"):
            below = entry[len(asked) + 1 :]
            if command.depth is Depth.ALL or "/" not in below:
                return True
    return False


async def setmetadata(session: Session, command: SetMetadata) -> Reply:
    """All of them or none (4.3)."""
    private = all(entry.startswith(annotations.PRIVATE) for entry, _ in command.values)
    place, _ = await _place(session, command.name, Rights.READ if private else Rights.WRITE)
    if place.box == annotations.SERVER and not private and not session.user.admin:
        raise LacksRight("an administrator sets what everybody sees of the server")
    if any(value is not None and len(value) > annotations.MAX_OCTETS for _, value in command.values):
        yield TOO_BIG
    elif place.box != annotations.SERVER and any(entry == SPECIAL_USE for entry, _ in command.values):
        yield FIXED
    else:
        if session.notices is not None:
            session.notices.annotated(command.name, [entry for entry, _ in command.values])
        try:
            await session.services.store.run(annotations.store, place, command.values)
        except TooManyAnnotations:
            yield TOO_MANY


async def _place(session: Session, name: str, needed: Rights) -> tuple[Place, str]:
    """With the role that the mailbox has for this reader, or the empty string."""
    reader = session.user.owner
    if not name:
        return Place(reader, annotations.SERVER, reader), ""
    access = await find(session, name, needed)
    return Place(*access.key, reader), access.role


def _special_use(role: str) -> bytes:
    return b"\\" + role.encode()


async def annotations_of(
    session: Session, found: Sequence[Access], entries: Sequence[str]
) -> dict[tuple[OwnerId, BoxId], tuple[tuple[str, bytes | None], ...]]:
    """These entries of mailboxes, None where one has no value; of those that may not be read, nothing (RFC 9590 3)."""
    readable = [each for each in found if Rights.READ in each.rights]
    if not readable or not entries:
        return {}
    keys = [each.key for each in readable]
    known = await session.services.store.run(annotations.of_boxes, session.user.owner, keys, entries)
    for each in readable:
        if each.role:
            known.setdefault(each.key, {})[SPECIAL_USE] = _special_use(each.role)
    return {key: tuple((entry, known.get(key, {}).get(entry)) for entry in entries) for key in keys}
