"""What is on its way into boxes when a message is kept."""

import asyncio

from opostd.intake.deliver import Arrival, Ticket
from opostd.model.ids import BoxId, OwnerId
from opostd.model.mailing import Mailing, Notify, Target
from opostd.store.delivery import Delivery


def arrivals(mailing: Mailing, now: int, *, again: bool = False) -> tuple[Ticket, list[Arrival]]:
    """A message on its way into its boxes, each once; none where it is held for later (RFC 4865).

    again: an earlier try may have put it there.
    """
    told: dict[tuple[OwnerId, BoxId], bool] = {}
    for recipient in mailing.recipients if mailing.origin.terms.hold_until <= now else ():
        success = Notify.SUCCESS in recipient.wish.notify
        for place in recipient.places:
            if isinstance(place, Target) and not place.held:
                key = place.owner, place.box
                told[key] = told.get(key, False) or (success and not place.nested)
    ticket = Ticket(len(told), asyncio.get_running_loop().create_future())
    delivery = Delivery(mailing.post.facts.id, mailing.post.facts.size, now, 0, (), again)
    return ticket, [Arrival(*key, delivery, (ticket,), told=success) for key, success in told.items()]
