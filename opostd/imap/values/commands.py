"""The commands that are small: one frozen value each, in the RFC's words.

Mailbox names are Unicode (already decoded from modified UTF-7), INBOX in any case already folded to ``INBOX``.
"""

from dataclasses import dataclass
from enum import Enum

from opostd.imap.values.sets import Numbers, SequenceSet
from opostd.model.flags import FlagAction, Flags
from opostd.model.ids import ModSeq


@dataclass(frozen=True, slots=True)
class Bare:
    """A command without arguments: CAPABILITY, NOOP, LOGOUT, STARTTLS, CHECK, CLOSE, EXPUNGE, IDLE ..."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """mechanism: upper case.  initial: decoded from base64; None when there is no initial response (RFC 4959)."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Id:
    """ID (RFC 2971): what the client says of itself; None for NIL."""

    fields: tuple[tuple[str, str | None], ...] | None


@dataclass(frozen=True, slots=True)
class Enable:
    """capabilities: upper case."""

    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mailbox:
    """CREATE, DELETE, SUBSCRIBE, UNSUBSCRIBE.  role: CREATE ... (USE (\\Sent)), without backslash (RFC 6154)."""

    name: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class Resync:
    """QRESYNC (uidvalidity modseq known-uids seq-match-data) (RFC 7162 3.2.5).

    known: the UIDs that the client asks about; None for all.  match: sequence numbers, and the UIDs that the client
    knows for them, in ascending order.
    """

    uidvalidity: int
    modseq: ModSeq
    known: SequenceSet | None = None
    match: tuple[SequenceSet, SequenceSet] | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT, EXAMINE; condstore, resync: the parameters of RFC 7162 3.1.8 and 3.2.5."""

    name: str
    condstore: bool = False
    resync: Resync | None = None


@dataclass(frozen=True, slots=True)
class Rename:
    old: str
    new: str


class StatusItem(Enum):
    """STATUS data items (RFC 9051 6.3.11; RECENT is RFC 3501's; RFC 7162 3.1.7, RFC 8438, RFC 8474 4.3,
    RFC 9208 4.1.4, RFC 7889 3)."""

    MESSAGES = b"MESSAGES"
    RECENT = b"RECENT"
    UIDNEXT = b"UIDNEXT"
    UIDVALIDITY = b"UIDVALIDITY"
    UNSEEN = b"UNSEEN"
    HIGHESTMODSEQ = b"HIGHESTMODSEQ"
    DELETED = b"DELETED"
    SIZE = b"SIZE"
    MAILBOXID = b"MAILBOXID"
    APPENDLIMIT = b"APPENDLIMIT"
    DELETED_STORAGE = b"DELETED-STORAGE"


@dataclass(frozen=True, slots=True)
class Status:
    name: str
    items: tuple[StatusItem, ...]


@dataclass(frozen=True, slots=True)
class List:
    """LIST with the options of RFC 5258, 6154, 5819, 8440 and 9590, or LSUB (all options empty).

    reference and patterns: decoded Unicode.  select: of SUBSCRIBED, REMOTE, RECURSIVEMATCH, SPECIAL-USE;
    returns: of SUBSCRIBED, CHILDREN, SPECIAL-USE, MYRIGHTS.  extended: the client used a selection option, a pattern
    list or RETURN.  status: items that RETURN (STATUS (...)) asks for; annotations: entries of METADATA (...).
    """

    reference: str
    patterns: tuple[str, ...]
    select: frozenset[str] = frozenset()
    returns: frozenset[str] = frozenset()
    extended: bool = False
    status: tuple[StatusItem, ...] = ()
    annotations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Store:
    """STORE, UID STORE (RFC 9051 6.4.6).  unchangedsince: RFC 7162 3.1.3, or None."""

    numbers: Numbers
    action: FlagAction
    flags: Flags
    silent: bool
    by_uid: bool
    unchangedsince: ModSeq | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY, MOVE and their UID forms (RFC 9051 6.4.7, 6.4.8)."""

    numbers: Numbers
    name: str
    by_uid: bool


@dataclass(frozen=True, slots=True)
class UidExpunge:
    """UID EXPUNGE (RFC 4315 2.1)."""

    numbers: Numbers
