"""SORT and THREAD (RFC 5256, 5957, 5267)."""

from dataclasses import dataclass
from enum import Enum

from opostd.imap.values.search import Key, Returns


class SortKey(Enum):
    """What messages are put in order by (RFC 5256 3; DISPLAYFROM and DISPLAYTO: RFC 5957 4)."""

    ARRIVAL = b"ARRIVAL"
    CC = b"CC"
    DATE = b"DATE"
    DISPLAYFROM = b"DISPLAYFROM"
    DISPLAYTO = b"DISPLAYTO"
    FROM = b"FROM"
    SIZE = b"SIZE"
    SUBJECT = b"SUBJECT"
    TO = b"TO"


@dataclass(frozen=True, slots=True)
class Criterion:
    key: SortKey
    reverse: bool = False


class Algorithm(Enum):
    ORDEREDSUBJECT = b"ORDEREDSUBJECT"
    REFERENCES = b"REFERENCES"


@dataclass(frozen=True, slots=True)
class Sort:
    """SORT or UID SORT.  charset, key, returns: as of Search."""

    criteria: tuple[Criterion, ...]
    key: Key
    by_uid: bool
    charset: str
    returns: Returns | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """THREAD or UID THREAD."""

    algorithm: Algorithm
    key: Key
    by_uid: bool
    charset: str


@dataclass(frozen=True, slots=True)
class Tree:
    """A message and its replies; number None: a message that is not there, and has several replies.

    What is in order is in order here.
    """

    number: int | None
    replies: tuple["Tree", ...] = ()
