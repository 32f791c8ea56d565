"""Who was told to come again: clients nobody knows, by network, sender and recipient; and clients that have come again.

Each of both has a place by its hash, among so many: what is kept has a bound whatever is sent, and of two that meet in
one place the later one stays, which costs the other a pause.  What must stay true: who comes again after the pause
passes, by whichever process; a row that has ended counts as none, and is removed by those that come after it.
"""

import hashlib
from dataclasses import dataclass

import sqlalchemy as sa

from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.dialect import insert_new
from opostd.store.run import Group, Tx, reads, writes

PLACES = 500_000  # of each kind: about 50 MB where all are taken
REAPED = 100  # rows that have ended, removed with one that is added: more than come

_grey = schema.greylist
_PLACE = _grey.c.place == sa.bindparam("at")
_ROW = sa.select(_grey.c.mark, _grey.c.begins, _grey.c.ends).where(_PLACE)
_SET = (
    sa.update(_grey)
    .where(_PLACE)
    .values({name: sa.bindparam(f"new_{name}") for name in ("mark", "begins", "ends")})
)  # fmt: skip
_DELETE = sa.delete(_grey).where(_PLACE)
_ENDED = sa.select(_grey.c.place).where(_grey.c.ends <= sa.bindparam("now")).order_by(_grey.c.ends).limit(REAPED)


@dataclass(frozen=True, slots=True)
class Key:
    """place: of the row; mark: what tells it from others in the same place."""

    place: int
    mark: int


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: before a second try counts; within which it must come; for which a client is known after it."""

    pause_s: int
    window_s: int
    known_s: int


def client_key(network: str) -> Key:
    """Of all that a network sends."""
    return _key(PLACES, network)


def first_key(network: str, sender: str, recipient: str) -> Key:
    """Of a first try."""
    return _key(0, network, sender, recipient)


def _key(first: int, *words: str) -> Key:
    octets = b"\0".join(word.encode("utf-8", "surrogatepass") for word in words)
    digest = hashlib.blake2b(octets, digest_size=16, person=b"opostd greylist").digest()
    return Key(first + int.from_bytes(digest[:8]) % PLACES, int.from_bytes(digest[8:], signed=True))


@reads(Group.POST)
def known_until(tx: Tx, client: Key) -> int:
    """When a client is forgotten; 0 where it is not known."""
    row = _row(tx, client)
    return 0 if row is None else row[1]


@writes(Group.POST)
def wait_s(tx: Tx, client: Key, first: Key, times: Times, now: int) -> int:
    """Seconds that are left of the pause; 0: it may pass, and its client is known from now on."""
    known, tried = _row(tx, client), _row(tx, first)
    if known is not None and known[1] > now:
        _put(tx, client, now, now + times.known_s)
        return 0
    if tried is None or tried[1] <= now:
        _put(tx, first, now, now + times.window_s)
        _reap(tx, now)
        return times.pause_s
    if now < tried[0] + times.pause_s:
        tx.nothing_changed()
        return min(tried[0] + times.pause_s - now, times.pause_s)  # whatever the clock has done
    tx.count(_DELETE, {"at": first.place})
    _put(tx, client, now, now + times.known_s)
    return 0


def _row(tx: Tx, key: Key) -> tuple[int, int] | None:
    """When it began and when it ends."""
    rows = tx.rows(_ROW, {"at": key.place})
    return (rows[0][1], rows[0][2]) if rows and rows[0][0] == key.mark else None


def _put(tx: Tx, key: Key, begins: int, ends: int) -> None:
    new = {"new_mark": key.mark, "new_begins": begins, "new_ends": ends}
    if not tx.count(_SET, {"at": key.place, **new}):
        insert_new(tx, _grey, [{"place": key.place, "mark": key.mark, "begins": begins, "ends": ends}])


def _reap(tx: Tx, now: int) -> None:
    ended = [row[0] for row in tx.rows(_ENDED, {"now": now})]
    for page in chunks(sorted(ended)):  # by the key, so that two of these never wait for each other
        tx.execute(sa.delete(_grey).where(_grey.c.place.in_(page), _grey.c.ends <= now))
