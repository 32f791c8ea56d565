"""What one client believes of the selected box: it applies what it is told, and says what a server must not say.

RFC 9051 7.4, 7.5; RFC 7162 3.2.10 (VANISHED), 6 (the client's copy of HIGHESTMODSEQ).
"""

import re
from dataclasses import dataclass, field

FETCH = re.compile(r"\* (\d+) FETCH \((.*)\)")
NUMBER = re.compile(r"\* (\d+) (EXISTS|EXPUNGE)")
VANISHED = re.compile(r"\* VANISHED (\(EARLIER\) )?([\d:,]+)")
HIGHEST = re.compile(r"\S+ OK \[HIGHESTMODSEQ (\d+)\]")
ITEMS = {
    "uid": re.compile(r"\bUID (\d+)"),
    "modseq": re.compile(r"\bMODSEQ \((\d+)\)"),
    "email": re.compile(r"\bEMAILID \((\w+)\)"),
}
FLAGS = re.compile(r"\bFLAGS \(([^)]*)\)")


def numbers(written: str) -> list[int]:
    """A set of numbers, one by one."""
    found: list[int] = []
    for piece in written.split(","):
        first, _, last = piece.partition(":")
        found += range(int(first), int(last or first) + 1)
    return found


@dataclass(slots=True)
class Message:
    """A place in the client's list; None is what it has not been told."""

    uid: int | None = None
    flags: frozenset[str] | None = None
    modseq: int | None = None


@dataclass
class Truth:
    """What is so for ever, whoever is told: the flags of a message at a modseq, and its EMAILID."""

    flags: dict[tuple[int, int], frozenset[str]] = field(default_factory=dict)
    emails: dict[int, str] = field(default_factory=dict)

    def told(self, uid: int, flags: frozenset[str] | None, modseq: int | None, email: str | None) -> None:
        if flags is not None and modseq is not None:
            before = self.flags.setdefault((uid, modseq), flags)
            assert before == flags, f"UID {uid} at modseq {modseq} was {set(before)}, and is {set(flags)}"
        if email is not None:
            before_ = self.emails.setdefault(uid, email)
            assert before_ == email, f"UID {uid} was {before_}, and is {email}"


