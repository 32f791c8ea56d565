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
    *,
    target_owner: OwnerId | None = None,
) -> Delivered:
    """Puts a post into the target, and takes a message out of the source, which may be the same box; both or neither.

    now: the post's SAVEDATE.  default: limits of an account that has none of its own; the message that goes makes room.
    target_owner: None is the owner of the source.  Raises NoSuchBox, NoSuchMessage (the old one has left),
    LimitReached, OverQuota.
    """
    to = (target_owner or owner, target)
    for key in sorted({(owner, source), to}):
        lock(tx, *key)
    delivered = deliver(tx, *to, [new], now, None)
    if not expunge(tx, owner, source, [uid], False).uids:
        raise NoSuchMessage("the message to be replaced is gone")
    quota.check(tx, to[0], quota.own(tx, to[0]), default)
    return delivered
