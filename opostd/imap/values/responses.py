"""Responses that are small: one frozen value each.  FETCH data is formatted straight to octets (``format.fetch``)."""

from dataclasses import dataclass
from enum import Enum

from opostd.imap.values.acl import AclData, MyRights, RightsList
from opostd.imap.values.batches import BatchData
from opostd.imap.values.metadata import MetadataChanged, MetadataData
from opostd.imap.values.quota import QuotaData, QuotaRoots
from opostd.imap.values.sets import Partial
from opostd.imap.values.sort import Tree


class Condition(Enum):
    OK = b"OK"
    NO = b"NO"
    BAD = b"BAD"
    BYE = b"BYE"
    PREAUTH = b"PREAUTH"


@dataclass(frozen=True, slots=True)
class State:
    """A status response (RFC 9051 7.1).  code: the response code without brackets, as octets, or None.

    text: for people; CR and LF in it are replaced when formatted.  An untagged one unless a tag is given to the
    formatter.
    """

    condition: Condition
    text: str
    code: bytes | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The tagged line, where it is more than ``OK ... completed``: the last thing a handler yields.

    highestmodseq: its code is HIGHESTMODSEQ, as it is when the client has been told all changes (RFC 7162 3.2.7).
    """

    condition: Condition
    text: str
    code: bytes | None = None
    highestmodseq: bool = False


@dataclass(frozen=True, slots=True)
class Exists:
    count: int


@dataclass(frozen=True, slots=True)
class Recent:
    count: int


@dataclass(frozen=True, slots=True)
class Expunge:
    number: int


@dataclass(frozen=True, slots=True)
class Vanished:
    """Messages that have left, by UID, ascending; earlier: before the box was selected (RFC 7162 3.2.10)."""

    uids: tuple[int, ...]
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class FlagsChanged:
    """An untagged FETCH with UID, FLAGS and, for a client that knows of them, MODSEQ.

    number: None for a UIDFETCH (RFC 9586 3.3).
    """

    number: int | None
    uid: int
    bits: int
    keywords: tuple[str, ...]
    modseq: int | None = None


@dataclass(frozen=True, slots=True)
class BoxFlags:
    """``* FLAGS (...)``: the flags that occur in the box."""

    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Capability:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Enabled:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """``* LIST (attributes) "/" name`` or LSUB.

    attributes: with backslash.  childinfo: CHILDINFO ("SUBSCRIBED") follows (RFC 5258 3.5); oldname: OLDNAME does, if
    it is not empty (RFC 5465 5.4).
    """

    attributes: tuple[str, ...]
    name: str
    lsub: bool = False
    childinfo: bool = False
    oldname: str = ""


@dataclass(frozen=True, slots=True)
class StatusData:
    """``* STATUS name (item value ...)``; items by their wire names, in the order asked for."""

    name: str
    items: tuple[tuple[bytes, int | bytes], ...]


@dataclass(frozen=True, slots=True)
class SearchData:
    """``* SEARCH n n n``; modseq: the highest of these messages, where a search by MODSEQ found any."""

    numbers: tuple[int, ...]
    modseq: int | None = None


@dataclass(frozen=True, slots=True)
class SortData:
    """``* SORT n n n`` (RFC 5256 4).  modseq: as of SearchData."""

    numbers: tuple[int, ...]
    modseq: int | None = None


@dataclass(frozen=True, slots=True)
class ThreadData:
    """``* THREAD (n)(n n)`` (RFC 5256 4)."""

    threads: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class ESearch:
    """``* ESEARCH (TAG "a") [UID] ...`` (RFC 4731 3.1): what is None or empty is left out.

    all: in the order found; runs of ascending numbers are written as ranges (RFC 5267 3.2).  partial: the range asked
    for, and what it names (RFC 9394 3.1).  modseq: RFC 4731 3.2.
    mailbox, uidvalidity: of an ESEARCH in several mailboxes (RFC 7377 2.1), else empty.
    """

    tag: bytes
    by_uid: bool
    min: int | None = None
    max: int | None = None
    count: int | None = None
    all: tuple[int, ...] = ()
    partial: tuple[Partial, tuple[int, ...]] | None = None
    modseq: int | None = None
    mailbox: str = ""
    uidvalidity: int = 0


@dataclass(frozen=True, slots=True)
class Namespaces:
    """``* NAMESPACE (("" "/")) NIL (("Shared/" "/"))`` (RFC 2342)."""


@dataclass(frozen=True, slots=True)
class IdData:
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Continue:
    """``+ text``; text is already base64 where SASL wants it."""

    text: bytes = b""


Response = (
    State
    | Exists
    | Recent
    | Expunge
    | Vanished
    | FlagsChanged
    | BoxFlags
    | Capability
    | Enabled
    | Listed
    | StatusData
    | SearchData
    | SortData
    | ThreadData
    | ESearch
    | Namespaces
    | IdData
    | BatchData
    | MetadataData
    | MetadataChanged
    | QuotaData
    | QuotaRoots
    | Continue
    | AclData
    | RightsList
    | MyRights
)
