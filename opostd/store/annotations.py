"""Annotations of boxes and of the server (RFC 5464): entries with values, private to each reader or shared.

They stand with the box, so that they go where it goes and end with it.  Server annotations have no box: private ones
stand with their reader, shared ones with the system's account.  Names of entries are in lower case.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import sqlalchemy as sa

from opostd.model.errors import LimitReached, NoSuchBox, TooManyAnnotations
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId
from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.locks import advance
from opostd.store.run import Group, Tx, reads, writes

SERVER = BoxId(0)
"""In the place of a box: what is said of the server."""
ANNOTATED = 1
"""In the place of a modseq in the hint of an account: its annotations have changed, perhaps not they alone."""
EVERYBODY = OwnerId(0)
"""In the place of a reader: a shared annotation."""
PRIVATE = "/private/"
MAX_OCTETS = 64 * 1024  # of a value; RFC 5464 4.1 asks for 1024 at least
MAX_MARKED_OCTETS = 4 * 1024 * 1024  # of one owner, that are read to find what has changed: mail programs keep some KiB
MAX_ENTRIES = 100  # private ones of a reader, and shared ones, of one box; RFC 5464 4.1 asks for 10 at least

_a, _account = schema.annotation, schema.account
_ALL = sa.select(_a.c.box_id, _a.c.entry, _a.c.value).where(
    _a.c.owner_id == sa.bindparam("owner"), _a.c.reader.in_((sa.bindparam("reader"), EVERYBODY))
)
_OF = sa.select(_a.c.entry, _a.c.value).where(
    _a.c.owner_id == sa.bindparam("owner"), _a.c.box_id == sa.bindparam("box"), _a.c.reader == sa.bindparam("reader")
)


_OF_SERVER = sa.select(_a.c.box_id, _a.c.entry, _a.c.value).where(
    _a.c.owner_id == SYSTEM_OWNER, _a.c.box_id == SERVER, _a.c.reader == EVERYBODY
)


_WEIGHT = sa.select(sa.func.sum(sa.func.length(_a.c.value))).where(
    _a.c.owner_id == sa.bindparam("owner"), _a.c.reader.in_((sa.bindparam("reader"), EVERYBODY))
)
_SERVER_WEIGHT = sa.select(sa.func.sum(sa.func.length(_a.c.value))).where(
    _a.c.owner_id == SYSTEM_OWNER, _a.c.box_id == SERVER, _a.c.reader == EVERYBODY
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where annotations are read and written for a reader.  box: with its owner, or SERVER with the reader."""

    owner: OwnerId
    box: BoxId
    reader: OwnerId

    def of(self, entry: str) -> tuple[OwnerId, OwnerId]:
        """The owner and the reader of the row of an entry."""
        if entry.startswith(PRIVATE):
            return self.owner, self.reader
        return (SYSTEM_OWNER if self.box == SERVER else self.owner), EVERYBODY


@reads(Group.OWNER)
def entries(tx: Tx, place: Place) -> dict[str, bytes]:
    """All that a reader may know of, by name."""
    found: dict[str, bytes] = {}
    for owner, reader in {place.of(PRIVATE), place.of("/shared/")}:
        rows = tx.execute(_OF, {"owner": owner, "box": place.box, "reader": reader})
        found.update((entry, bytes(value)) for entry, value in rows)
    return found


@reads(Group.OWNER)
def marks(tx: Tx, owner: OwnerId) -> dict[tuple[BoxId, str], bytes]:
    """A digest of each value that an owner may know of, of all own boxes and of the server: what has changed since.

    Raises LimitReached, before a value is read, where they are over MAX_MARKED_OCTETS together.
    """
    who = {"owner": owner, "reader": owner}
    octets = sum(
        int(tx.execute(weight, given).scalar_one() or 0) for weight, given in ((_WEIGHT, who), (_SERVER_WEIGHT, {}))
    )
    if octets > MAX_MARKED_OCTETS:
        raise LimitReached(f"changes of annotations are told up to {MAX_MARKED_OCTETS} octets of them")
    rows = [*tx.execute(_ALL, who), *tx.execute(_OF_SERVER)]
    return {(BoxId(box), entry): blake2b(bytes(value), digest_size=16).digest() for box, entry, value in rows}