@dataclass
class Belief:
    """aware: it knows of modseqs; vanished: it has enabled QRESYNC."""

    truth: Truth
    aware: bool = False
    vanished: bool = False
    messages: list[Message] = field(default_factory=list)
    highestmodseq: int = 0
    cached: dict[int, Message] | None = None  # from before, while a SELECT (QRESYNC ...) is answered
    _exists: int = 0
    _code: int | None = None
    _last_code: int = 0
    _modseq: int = 0

    def begin(self) -> None:
        """A command has been sent."""
        self._code, self._modseq = None, 0

    def end(self) -> None:
        """Its tagged line has been read: the copy of HIGHESTMODSEQ, as RFC 7162 6 says."""
        if self._code is not None:
            self.highestmodseq = self._code
        elif self._modseq > self.highestmodseq:
            self.highestmodseq = self._modseq

    def hear(self, line: str, *, may_expunge: bool, complete: bool, told: set[int]) -> bool:
        """Applies a response about messages; whether it is one.

        complete: FETCH must have UID and MODSEQ where the client knows of modseqs.  told: gets the UIDs whose flags
        have been told.
        """
        if found := HIGHEST.match(line):
            self._code = int(found[1])
            assert self._code >= self._last_code, f"HIGHESTMODSEQ went back from {self._last_code}"
            self._last_code = self._code
        elif found := NUMBER.fullmatch(line):
            self._count(int(found[1]), found[2], may_expunge)
        elif found := VANISHED.fullmatch(line):
            self._gone(numbers(found[2]), bool(found[1]), may_expunge)
        elif found := FETCH.fullmatch(line):
            self._fetched(int(found[1]), found[2], complete, told)
        else:
            return False
        return True

    def _count(self, number: int, word: str, may_expunge: bool) -> None:
        if word == "EXPUNGE":
            assert may_expunge, "EXPUNGE where it must not be"
            assert not self.vanished, "EXPUNGE in place of VANISHED"
            assert 1 <= number <= len(self.messages), f"EXPUNGE {number} of {len(self.messages)}"
            del self.messages[number - 1]
        elif self.cached is not None:
            self._exists = number
        else:
            assert number >= len(self.messages), f"EXISTS {number} after {len(self.messages)}"
            self.messages += [Message() for _ in range(number - len(self.messages))]

    def _gone(self, uids: list[int], earlier: bool, may_expunge: bool) -> None:
        assert self.vanished, "VANISHED without ENABLE QRESYNC"
        if earlier and self.cached is not None:
            for uid in uids:
                self.cached.pop(uid, None)
            return
        here = {message.uid for message in self.messages}
        if earlier:
            assert here.isdisjoint(uids), f"VANISHED (EARLIER) of messages that are counted: {here.intersection(uids)}"
            return
        assert may_expunge, "VANISHED where it must not be"
        self.resynced()
        for uid in uids:
            at = self._place(uid)
            assert at is not None, f"VANISHED {uid}, which is not counted"
            del self.messages[at]

    def _place(self, uid: int) -> int | None:
        """Where a message stands, or where it can: it may be one that is counted and not known."""
        unknown: int | None = None
        for at, message in enumerate(self.messages):
            if message.uid is None:
                unknown = at
            elif message.uid == uid:
                return at
            elif message.uid < uid:
                unknown = None
            else:
                break
        return unknown

    def resynced(self) -> None:
        """All VANISHED (EARLIER) of a SELECT have been told: what was cached and is left must be what is there."""
        if self.cached is None:
            return
        kept = [self.cached[uid] for uid in sorted(self.cached)]
        assert len(kept) <= self._exists, f"{len(kept)} are left, and there are {self._exists}: VANISHED was too little"
        self.messages = kept + [Message() for _ in range(self._exists - len(kept))]
        self.cached = None

    def _fetched(self, number: int, items: str, complete: bool, told: set[int]) -> None:
        self.resynced()
        assert 1 <= number <= len(self.messages), f"FETCH {number} of {len(self.messages)}"
        message = self.messages[number - 1]
        found = {name: match[1] for name, pattern in ITEMS.items() if (match := pattern.search(items))}
        flags = frozenset(match[1].split()) if (match := FLAGS.search(items)) else None
        modseq = int(found["modseq"]) if "modseq" in found else None
        if flags is not None and complete and self.aware:
            assert "uid" in found, "FETCH of flags without UID"
            assert modseq is not None, "FETCH of flags without MODSEQ"
        if "uid" in found:
            self._named(number - 1, int(found["uid"]))
        if modseq is not None:
            assert message.modseq is None or modseq >= message.modseq, f"the modseq of UID {message.uid} went back"
            self._modseq = max(self._modseq, modseq)
        if message.uid is not None:
            self.truth.told(message.uid, flags, modseq, found.get("email"))
        if flags is not None:
            message.flags = flags
            if message.uid is not None:
                told.add(message.uid)
        if modseq is not None or flags is not None:
            message.modseq = modseq

    def _named(self, at: int, uid: int) -> None:
        message = self.messages[at]
        assert message.uid in (None, uid), f"number {at + 1} was UID {message.uid}, and is UID {uid}"
        message.uid = uid
        before = [each.uid for each in self.messages[:at] if each.uid is not None]
        after = [each.uid for each in self.messages[at + 1 :] if each.uid is not None]
        assert not before or before[-1] < uid, f"UID {uid} behind UID {before[-1]}"
        assert not after or uid < after[0], f"UID {uid} before UID {after[0]}"

    def first_unknown(self) -> int | None:
        """A UID from which on all can be asked for that the client does not know; None where it knows all."""
        last = 0
        for message in self.messages:
            if message.uid is None or message.flags is None:
                return last + 1
            last = message.uid
        return None

    def known(self) -> dict[int, Message]:
        """What it can keep for the next time: up to the first message that it knows nothing of."""
        kept: dict[int, Message] = {}
        for message in self.messages:
            if message.uid is None or message.flags is None:
                break
            kept[message.uid] = message
        return kept
