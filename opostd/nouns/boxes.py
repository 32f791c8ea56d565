"""An account's mailboxes, counted."""

from dataclasses import dataclass

from opostd.model.ids import OwnerId
from opostd.store import boxes, sync
from opostd.store.run import Store


@dataclass(frozen=True, slots=True)
class BoxRow:
    """role: such as ``Sent``, or empty; size: octets."""

    name: str
    role: str
    messages: int
    unseen: int
    size: int


async def bring_up(store: Store, owner: OwnerId, now: int) -> None:
    """What sources have for any box of an owner is carried there first (promise 5); nothing is one look."""
    for key in await store.run(sync.owners_behind, [owner]):
        await sync.bring_up(store, *key, now=now)


async def listing(store: Store, owner: OwnerId, now: int) -> list[BoxRow]:
    """All of an owner's boxes, brought up to date, by name."""
    found = sorted(await store.run(boxes.boxes, owner), key=lambda each: (each.name != "INBOX", each.name))
    await bring_up(store, owner, now)
    counted = {each.box: each for each in await store.run(boxes.statuses, owner, [each.box for each in found])}
    return [
        BoxRow(each.name, each.role, status.messages, status.unseen, status.size)
        for each in found
        if (status := counted.get(each.box)) is not None
    ]
