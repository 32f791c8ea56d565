"""The records that rooms hand each other: account, box, post, delivered post, subscription.

Times are whole seconds since 1970-01-01 UTC unless the name says otherwise.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag

from opostd.model.ids import BoxId, ModSeq, OwnerId, PostId, Uid


class AccountState(IntEnum):
    """Whether an account may log in.  A disabled account still gets its mail.  SHARED is nobody's: it has boxes that
    several use (``store.shared``), no address, and no login but the first level of their names.
    """

    ACTIVE = 0
    DISABLED = 1
    SHARED = 2


class AddressKind(IntEnum):
    """What an address leads to."""

    USER = 0
    SOURCE = 1  # a group, or everyone: owner_id is SYSTEM_OWNER, box_id the source box
    ALIAS = 2  # target: other addresses, separated by spaces
    SERVICE = 3  # an address beside a group's, such as team-join@: box_id is the source box, target the ServiceKind


class PostPolicy(IntEnum):
    """Who may post to a source."""

    MEMBERS = 0
    NAMED = 1
    LOCAL = 2
    ANYONE = 3
    ADMINS = 4  # administrators who have logged in: `everyone` at first


class Moderation(IntEnum):
    """Whose posts to a source wait for a moderator."""

    NONE = 0
    NON_MEMBERS = 1  # of who is neither a member nor named, or has not logged in
    FIRST_POST = 2  # of whom no post was accepted before
    ALL = 3  # of all but moderators, owners and administrators
    SECOND = 4  # of all, and its author is not the one to accept it


class Joining(IntEnum):
    """Whether somebody joins and leaves a source by a letter."""

    CLOSED = 0  # no: its owners decide who is in it
    APPROVAL = 1  # an owner or moderator lets them in; they leave as they like
    OPEN = 2


class Recall(IntEnum):
    """From which boxes the author or an owner may take back what was posted to a source."""

    ANY = 0
    UNREAD = 1  # where it was not read
    NEVER = 2  # administrators only


class ServiceKind(Enum):
    """The addresses beside a group's: what follows its name and a hyphen."""

    JOIN = "join"
    LEAVE = "leave"
    OWNER = "owner"
    REQUEST = "request"  # RFC 2142 6


def service_address(addr: str, kind: ServiceKind) -> str:
    """``team-join@example.org``, beside ``team@example.org``."""
    local, _, domain = addr.rpartition("@")
    return f"{local}-{kind.value}@{domain}"


class MemberRole(IntFlag):
    """What somebody is to a source, as bits: a reader may also be a named sender.

    Owners hear what becomes of the group and may moderate; moderators decide what is posted.
    """

    READER = 1
    SENDER = 2
    OWNER = 4
    MODERATOR = 8
    TRUSTED = 16  # a post of theirs was accepted: Moderation.FIRST_POST holds no more of them


class Withdraw(IntEnum):
    """From which boxes a post that is taken back goes; it always leaves its sources."""

    ALL = 0
    UNREAD = 1  # where it was not read
    UNTOUCHED = 2  # where it was neither flagged nor moved: what has come to its end


@dataclass(frozen=True, slots=True)
class Account:
    """A person who can log in.

    login: the address folded; secret: an argon2id string, None for no login; scram: the keys of the same password
    (``auth.scram``), None where there are none; language: a tag of RFC 5646, empty where it is not known.
    """

    owner: OwnerId
    login: str
    name: str
    secret: str | None
    state: AccountState
    admin: bool
    created: int
    scram: str | None = None
    language: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """Where mail can be sent.  addr: folded; box: the source box of a SOURCE; target: of an ALIAS."""

    addr: str
    owner: OwnerId
    kind: AddressKind
    box: BoxId
    target: str


@dataclass(frozen=True, slots=True)
class Box:
    """An IMAP mailbox, or a source box of the system account.

    name: Unicode, levels separated by ``/``.  role: a SPECIAL-USE attribute without backslash, such as ``Sent``,
    or the empty string.  uidnext: the next message gets this UID.
    """

    owner: OwnerId
    box: BoxId
    name: str
    role: str
    uidvalidity: int
    uidnext: Uid
    highestmodseq: ModSeq


