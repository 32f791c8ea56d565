"""The flags of sendmail, as programs have given them for forty years.

Pure.  What changes nothing here (``-oem``, ``-bm``, ``-v``) is read and forgotten; what asks for another program
(``-bs``, ``-bp``, ``-q``) is refused rather than misread.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

# One letter, with a value behind it or in the next word
_VALUED = frozenset("BCDFhLNOopRrVXfAbdeq")
_ATTACHED = frozenset("obdeqA")  # their value never stands in the next word
_IGNORED_MODES = frozenset({"m"})


class BadFlags(ValueError):
    """What is wrong, for the person."""


@dataclass(slots=True)
class Flags:
    """recipients: words that are no flags; from_header: -t; dot_ends: a line with a dot ends the message."""

    sender: str = ""
    name: str = ""
    from_header: bool = False
    dot_ends: bool = True
    notify: str = ""
    ret: str = ""
    envid: str = ""
    recipients: list[str] = field(default_factory=list)


def read_flags(words: Sequence[str]) -> Flags:
    """Raises BadFlags."""
    flags = Flags()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            flags.recipients += rest
            break
        if len(word) < 2 or word[0] != "-":
            flags.recipients.append(word)
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter not in _VALUED:
                _switch(flags, letter)
                continue
            value, letters = letters, ""
            if not value and letter not in _ATTACHED:
                if not rest:
                    raise BadFlags(f"-{letter} needs a value")
                value = rest.pop(0)
            _set(flags, letter, value)
    return flags


def _switch(flags: Flags, letter: str) -> None:
    if letter == "t":
        flags.from_header = True
    elif letter == "i":
        flags.dot_ends = False
    elif letter not in "GUMmnvs":
        raise BadFlags(f"-{letter} is not known")


def _set(flags: Flags, letter: str, value: str) -> None:
    if letter in "fr":
        flags.sender = value
    elif letter == "F":
        flags.name = value
    elif letter == "N":
        flags.notify = value.upper()
    elif letter == "R":
        flags.ret = {"FULL": "FULL", "HDRS": "HDRS"}.get(value.upper(), "")
        if not flags.ret:
            raise BadFlags("-R takes full or hdrs")
    elif letter == "V":
        flags.envid = value
    elif letter == "o" and value == "i":
        flags.dot_ends = False
    elif letter == "q" or (letter == "b" and value not in _IGNORED_MODES):
        raise BadFlags(f"-{letter}{value} is not for this program; see opostd queue, or speak SMTP")
