"""What another server answers, and what it means for a recipient.

Pure.  RFC 5321 4.2 (replies), RFC 2034 and RFC 3463 (enhanced codes).  What must stay true: only a 2xx to the end of
the message is a delivery; a 4xx, or a connection that is lost, is tried again; a server that does not want us (a login
that fails) is our fault, and no reason to give a message back.
"""

import re
from dataclasses import dataclass
from enum import Enum

EXPIRED = "5.4.7"  # RFC 3463 3.5: delivery time expired
MAX_TEXT = 500  # characters of an answer that are kept
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?\Z", re.DOTALL)
_ENHANCED = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?: |\Z)")
# About the login and the TLS between us and a smarthost; and 552 of old servers to too many recipients is 452
# (RFC 5321 4.5.3.1.10).
_OURS = frozenset({530, 534, 535, 538})


class BadAnswer(Exception):
    """What came is no SMTP reply."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply.  text: of all its lines, without codes, on one line."""

    code: int
    enhanced: str
    text: str

    @property
    def good(self) -> bool:
        return 200 <= self.code < 400

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)


def read_line(line: bytes) -> tuple[int, bool, str]:
    """Code, whether it is the last line, and text.  line: without its end.  Raises BadAnswer."""
    match = _LINE.match(line)
    if match is None:
        raise BadAnswer(f"not SMTP: {line[:80]!r}")
    text = (match[3] or b"").decode("utf-8", "replace")
    return int(match[1]), match[2] != b"-", "".join(char if char.isprintable() else "?" for char in text)


def answer(code: int, texts: list[str]) -> Answer:
    """A reply out of the texts of its lines, each of which begins with the enhanced code if there is one."""
    enhanced = ""
    words = []
    for text in texts:
        match = _ENHANCED.match(text)
        if match is not None and match[1] == str(code)[0]:
            enhanced, text = enhanced or match[0].strip(), text[match.end() :]
        words.append(text.strip())
    return Answer(code, enhanced, " ".join(word for word in words if word)[:MAX_TEXT])


class Fate(Enum):
    """What became of a recipient at an attempt."""

    TAKEN = "taken"
    LATER = "later"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """status: an enhanced code; host: who said text, empty where we did.

    reports: the server has promised to tell of success itself; timed: to keep to the time of RFC 2852.
    """

    fate: Fate
    status: str
    text: str
    host: str = ""
    reports: bool = False
    timed: bool = False


def outcome(said: Answer, host: str, *, reports: bool = False, timed: bool = False) -> Outcome:
    """Of a recipient, or of all where it answers MAIL or the message."""
    if said.good:
        return Outcome(Fate.TAKEN, said.enhanced or "2.0.0", str(said), host, reports, timed)
    if said.code < 500 or said.code in _OURS:
        return Outcome(Fate.LATER, said.enhanced or "4.0.0", str(said), host)
    return Outcome(Fate.FAILED, said.enhanced or "5.0.0", str(said), host)
