"""Mail on its way: where a recipient leads, what its sender asks of the way and wants to hear, and all of it together.

Times are whole seconds since 1970-01-01 UTC.
"""

from dataclasses import dataclass
from enum import IntFlag

from opostd.model.ids import NOBODY, BoxId, OwnerId
from opostd.model.records import NewPost, ServiceKind


@dataclass(frozen=True, slots=True)
class Target:
    """A box that a post goes to.  source: it is a source box, so that subscribers are told.

    nested: not named itself, but below a group that was: the message is that group's.  held: a moderator decides
    whether it goes there, and then to the groups below.
    """

    owner: OwnerId
    box: BoxId
    source: bool = False
    nested: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True)
class Outside:
    """A mailbox of another server that a post goes to.  address: as written, its domain in lower case.

    via: the address of the source whose member it is, empty where it was named itself; return_path: of its copy then.
    """

    address: str
    via: str = ""
    return_path: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A letter to the server itself, about a group.  address, box: the group's."""

    address: str
    box: BoxId
    kind: ServiceKind


Place = Target | Outside | Service
"""Where a recipient leads: a box here, an address elsewhere, or the server itself."""


class Notify(IntFlag):
    """When a sender wants to hear of a recipient (RFC 3461 4.1); no bit: nothing was said of it."""

    SUCCESS = 1
    FAILURE = 2
    DELAY = 4
    NEVER = 8


NOT_SAID = Notify(0)


@dataclass(frozen=True, slots=True)
class Wish:
    """A recipient as its sender named it.  orcpt: ``type;xtext`` as written (RFC 3461 4.2), or empty."""

    address: str
    notify: Notify = NOT_SAID
    orcpt: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient of a message, and the places that it leads to."""

    wish: Wish
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a sender asks of the way.

    require_tls: only to servers that are who they should be, under TLS (RFC 8689); priority: -9 to 9 (RFC 6710);
    hold_until: not before that time, 0 for at once (RFC 4865).  deliver_by: what by_mode says then (RFC 2852): R, it is
    returned; N, its sender is told, n, and has been; empty, nothing; a T behind it: each relaying is told.
    """

    require_tls: bool = False
    priority: int = 0
    hold_until: int = 0
    deliver_by: int = 0
    by_mode: str = ""

    @property
    def returned_after(self) -> int:
        """The time from which on nobody else is to get it; 0 for none."""
        return self.deliver_by if self.by_mode.startswith("R") else 0

    @property
    def traced(self) -> bool:
        return self.by_mode.endswith("T")


NO_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class Origin:
    """Who is told what becomes of a message: the envelope's sender, empty for ``<>``, who is never told.

    envid: xtext (RFC 3461 4.4); ret: FULL, HDRS or empty (RFC 3461 4.3).  terms: with which it was sent.
    """

    sender: str = ""
    envid: str = ""
    ret: str = ""
    terms: Terms = NO_TERMS


@dataclass(frozen=True, slots=True)
class Mailing:
    """A post with all that the spool must know of it.

    author: who has logged in to send it; NOBODY where nobody has.  held_until: when a moderator's time to decide is
    over.
    """

    post: NewPost
    recipients: tuple[Recipient, ...] = ()
    origin: Origin = Origin()
    author: OwnerId = NOBODY
    held_until: int = 0
