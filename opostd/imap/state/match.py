"""LIST and LSUB: which names match, and with which attributes (RFC 9051 6.3.9, RFC 3501 6.3.8, 6.3.9; RFC 5258).

What must stay true: matching is linear in the names, whatever the wildcards (security.md 1.5); a name that does not
exist but has names below it is shown where a pattern names it, and never otherwise.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from opostd.imap.values.commands import List
from opostd.imap.values.responses import Listed

DELIMITER = "/"
ROOT = Listed(("\\Noselect",), "")


def listed(names: Sequence[tuple[str, str]], subscribed: set[str], command: List, *, lsub: bool) -> list[Listed]:
    """The responses to one LIST or LSUB, sorted by name, each name once.

    names: all boxes of the user, with their SPECIAL-USE role (without backslash) or the empty string.
    subscribed: names, whether or not they are boxes.
    """
    if not command.extended and command.patterns == ("",):  # asks for the delimiter (RFC 9051 6.3.9)
        return [Listed(ROOT.attributes, "", lsub)]
    tree = _Tree(names, subscribed, command)
    return tree.of_lsub() if lsub else tree.of_list()


def may_match(command: List, top: str) -> bool:
    """Whether a name at or below ``top`` could be listed; false only where none could."""
    for pattern in command.patterns:
        literal = re.split("[*%]", command.reference + pattern, maxsplit=1)[0]
        if literal.startswith(top) or top.startswith(literal):
            return True
    return False


def described(names: Sequence[tuple[str, str]], subscribed: set[str], wanted: Mapping[str, str]) -> list[Listed]:
    """The responses of these names as they are now, with all their attributes, sorted.

    names, subscribed: as of ``listed``.  wanted: name, which need not be a box any more, with its old name or nothing.
    """
    tree = _Tree(names, subscribed, List("", (), returns=frozenset({"SUBSCRIBED"})))
    return [Listed(tree.attributes(name), name, oldname=wanted[name]) for name in _sorted(wanted)]


class _Tree:
    """The names of one user, under one command."""

    def __init__(self, names: Sequence[tuple[str, str]], subscribed: set[str], command: List) -> None:
        self._roles = dict(names)
        self._subscribed = subscribed
        self._command = command
        self._parents = _parents(self._roles)
        self._matcher = Matcher([_inbox_folded(command.reference + pattern) for pattern in command.patterns])

    def of_list(self) -> list[Listed]:
        select = self._command.select
        candidates = set(self._roles)
        below: set[str] = set()  # names with a chosen one below them
        if "SUBSCRIBED" in select:
            candidates = self._subscribed
        else:
            candidates = candidates | self._parents
        if "SPECIAL-USE" in select:
            candidates = {name for name in candidates if self._roles.get(name)}
        chosen = {name for name in candidates if self._matcher.matches(name)}
        if "RECURSIVEMATCH" in select:
            below = _parents(candidates)
            # One that is not chosen itself stands for those alone that are not shown (RFC 5258 3.3, 3.5)
            chosen |= {name for name in _parents(candidates - chosen) if self._matcher.matches(name)}
        return [Listed(self.attributes(name), name, childinfo=name in below) for name in _sorted(chosen)]

    def of_lsub(self) -> list[Listed]:
        """RFC 3501 6.3.9: where ``%`` stops above a subscribed name, its parent stands for it, as \\Noselect."""
        matches = self._matcher.matches
        chosen = {name for name in self._subscribed if matches(name)}
        hidden = [name for name in self._subscribed if name not in chosen]
        parents = {name for name in _parents(hidden) if name not in self._subscribed and matches(name)}
        return [
            Listed(("\\Noselect", *self._children(name)), name, lsub=True)
            if name in parents
            else Listed(self.attributes(name), name, lsub=True)
            for name in _sorted(chosen | parents)
        ]

    def attributes(self, name: str) -> tuple[str, ...]:
        """The role stands in every answer: Outlook and Apple Mail read it from plain LIST and LSUB."""
        attributes = []
        if name not in self._roles:
            # \NonExistent says it (RFC 5258 3), \Noselect is for those who do not know that word
            attributes += ["\\NonExistent", "\\Noselect"]
        attributes += self._children(name)
        if role := self._roles.get(name):
            attributes.append("\\" + role)
        # Selecting SUBSCRIBED is asking for the attribute too (RFC 5258 3.1)
        asked = self._command.select | self._command.returns
        if "SUBSCRIBED" in asked and name in self._subscribed:
            attributes.append("\\Subscribed")
        return tuple(attributes)

    def _children(self, name: str) -> tuple[str]:
        return ("\\HasChildren",) if name in self._parents else ("\\HasNoChildren",)


def _parents(names: Iterable[str]) -> set[str]:
    """Every name that stands above one of these."""
    found: set[str] = set()
    for name in names:
        at = name.rfind(DELIMITER)
        while at > 0 and (parent := name[:at]) not in found:
            found.add(parent)
            at = parent.rfind(DELIMITER)
    return found


def _sorted(names: Iterable[str]) -> list[str]:
    """By level, so that a name stands right before those below it."""
    return sorted(names, key=lambda name: name.split(DELIMITER))


def _inbox_folded(pattern: str) -> str:
    """INBOX in any case is one name, also as the first level of a pattern.

    With a wildcard in that level it is the upper-case string that must match (RFC 9051 6.3.9).
    """
    if pattern[:5].upper() == "INBOX" and pattern[5:6] in ("", DELIMITER, "*", "%"):
        return "INBOX" + pattern[5:]
    return pattern


class Matcher:
    """Whether a name matches one of some patterns: ``*`` is any text, ``%`` any text without a delimiter.

    All patterns are one automaton without determinism; the set of its states is the bits of one integer, and each
    character of a name is a few operations on it.  Names are remembered up to each delimiter, so that names in the
    same branch are not walked anew.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._anything = "*" in patterns
        self._characters: dict[str, int] = {}
        self._stars = self._percents = self._start = self._accepting = 0
        bit = 0
        for pattern in patterns:
            bit = self._add(_without_double_wildcards(pattern), bit)
        self._wild = self._stars | self._percents
        self._start = self._closed(self._start)
        self._after: dict[str, int] = {"": self._start}

    def _add(self, pattern: str, bit: int) -> int:
        """One state before each character of the pattern and one behind the last, from this bit on."""
        self._start |= 1 << bit
        for character in pattern:
            if character == "*":
                self._stars |= 1 << bit
            elif character == "%":
                self._percents |= 1 << bit
            else:
                self._characters[character] = self._characters.get(character, 0) | 1 << bit
            bit += 1
        self._accepting |= 1 << bit
        return bit + 1

    def _closed(self, states: int) -> int:
        """With the states behind wildcards, which match nothing too; two never stand side by side."""
        return states | (states & self._wild) << 1

    def matches(self, name: str) -> bool:
        return self._anything or bool(self._states(name) & self._accepting)

    def _states(self, name: str) -> int:
        states, walked = self._start, 0
        if DELIMITER in name:
            at = name.rfind(DELIMITER)
            parent = name[:at]
            known = self._after.get(parent)
            while known is None and (at := parent.rfind(DELIMITER)) >= 0:
                parent = parent[:at]
                known = self._after.get(parent)
            if known is not None:
                states, walked = known, len(parent)
        characters, stars, percents, wild = self._characters, self._stars, self._percents, self._wild
        for at in range(walked, len(name)):
            if not states:
                break
            character = name[at]
            if character == DELIMITER:
                self._after[name[:at]] = states
                staying = states & stars
            else:
                staying = states & (stars | percents)
            states = staying | (states & characters.get(character, 0)) << 1
            states |= (states & wild) << 1
        return states


def _without_double_wildcards(pattern: str) -> str:
    """``%%`` is ``%``; ``*`` beside any wildcard is ``*``."""
    pieces: list[str] = []
    for character in pattern:
        if character in "*%" and pieces and pieces[-1] in "*%":
            if character == "*":
                pieces[-1] = "*"
        else:
            pieces.append(character)
    return "".join(pieces)
