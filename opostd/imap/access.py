"""From mailbox names to boxes: one's own, and those that others share (RFC 4314 4).

What must stay true: a box that somebody may not know of is answered as one that is not there (promise 4), whatever
the command; who may know of it hears NOPERM.  One's own boxes cost no look at anybody's rights.
"""

import contextlib
from dataclasses import dataclass

from opostd.imap.session import Session
from opostd.model.errors import NoSuchBox
from opostd.model.flags import FlagScope
from opostd.model.ids import BoxId, OwnerId
from opostd.model.records import Box
from opostd.model.rights import ALL_RIGHTS, Rights, flag_scope
from opostd.store import acl, boxes, shared, sync
from opostd.store.names import is_shared
from opostd.store.sync import Peeked


@dataclass(frozen=True, slots=True)
class Access:
    """A box, and what the user may do with it.

    name: as this user sees it; own: it is the user's, with all rights; looked: found by a look that brings it up.
    """

    box: Box
    name: str
    rights: Rights = ALL_RIGHTS
    own: bool = True
    looked: Peeked | None = None

    @property
    def key(self) -> tuple[OwnerId, BoxId]:
        return self.box.owner, self.box.box

    @property
    def role(self) -> str:
        """Its special use, which is its owner's alone (RFC 6154)."""
        return self.box.role if self.own else ""

    @property
    def scope(self) -> FlagScope:
        """The flags that the user may change there."""
        return flag_scope(self.rights)


async def find(session: Session, name: str, needed: Rights) -> Access:
    """The box of that name.  Raises NoSuchBox, also where the user may not know of it; LacksRight."""
    access = await look(session, name)
    shared.demand(access.rights, needed)
    return access


async def find_to_read(session: Session, name: str) -> Access:
    """``find`` for who brings the box up behind it: on PostgreSQL one way there and back does both, mostly."""
    services, owner = session.services, session.user.owner
    live = services.hub.likely(owner, name)
    if live is not None:
        with contextlib.suppress(NoSuchBox):
            box, looked = await services.store.glance(sync.peek_named, owner, name, live.key[1], live.sources)
            return Access(box, box.name, looked=looked)
    return await find(session, name, Rights.READ)


async def look(session: Session, name: str) -> Access:
    """The box of that name, whatever the user may do with it: nothing, perhaps.  Raises NoSuchBox."""
    store, owner = session.services.store, session.user.owner
    try:
        box = await store.glance(boxes.box_named, owner, name)
        return Access(box, box.name)
    except NoSuchBox:
        if not is_shared(name):
            raise
    found = await store.run(shared.found, owner, name)
    return Access(found.box, found.name, found.rights, own=False)


async def others(session: Session) -> list[Access]:
    """The boxes that others share with the user and let them see."""
    found = await session.services.store.run(shared.visible, session.user.owner)
    return [Access(each.box, each.name, each.rights, own=False) for each in found]


async def still(session: Session) -> bool:
    """Whether the selected box may still be read; where it is another's, the rights are read anew into ``Selected``.

    A change of them is a change of the box, and nobody's store is asked where it knows that nothing was written.
    """
    box = session.selected
    if box is None or not box.foreign:
        return True
    store = session.services.store
    version = store.version()
    if version is None or version != box.rights_at:
        found = await store.glance(acl.rights, session.user.owner, *box.live.key)
        box.rights, box.rights_at = found, version
    return Rights.READ in box.rights
