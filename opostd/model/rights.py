"""Rights to a box: letters on the wire, bits in the store (RFC 4314 2.1, 2.1.1).

The obsolete ``c`` stands for k and x, ``d`` for t and e: in what is given they mean all of their members, in what is
shown they stand beside any of them.  The letters are never given another bit: rows have them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag

from opostd.model.flags import ALL_FLAGS, DELETED, EVERY_FLAG, SEEN, FlagScope


class Rights(IntFlag):
    """What somebody may do with a box, and with what is in it."""

    LOOKUP = 1  # l: the box is there at all
    READ = 2  # r: SELECT, STATUS
    SEEN = 4  # s: change \\Seen
    WRITE = 8  # w: change other flags than \\Seen and \\Deleted
    INSERT = 16  # i: APPEND, COPY into it
    POST = 32  # p: send mail to it; kept, and nothing here asks for it
    CREATE = 64  # k: CREATE below it, RENAME to below it
    REMOVE = 128  # x: DELETE it, RENAME it
    DELETE = 256  # t: change \\Deleted
    EXPUNGE = 512  # e
    ADMIN = 1024  # a: SETACL, DELETEACL, GETACL, LISTRIGHTS


NO_RIGHTS = Rights(0)
ALL_RIGHTS = Rights(2047)
KNOWN_BY = Rights.LOOKUP | Rights.READ | Rights.INSERT | Rights.CREATE | Rights.REMOVE | Rights.ADMIN
"""Whoever has one of these may ask MYRIGHTS (RFC 4314 4)."""
CHANGING = Rights.INSERT | Rights.EXPUNGE | Rights.SEEN | Rights.WRITE | Rights.DELETE
"""Without all of these a SELECT is READ-ONLY (RFC 4314 5.2): all flags of a box are shared."""

BY_LETTER: dict[str, Rights] = dict(zip("lrswipkxtea", Rights, strict=True))
OBSOLETE: dict[str, Rights] = {"c": Rights.CREATE | Rights.REMOVE, "d": Rights.DELETE | Rights.EXPUNGE}
LETTERS = "lrswipkxtecda"
"""All that may be given, in the order in which they are shown."""


def rights_of(letters: str) -> Rights:
    """The rights that letters stand for.  Raises ValueError for a letter that stands for none."""
    rights = NO_RIGHTS
    for letter in letters:
        right = BY_LETTER.get(letter) or OBSOLETE.get(letter)
        if right is None:
            raise ValueError(f"there is no right {letter!r}; those are {LETTERS}")
        rights |= right
    return rights


def letters_of(rights: Rights) -> str:
    """The letters of rights, with ``c`` and ``d`` beside any of their members (RFC 4314 2.1.1)."""
    return "".join(letter for letter in LETTERS if rights & (BY_LETTER.get(letter) or OBSOLETE[letter]))


def flag_scope(rights: Rights) -> FlagScope:
    """The flags that these rights let somebody change (RFC 4314 4)."""
    if rights & (Rights.SEEN | Rights.WRITE | Rights.DELETE) == Rights.SEEN | Rights.WRITE | Rights.DELETE:
        return EVERY_FLAG
    bits = ALL_FLAGS & ~SEEN & ~DELETED if Rights.WRITE in rights else 0
    bits |= SEEN if Rights.SEEN in rights else 0
    bits |= DELETED if Rights.DELETE in rights else 0
    return FlagScope(bits, Rights.WRITE in rights)


class Change(Enum):
    """What is done with the rights that an identifier has (RFC 4314 3.1)."""

    REPLACE = ""
    ADD = "+"
    REMOVE = "-"


def changed(old: Rights, how: Change, given: Rights) -> Rights:
    """The rights after SETACL."""
    return {Change.REPLACE: given, Change.ADD: old | given, Change.REMOVE: old & ~given}[how]


class GranteeKind(IntEnum):
    """Whom an entry is about."""

    PERSON = 0
    GROUP = 1
    ANYONE = 2  # everybody who can log in


@dataclass(frozen=True, slots=True)
class Grantee:
    """who: the account of a person, the source box of a group, 0 for anyone: ids that are never given again."""

    kind: GranteeKind
    who: int = 0


ANYONE = Grantee(GranteeKind.ANYONE)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a grantee is given in one box, and what is taken from them though another entry may give it."""

    grantee: Grantee
    granted: Rights
    denied: Rights = NO_RIGHTS


def effective(entries: Iterable[Entry], is_meant: "frozenset[Grantee]") -> Rights:
    """All that is granted to somebody under any name, less all that is denied to them under any (RFC 4314 2).

    is_meant: the grantees that stand for them.
    """
    granted = denied = NO_RIGHTS
    for each in entries:
        if each.grantee in is_meant:
            granted |= each.granted
            denied |= each.denied
    return granted & ~denied