@dataclass(frozen=True, slots=True)
class Source:
    """The policy of a source box.  address: of the group or of `everyone`, folded.

    history: what newcomers get: posts from that time on, 0 for all, -1 from when they join.  expiry_s: after which a
    post leaves boxes where it was not touched, 0 for never.  bounces_to: where bounces of its members elsewhere go,
    empty for its owners; outside: whether it has any.  archive: a URL where its posts can be read, or empty;
    archived_at: that of one post, with ``{id}`` in it, or empty.  brake: replies to a conversation in a while, after
    which it is closed; sender_posts, all_posts: in an hour; each 0 for no limit, -1 for that of the settings.
    """

    owner: OwnerId
    box: BoxId
    address: str
    title: str
    post: PostPolicy
    history: int = -1
    expiry_s: int = 0
    bounces_to: str = ""
    outside: bool = False
    moderation: Moderation = Moderation.NONE
    joining: Joining = Joining.CLOSED
    archive: str = ""
    archived_at: str = ""
    brake: int = -1
    sender_posts: int = -1
    all_posts: int = -1
    recall: Recall = Recall.ANY


@dataclass(frozen=True, slots=True)
class Subscription:
    """A source box, which is the system account's, carried into a target box.

    joined: the source's last UID when it began; watermark: the last source UID handled; 0 is an empty source.
    """

    owner: OwnerId
    target: BoxId
    source: BoxId
    joined: Uid
    watermark: Uid


@dataclass(frozen=True, slots=True)
class PostFacts:
    """All that was computed from a message at acceptance, without its octets: what a listing and a FETCH need.

    envelope, body, bodystructure: octets as ENVELOPE, BODY, BODYSTRUCTURE show them, parentheses included.
    header: the header block of the message with the empty line that ends it.  parts: a packed part tree
    (``mime.scan.unpack``).  sent: the Date field, in seconds, or the time of acceptance; sent_day: days since 1970 of
    the Date field as written, its zone ignored (SENTON, RFC 9051 6.4.4).  subject, sender: decoded text.  preview: the
    beginning of its text (RFC 8970), or None for posts that were accepted before there were previews.
    """

    id: PostId
    size: int
    sent: int
    sent_day: int
    envelope: bytes
    body: bytes
    bodystructure: bytes
    header: bytes
    parts: bytes
    sender: str
    subject: str
    message_id: str
    thread: PostId
    preview: str | None = None


@dataclass(frozen=True, slots=True)
class Sought:
    """What SEARCH, SORT and THREAD look at besides the text; as i;unicode-casemap compares it (``mime.sought``).

    sent: the Date field in seconds, None where it names no moment.  subject: the base subject; reply: it was that of a
    reply.  sender, to, cc: the mailbox of the first address; ..._display: its name.  references: the own message id,
    then those it refers to, a line each.  head: LF, name, colon, space, value of each header field.
    """

    sent: int | None = None
    subject: str = ""
    reply: bool = False
    sender: str = ""
    to: str = ""
    cc: str = ""
    sender_display: str = ""
    to_display: str = ""
    references: str = ""
    head: str = ""


@dataclass(frozen=True, slots=True)
class NewPost:
    """A post on its way into the store.  text: what SEARCH BODY looks in, decoded, as i;unicode-casemap compares it."""

    facts: PostFacts
    raw: bytes
    text: str
    sought: Sought = Sought()


@dataclass(frozen=True, slots=True)
class Quota:
    """What an account may have, its uncharged messages not counted; 0 is no limit."""

    storage_octets: int = 0
    messages: int = 0

    def __bool__(self) -> bool:
        """Whether there is any limit."""
        return bool(self.storage_octets or self.messages)


UNLIMITED = Quota()


@dataclass(frozen=True, slots=True)
class DeliveredPost:
    """A post in a box: one reader's private row."""

    uid: Uid
    modseq: ModSeq
    post: PostId
    bits: int
    keywords: tuple[str, ...]
    internaldate: int
    savedate: int
    size: int


@dataclass(frozen=True, slots=True)
class BoxHint:
    """A box has changed; modseq is a hint, the store's row is the truth (promise 6)."""

    owner: OwnerId
    box: BoxId
    modseq: ModSeq
