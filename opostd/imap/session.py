"""What a connection has, for the handlers: who is logged in, the selected box, the services of the door."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from opostd.auth.login import Authenticator
from opostd.config import ImapSettings, LimitSettings
from opostd.imap.hub import Hub
from opostd.imap.live import Key, LiveBox
from opostd.imap.posts import Posts
from opostd.imap.state.machine import State
from opostd.imap.state.snapshot import Snapshot
from opostd.imap.state.view import PLAIN, Manner, View, opened
from opostd.imap.state.wishes import Wishes
from opostd.imap.values.responses import Condition, Done, Response
from opostd.imap.values.responses import State as Status
from opostd.intake.intake import Intake
from opostd.model.clock import wall_clock
from opostd.model.counts import Counts
from opostd.model.ids import BoxId, ModSeq
from opostd.model.records import UNLIMITED, Account, Quota
from opostd.model.rights import ALL_RIGHTS, Rights
from opostd.store.run import Store

UTF8_ACCEPT = "UTF8=ACCEPT"
IMAP4REV2 = "IMAP4REV2"

Reply = AsyncIterator[Response | bytes | list[bytes] | Done]
"""What a handler is: untagged responses, as values, octets, or whole ones in pieces; and perhaps the tagged line."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the door offers to all its connections."""

    hostname: str
    store: Store
    intake: Intake
    auth: Authenticator
    hub: Hub
    posts: Posts
    settings: ImapSettings
    limits: LimitSettings
    now: Callable[[], int] = wall_clock
    quota: Quota = UNLIMITED
    counts: Counts = field(default_factory=Counts)


class Wire(Protocol):
    """What a handler may ask of the connection besides answering: the few commands that are about the wire."""

    tls: bool
    tls_offered: bool
    plaintext_allowed: bool
    peer: str

    @property
    def compressed(self) -> bool: ...

    @property
    def channel_bindings(self) -> Mapping[str, bytes]:
        """What a login can be bound to, by its name; empty without TLS."""

    async def line(self) -> bytes:
        """The next line, raw: a SASL response or DONE."""

    async def send(self, response: Response) -> None:
        """Writes now, before the handler goes on."""

    def start_tls_after_reply(self) -> None:
        """TLS begins when the tagged line is out, and all that was buffered is dropped."""

    def compress_after_reply(self) -> None:
        """Both sides compress when the tagged line is out."""

    def log_out_after_reply(self) -> None:
        """The connection is as after its greeting when the tagged line is out, but for TLS."""

    def logged_in(self, account: Account) -> None:
        """Counts the connection for its user.  Raises LimitReached."""

    async def idle(self) -> bytes:
        """The line that ends IDLE; until it comes, changes of the selected box are told as they happen."""

    def wake(self) -> None:
        """Something may be there to be told without being asked: see ``notices``."""

    def capabilities(self) -> tuple[str, ...]: ...


class Notices(Protocol):
    """What a handler may say to the watch of a connection that has said NOTIFY (``notices.Notices``)."""

    keys: tuple[Key, ...]

    @property
    def due(self) -> bool: ...

    def news(self, *, may_expunge: bool) -> AsyncIterator[Response | list[bytes]]: ...

    def of_selected(self, *, may_expunge: bool, everything: bool) -> AsyncIterator[Response | list[bytes]]: ...

    @property
    def wishes(self) -> Wishes: ...

    def hint(self, box: BoxId, modseq: int) -> None: ...

    def compare(self, modseqs: Mapping[Key, ModSeq], *, names: bool) -> None: ...

    def renamed(self, *names: str) -> None:
        """The client has changed these names itself."""

    def annotated(self, name: str, entries: Collection[str]) -> None:
        """The client has set these annotations itself; name: empty for the server."""

    def put(self, box: Key, uids: Sequence[int]) -> None:
        """The client has put these messages into a box itself."""

    def close(self) -> None: ...


