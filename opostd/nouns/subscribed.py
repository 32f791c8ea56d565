"""What somebody reads, into which box, since when, and how far it is carried."""

from dataclasses import dataclass

from opostd.model.ids import OwnerId
from opostd.nouns.times import iso_or_none
from opostd.store import active, boxes, set_aside, sources, subscriptions
from opostd.store.run import Store

OK, GONE = "ok", "the group is gone"


@dataclass(frozen=True, slots=True)
class Subscription:
    """since: the first post of the group that is given, such as ``#18``, or ``start``; watermark: the last carried.

    behind: posts still to be carried; waits_s: since when the oldest of these; aside: posts that the box has refused
    and that are tried again; looked: when they last looked at their mail, to the day.
    """

    group: str
    box: str
    since: str
    watermark: int
    behind: int
    waits_s: int | None
    aside: int
    looked: str | None
    state: str


async def listing(store: Store, owner: OwnerId, now: int) -> list[Subscription]:
    """By group and box."""
    names = {each.box: each.name for each in await store.run(boxes.boxes, owner)}
    addresses = {each.box: each.address for each in await store.run(sources.sources)}
    aside = await store.run(set_aside.counts, owner)
    looked = iso_or_none(await store.run(active.seen, owner))
    found = []
    for each in await store.run(subscriptions.of_owner, owner):
        behind, oldest = await store.run(subscriptions.pending, each)
        found.append(
            Subscription(
                addresses.get(each.source, "?"),
                names.get(each.target, "?"),
                f"#{each.joined + 1}" if each.joined else "start",
                each.watermark,
                behind,
                None if oldest is None else max(now - oldest, 0),
                aside.get((each.target, each.source), 0),
                looked,
                OK if each.source in addresses else GONE,
            )
        )
    return sorted(found, key=lambda each: (each.group, each.box))
