"""The commands that are small: one frozen value each, in the RFC's words.

Mailbox names are Unicode (already decoded from modified UTF-7), INBOX in any case already folded to ``INBOX``.
"""

from dataclasses import dataclass
from enum import Enum

from opostd.imap.values.sets import Numbers
from opostd.model.flags import FlagAction, Flags


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
class Select:
    """SELECT, EXAMINE."""

    name: str


@dataclass(frozen=True, slots=True)
class Rename:
    old: str
    new: str


class StatusItem(Enum):
    """STATUS data items (RFC 9051 6.3.11; RECENT is RFC 3501's)."""

    MESSAGES = b"MESSAGES"
    RECENT = b"RECENT"
    UIDNEXT = b"UIDNEXT"
    UIDVALIDITY = b"UIDVALIDITY"
    UNSEEN = b"UNSEEN"


@dataclass(frozen=True, slots=True)
class Status:
    name: str
    items: tuple[StatusItem, ...]


@dataclass(frozen=True, slots=True)
class List:
    """LIST with the options of RFC 5258 and 6154, or LSUB (all options empty).

    reference and patterns: decoded Unicode.  select: of SUBSCRIBED, REMOTE, RECURSIVEMATCH, SPECIAL-USE;
    returns: of SUBSCRIBED, CHILDREN, SPECIAL-USE.  extended: the client used a selection option, a pattern list or
    RETURN.
    """

    reference: str
    patterns: tuple[str, ...]
    select: frozenset[str] = frozenset()
    returns: frozenset[str] = frozenset()
    extended: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """internaldate: seconds since 1970 UTC, or None.  message: the octets."""

    name: str
    flags: Flags
    internaldate: int | None
    message: bytes


@dataclass(frozen=True, slots=True)
class Store:
    """STORE, UID STORE (RFC 9051 6.4.6)."""

    numbers: Numbers
    action: FlagAction
    flags: Flags
    silent: bool
    by_uid: bool


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