@dataclass(slots=True)
class Selected:
    """The selected box: the live one, and what this client believes of it.

    read_only: by EXAMINE.  saved: the UIDs that ``$`` stands for, ascending (RFC 5182).  They are never used twice, so
    what has left the box needs no word here.  foreign: the box is another's; the rights are then those of a moment
    ago, read when the store's version was ``rights_at`` (``imap.access``).
    """

    live: LiveBox
    view: View
    read_only: bool
    name: str
    own: set[ModSeq] = field(default_factory=set)
    saved: array[int] = field(default_factory=lambda: array("I"))
    rights: Rights = ALL_RIGHTS
    foreign: bool = False
    rights_at: tuple[int, int] | None = None

    @classmethod
    def open(
        cls, live: LiveBox, name: str, read_only: bool, rights: Rights = ALL_RIGHTS, foreign: bool = False
    ) -> Selected:
        return cls(live, opened(live.snapshot), read_only, name, rights=rights, foreign=foreign)

    @property
    def snapshot(self) -> Snapshot:
        return self.live.snapshot


@dataclass(slots=True)
class Session:
    """The state of one connection.  ``account`` is there from login on, ``selected`` while a box is.

    tag: of the command that runs, for the responses that name it (RFC 4731).  notices: there after NOTIFY.  looked:
    messages that the command has looked at so far, where that takes time.
    """

    services: Services
    wire: Wire
    account: Account | None = None
    selected: Selected | None = None
    enabled: set[str] = field(default_factory=set)
    loggingout: bool = False
    failed_logins: int = 0
    tag: bytes = b""
    notices: Notices | None = None
    looked: int = 0

    @property
    def state(self) -> State:
        if self.loggingout:
            return State.LOGOUT
        if self.selected is not None:
            return State.SELECTED
        return State.AUTHENTICATED if self.account else State.NOT_AUTHENTICATED

    @property
    def user(self) -> Account:
        """The account of a logged-in connection: the command table lets no other here."""
        if self.account is None:
            raise RuntimeError("not logged in")
        return self.account

    @property
    def box(self) -> Selected:
        """The selected box: the command table lets no other here."""
        if self.selected is None:
            raise RuntimeError("no box selected")
        return self.selected

    @property
    def utf8(self) -> bool:
        """Whether mailbox names and quoted strings are UTF-8 (RFC 6855, RFC 9051 A)."""
        return UTF8_ACCEPT in self.enabled or self.rev2

    @property
    def rev2(self) -> bool:
        """Whether the client speaks IMAP4rev2 (RFC 9051 A)."""
        return IMAP4REV2 in self.enabled

    @property
    def manner(self) -> Manner:
        """How changes are told on this connection."""
        if not self.enabled:
            return PLAIN
        return Manner("CONDSTORE" in self.enabled, self.uid_only or self.qresync, self.uid_only)

    @property
    def uid_only(self) -> bool:
        """Whether there are no message numbers (RFC 9586)."""
        return "UIDONLY" in self.enabled

    @property
    def qresync(self) -> bool:
        return "QRESYNC" in self.enabled

    def condstore(self) -> tuple[Response, ...]:
        """A CONDSTORE-enabling command: the first one with a box selected is told HIGHESTMODSEQ (RFC 7162 3.1)."""
        if "CONDSTORE" in self.enabled:
            return ()
        self.enabled.add("CONDSTORE")
        if self.selected is None:
            return ()
        return (Status(Condition.OK, "modseqs from now on", b"HIGHESTMODSEQ %d" % self.selected.view.whole),)

    def notify(self, notices: Notices | None) -> None:
        """Another watch in place of the one before; None at the end."""
        hub = self.services.hub
        if self.notices is not None:
            hub.unwatch(self.user.owner, self.notices)
            self.notices.close()
        self.notices = notices
        if notices is not None:
            hub.watch(self.user.owner, notices)

    def deselect(self) -> None:
        if self.selected is not None:
            self.services.hub.release(self.selected.live)
            self.selected = None
