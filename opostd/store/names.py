"""Names of boxes: what may be one, and where it stands in the tree.  Pure.

Levels are separated by ``/``.  What LIST answers is what was given, so nothing is normalised here but INBOX, which is
one box in any case; names are in NFC, which doors see to (RFC 9051 5.1).
"""

import re
import unicodedata

from opostd.model.errors import BadBoxName

INBOX = "INBOX"
SEPARATOR = "/"
SHARED = "Shared"
"""The first level of the names of what others share; no box of one's own is made there (``store.shared``)."""
MAX_OCTETS = 1000  # in all, and
MAX_LEVEL_OCTETS = 255  # of one level: security.md 1.5
MAX_LEVELS = 20


def canonical(name: str) -> str:
    """The name with INBOX in capitals, alone or as the first level."""
    first, separator, rest = name.partition(SEPARATOR)
    return INBOX + separator + rest if first.upper() == INBOX else name


def check(name: str) -> None:
    """Raises BadBoxName when no box may have this name."""
    try:
        octets = len(name.encode())
    except UnicodeEncodeError:
        raise BadBoxName("a mailbox name is Unicode text") from None
    if not unicodedata.is_normalized("NFC", name):
        raise BadBoxName("a mailbox name is in Unicode's Normalization Form C")
    levels = name.split(SEPARATOR)
    if octets > MAX_OCTETS or any(len(level.encode()) > MAX_LEVEL_OCTETS for level in levels):
        raise BadBoxName("the mailbox name is too long")
    if len(levels) > MAX_LEVELS:
        raise BadBoxName(f"a mailbox name has at most {MAX_LEVELS} levels")
    if any(level in ("", ".", "..") for level in levels):
        raise BadBoxName("a level of the mailbox name is empty or all dots")
    # Wildcards could not be listed (RFC 9051 6.3.9); C1 controls and line separators would not survive a display.
    if any(char in "*%" or ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u2028\u2029" for char in name):
        raise BadBoxName("a mailbox name has no wildcards and no control characters")


def parents(name: str) -> list[str]:
    """``a/b/c`` -> a, a/b."""
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:count]) for count in range(1, len(levels))]


def below(name: str, top: str) -> bool:
    """Whether the name is under top in the tree."""
    return name.startswith(top + SEPARATOR)


def is_shared(name: str) -> bool:
    """Whether the name is of what others share, or the place of those."""
    return name == SHARED or below(name, SHARED)


_NO_LEVEL = re.compile("[/*%=]")


def level_of(login: str) -> str:
    """A login as one level of a name: what no level may have is ``=`` and its hexadecimal digits."""
    return _NO_LEVEL.sub(lambda found: f"={ord(found[0]):02X}", login)
