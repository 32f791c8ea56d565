"""SEARCH keys as a tree, and what SEARCH is to return (RFC 9051 6.4.4, RFC 3501 6.4.4; RFC 4731, 5032, 5182)."""

from dataclasses import dataclass
from enum import Enum

from opostd.imap.values.scope import Filter
from opostd.imap.values.sets import Numbers, Partial
from opostd.model.ids import ModSeq


@dataclass(frozen=True, slots=True)
class All:
    """Every message."""


@dataclass(frozen=True, slots=True)
class HasFlag:
    """ANSWERED, UNSEEN ...: the bit of ``model.flags`` is set, or with ``set_`` False is not."""

    bit: int
    set_: bool


@dataclass(frozen=True, slots=True)
class HasKeyword:
    """KEYWORD, UNKEYWORD; compared without case."""

    keyword: str
    set_: bool


@dataclass(frozen=True, slots=True)
class Recent:
    """RECENT (True), OLD (False) and NEW (RECENT UNSEEN, built as an And): no message is ever recent here."""

    recent: bool


class DateField(Enum):
    """Which date a key compares: INTERNALDATE, the Date field as written, or SAVEDATE (RFC 8514)."""

    INTERNAL = "internal"
    SENT = "sent"
    SAVED = "saved"


class Order(Enum):
    BEFORE = "before"
    ON = "on"
    SINCE = "since"


@dataclass(frozen=True, slots=True)
class Dated:
    """BEFORE, ON, SINCE, SENTBEFORE, SAVEDBEFORE ...  day: days since 1970-01-01, time and zone ignored."""

    field: DateField
    order: Order
    day: int


@dataclass(frozen=True, slots=True)
class Aged:
    """OLDER, YOUNGER (RFC 5032): INTERNALDATE at least, or at most, so many seconds before now."""

    seconds: int
    older: bool


@dataclass(frozen=True, slots=True)
class Larger:
    octets: int


@dataclass(frozen=True, slots=True)
class Smaller:
    octets: int


@dataclass(frozen=True, slots=True)
class Header:
    """FROM, TO, CC, BCC, SUBJECT, HEADER: a substring of a decoded header field, without case.

    field: lower case.  value: Unicode, as the client gave it; empty means that the field is there at all.
    """

    field: bytes
    value: str


@dataclass(frozen=True, slots=True)
class Body:
    """A substring of the text parts."""

    value: str


@dataclass(frozen=True, slots=True)
class InText:
    """TEXT: a substring of the header or of the text parts."""

    value: str


@dataclass(frozen=True, slots=True)
class Modified:
    """MODSEQ: changed with this change or a later one (RFC 7162 3.1.5)."""

    modseq: ModSeq


@dataclass(frozen=True, slots=True)
class EmailId:
    """EMAILID (RFC 8474 6).  objectid: as the client gave it."""

    objectid: bytes


@dataclass(frozen=True, slots=True)
class ThreadId:
    """THREADID (RFC 8474 6).  objectid: as the client gave it."""

    objectid: bytes


@dataclass(frozen=True, slots=True)
class SeqNumbers:
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Uids:
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Not:
    key: "Key"


@dataclass(frozen=True, slots=True)
class Or:
    left: "Key"
    right: "Key"


@dataclass(frozen=True, slots=True)
class And:
    keys: tuple["Key", ...]


Key = (
    All
    | HasFlag
    | HasKeyword
    | Recent
    | Dated
    | Aged
    | Larger
    | Smaller
    | Header
    | Body
    | InText
    | Modified
    | EmailId
    | ThreadId
    | SeqNumbers
    | Uids
    | Not
    | Or
    | And
)


class Option(Enum):
    """What RETURN asks for (RFC 4731 3.1; SAVE: RFC 5182 2.1)."""

    MIN = b"MIN"
    MAX = b"MAX"
    ALL = b"ALL"
    COUNT = b"COUNT"
    SAVE = b"SAVE"


@dataclass(frozen=True, slots=True)
class Returns:
    """``RETURN (...)``; an empty list is written as ALL (RFC 4731 3.1).  partial: never beside ALL (RFC 9394 3.1)."""

    options: frozenset[Option]
    partial: Partial | None = None

    @property
    def save(self) -> bool:
        return Option.SAVE in self.options


ALL_OF_THEM = Returns(frozenset({Option.ALL}))


@dataclass(frozen=True, slots=True)
class MultiSearch:
    """ESEARCH (RFC 7377): filters: where to look; without any, in the selected mailbox.  charset: as of Search."""

    filters: tuple[Filter, ...]
    key: Key
    charset: str | None
    returns: Returns


@dataclass(frozen=True, slots=True)
class Search:
    """SEARCH or UID SEARCH.

    charset: as asked for, upper case, or None; the strings in ``key`` are decoded from it, if it is one that is
    known.  returns: None without RETURN.
    """

    key: Key
    by_uid: bool
    charset: str | None = None
    returns: Returns | None = None