@reads(Group.OWNER)
def of_boxes(
    tx: Tx, reader: OwnerId, keys: Sequence[tuple[OwnerId, BoxId]], names: Sequence[str]
) -> dict[tuple[OwnerId, BoxId], dict[str, bytes]]:
    """These entries of boxes, as a reader may know of them, by box; a statement for 500 boxes of an owner.

    names: 100 at most.
    """
    by_owner: dict[OwnerId, list[BoxId]] = {}
    for owner, box in keys:
        by_owner.setdefault(owner, []).append(box)
    found: dict[tuple[OwnerId, BoxId], dict[str, bytes]] = {}
    for owner, boxes in by_owner.items():
        for page in chunks(boxes):
            rows = tx.execute(
                sa.select(_a.c.box_id, _a.c.entry, _a.c.value).where(
                    _a.c.owner_id == owner,
                    _a.c.box_id.in_(page),
                    _a.c.reader.in_((EVERYBODY, reader)),
                    _a.c.entry.in_(names),
                )
            )
            for box, entry, value in rows:
                found.setdefault((owner, BoxId(box)), {})[entry] = bytes(value)
    return found


@writes(Group.OWNER)
def store(tx: Tx, place: Place, values: Sequence[tuple[str, bytes | None]]) -> None:
    """Sets values, None for no such entry any more; all of them or none.  Of an entry named twice the last counts.

    Raises NoSuchBox, TooManyAnnotations.
    """
    wanted = dict(values)
    if place.box == SERVER:
        for owner in sorted({place.of(entry)[0] for entry in wanted}):
            _lock_account(tx, owner)
    else:  # a change of the box, though of no message in it (RFC 7162 3.2)
        tx.hint(place.owner, place.box, advance(tx, place.owner, place.box, modseqs=1).highestmodseq)
    by_place: dict[tuple[OwnerId, OwnerId], list[str]] = {}
    for entry in wanted:
        by_place.setdefault(place.of(entry), []).append(entry)
    for (owner, reader), names in by_place.items():
        tx.hint(owner, BoxId(0), ANNOTATED)
        here = (_a.c.owner_id == owner, _a.c.box_id == place.box, _a.c.reader == reader)
        for page in chunks(names):
            tx.execute(sa.delete(_a).where(*here, _a.c.entry.in_(page)))
        new = [
            {"owner_id": owner, "box_id": place.box, "reader": reader, "entry": entry, "value": value}
            for entry in names
            if (value := wanted[entry]) is not None
        ]
        if new:
            tx.execute(sa.insert(_a), new)
            if tx.execute(sa.select(sa.func.count()).select_from(_a).where(*here)).scalar_one() > MAX_ENTRIES:
                raise TooManyAnnotations(f"there are at most {MAX_ENTRIES} annotations of one kind")


def copy(tx: Tx, owner: OwnerId, source: BoxId, target: BoxId) -> None:
    """All annotations of a box, for another that has none (RFC 5464 4.1).  The caller has the lock of both."""
    columns = [_a.c.owner_id, _a.c.box_id, _a.c.reader, _a.c.entry, _a.c.value]
    these = sa.select(_a.c.owner_id, sa.literal(target, sa.BigInteger), _a.c.reader, _a.c.entry, _a.c.value)
    tx.execute(sa.insert(_a).from_select(columns, these.where(_a.c.owner_id == owner, _a.c.box_id == source)))


def _lock_account(tx: Tx, owner: OwnerId) -> None:
    changed = tx.execute(
        sa.update(_account)
        .where(_account.c.owner_id == owner)
        .values(uidvalidity=_account.c.uidvalidity)
        .returning(_account.c.owner_id)
    ).first()
    if changed is None:
        raise NoSuchBox("there is no such account")
