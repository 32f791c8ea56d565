"""Rows of the spool from the recipients of a message: one for each box here, one for each address elsewhere; and one
of ``held`` for each source that a moderator decides for.

What must stay true: they are written in the transaction that keeps the post; a place named by several recipients has
one row, so that nobody gets a message twice.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from opostd.model.ids import BoxId, OwnerId, PostId
from opostd.model.mailing import Mailing, Notify, Origin, Outside, Target, Wish
from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.dialect import insert_new
from opostd.store.run import Tx
from opostd.store.types import storable

HELD_AT = 2**62
"""The time of the next try of a row that is held: no lease takes it."""


def write_wishes(wishes: Iterable[Wish]) -> str:
    """Lines of NOTIFY bits, ORCPT or ``-``, address: the first two have no space in them, the address no line end."""
    return "\n".join(f"{int(wish.notify)} {wish.orcpt or '-'} {wish.address}" for wish in wishes)


def read_wishes(text: str) -> tuple[Wish, ...]:
    """What ``write_wishes`` wrote."""
    found = []
    for line in text.split("\n") if text else ():
        notify, orcpt, address = line.split(" ", 2)
        found.append(Wish(address, Notify(int(notify)), "" if orcpt == "-" else orcpt))
    return tuple(found)


def spool(tx: Tx, mailings: Sequence[Mailing], now: int, delivered: Set[PostId] = frozenset()) -> None:
    """What is still to be done for posts that are kept with this transaction.

    delivered: those that it has put into their boxes.
    """
    boxes: list[dict[str, object]] = []
    elsewhere: list[dict[str, object]] = []
    held: list[dict[str, object]] = []
    for mailing in mailings:
        wishes: dict[tuple[OwnerId, BoxId, bool], dict[Wish, None]] = {}
        named: dict[str, tuple[Outside, Wish]] = {}
        copies: dict[str, tuple[Outside, Wish]] = {}
        waiting: dict[BoxId, dict[Wish, None]] = {}
        for recipient in mailing.recipients:
            for place in recipient.places:
                if isinstance(place, Outside):
                    if place.via:
                        copies.setdefault(place.address.lower(), (place, recipient.wish))
                    else:
                        named.setdefault(place.address, (place, recipient.wish))
                elif isinstance(place, Target) and place.held:
                    waiting.setdefault(place.box, {})[recipient.wish] = None
                elif isinstance(place, Target):
                    wishes.setdefault((place.owner, place.box, place.source), {})[_wish(recipient.wish, place)] = None
        terms = mailing.origin.terms
        begins = max(now, terms.hold_until)
        about = {
            "post_id": mailing.post.facts.id,
            "created": begins,
            "sender": storable(mailing.origin.sender),
            "envid": mailing.origin.envid,
            "ret": mailing.origin.ret,
        }
        common = {**about, "next_at": begins, "require_tls": terms.require_tls}
        decided = {**about, "author": mailing.author, "expires": mailing.held_until}
        held += [{**decided, "box_id": box, "wishes": storable(write_wishes(those))} for box, those in waiting.items()]
        for_boxes = [] if mailing.post.facts.id in delivered else wishes.items()
        boxes += [
            {**common, "owner_id": owner, "box_id": box, "source": source, "wishes": storable(write_wishes(those))}
            for (owner, box, source), those in for_boxes
        ]
        for address in named:  # who is named gets no copy of a group's beside it
            copies.pop(address.lower(), None)
        by = {"deliver_by": terms.deliver_by, "by_mode": terms.by_mode}
        outgoing = {**common, **by, "priority": terms.priority}
        elsewhere += [{**outgoing, **_address(place, wish)} for place, wish in (*named.values(), *copies.values())]
    for rows in chunks(boxes):
        insert_new(tx, schema.spool, rows)
    for rows in chunks(elsewhere):
        insert_new(tx, schema.outgoing, rows)
    for rows in chunks(held):
        insert_new(tx, schema.held, rows)


def spool_accepted(
    tx: Tx,
    post: PostId,
    origin: Origin,
    wishes: Sequence[Wish],
    targets: Sequence[Target],
    copies: Sequence[Outside],
    now: int,
) -> None:
    """What a moderator has accepted is to be put into these sources, with the wishes of those it was sent to.

    copies: for their members elsewhere.
    """
    about = {"post_id": post, "created": now, "sender": storable(origin.sender), "envid": origin.envid}
    common: dict[str, object] = {**about, "ret": origin.ret, "next_at": now}
    rows = [
        {
            **common,
            "owner_id": each.owner,
            "box_id": each.box,
            "source": True,
            "wishes": storable(write_wishes(_wish(wish, each) for wish in wishes)),
        }
        for each in targets
    ]
    for page in chunks(rows):
        insert_new(tx, schema.spool, page)
    for outgoing in chunks([{**common, **_address(each, wishes[0])} for each in copies]):
        insert_new(tx, schema.outgoing, outgoing)


def _wish(wish: Wish, target: Target) -> Wish:
    """A message to a group is told of once, whatever groups are below it."""
    if not target.nested or Notify.SUCCESS not in wish.notify:
        return wish
    return replace(wish, notify=wish.notify & ~Notify.SUCCESS or Notify.NEVER)


def _address(place: Outside, wish: Wish) -> dict[str, object]:
    """Of a copy for a member the sender hears nothing; its return path hears of failure alone."""
    address = storable(place.address)
    domain = address.rpartition("@")[2]
    if not place.via:
        return {"address": address, "domain": domain, "via": "", "notify": int(wish.notify), "orcpt": wish.orcpt}
    return {
        "address": address, "domain": domain, "via": storable(place.via), "notify": int(Notify.FAILURE), "orcpt": "",
        "sender": storable(place.return_path), "envid": "", "ret": "HDRS", "deliver_by": 0, "by_mode": "",
    }  # fmt: skip
