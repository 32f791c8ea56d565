"""Message flags: the five of RFC 9051 2.3.2 as bits of an integer, keywords as text.

``\\Recent`` is not kept: RFC 9051 has dropped it, and an IMAP4rev1 client is told 0 RECENT.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = 1, 2, 4, 8, 16
ALL_FLAGS = SEEN | ANSWERED | FLAGGED | DELETED | DRAFT
UNCHARGED = 32
"""No flag, but kept beside them: a row that no quota counts, for it is a source's, or came from one."""
ALL_BITS = ALL_FLAGS | UNCHARGED

FLAG_NAMES: dict[int, bytes] = {
    SEEN: b"\\Seen",
    ANSWERED: b"\\Answered",
    FLAGGED: b"\\Flagged",
    DELETED: b"\\Deleted",
    DRAFT: b"\\Draft",
}
FLAG_BITS: dict[bytes, int] = {name.lower(): bit for bit, name in FLAG_NAMES.items()}

MAX_KEYWORDS = 64  # on one message: more is a client gone wrong, and each costs every FLAGS answer
MAX_KEYWORD_OCTETS = 100


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of one message.  bits: an or of SEEN ... DRAFT; keywords: sorted, unique, compared without case."""

    bits: int = 0
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FlagScope:
    """The flags that a change may touch; the others stay as they are."""

    bits: int = ALL_FLAGS
    keywords: bool = True

    def of(self, flags: Flags) -> Flags:
        """Those of the flags that are in it."""
        return Flags(flags.bits & self.bits, flags.keywords if self.keywords else ())


EVERY_FLAG = FlagScope()


class FlagAction(Enum):
    """What STORE does with the flags it is given (RFC 9051 6.4.6)."""

    REPLACE = "FLAGS"
    ADD = "+FLAGS"
    REMOVE = "-FLAGS"


def merge_keywords(keywords: Iterable[str]) -> tuple[str, ...]:
    """Sorted, each once whatever its case; the first spelling met stays (RFC 9051 2.3.2: case-insensitive)."""
    first: dict[str, str] = {}
    for keyword in keywords:
        first.setdefault(keyword.lower(), keyword)
    return tuple(first[key] for key in sorted(first))


def apply_flags(old: Flags, action: FlagAction, change: Flags, scope: FlagScope = EVERY_FLAG) -> Flags:
    """The flags after a STORE."""
    new = _applied(old, action, change)
    if scope is EVERY_FLAG:
        return new
    bits = (old.bits & ~scope.bits) | (new.bits & scope.bits)
    return Flags(bits, new.keywords if scope.keywords else old.keywords)


def _applied(old: Flags, action: FlagAction, change: Flags) -> Flags:
    if action is FlagAction.REPLACE:
        return Flags(change.bits, merge_keywords(change.keywords))
    if action is FlagAction.ADD:
        return Flags(old.bits | change.bits, merge_keywords((*old.keywords, *change.keywords)))
    gone = {keyword.lower() for keyword in change.keywords}
    return Flags(old.bits & ~change.bits, tuple(k for k in old.keywords if k.lower() not in gone))
