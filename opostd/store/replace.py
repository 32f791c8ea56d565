"""REPLACE: a new message comes and an old one goes, in one transaction (RFC 8508 3.4)."""

from opostd.model.errors import NoSuchMessage
from opostd.model.ids import BoxId, OwnerId, Uid
from opostd.model.records import UNLIMITED, Quota
from opostd.store import quota
from opostd.store.delivery import Delivered, Delivery, deliver
from opostd.store.locks import lock
from opostd.store.moves import expunge
from opostd.store.run import Group, Tx, writes


@writes(Group.OWNER)
def replace(
    tx: Tx,
    owner: OwnerId,
    source: BoxId,
    uid: Uid,
    target: BoxId,
    new: Delivery,
    now: int,
    default: Quota = UNLIMITED,
) -> Delivered:
    """Puts a post into the target, and takes a message out of the source, which may be the same box; both or neither.

    now: the post's SAVEDATE.  default: limits of an account that has none of its own; the message that goes makes room.
    Raises NoSuchBox, NoSuchMessage (the old one has left), LimitReached, OverQuota.
    """
    for box in sorted({source, target}):
        lock(tx, owner, box)
    delivered = deliver(tx, owner, target, [new], now, None)
    if not expunge(tx, owner, source, [uid], False):
        raise NoSuchMessage("the message to be replaced is gone")
    quota.check(tx, owner, quota.own(tx, owner), default)
    return delivered
