"""From error type to reply: the one table (style.md 5).  Response codes: RFC 9051 7.1, RFC 5530, RFC 7889, RFC 3516.

What is not in it is our bug: the peer gets NO [SERVERBUG] and a number, the log the traceback under that number.
What must stay true: a peer learns nothing of what is not its own, and nothing of our inside.
"""

import re
from dataclasses import dataclass

from opostd.imap.values.responses import Condition, State
from opostd.model import errors


class BadCharset(errors.Refused):
    """SEARCH in a charset that is not known.  known: names of those that are."""

    def __init__(self, known: tuple[str, ...]) -> None:
        super().__init__("this charset is not known")
        self.known = known


class BadEvent(errors.Refused):
    """NOTIFY of an event that is not told here (RFC 5465 3.1).  known: names of those that are."""

    def __init__(self, known: tuple[str, ...]) -> None:
        super().__init__("not all of these events can be told")
        self.known = known


class TooMuchToNotify(errors.Refused):
    """NOTIFY of more mailboxes than one connection may hear of (RFC 5465 3.1)."""


class BadUrl(errors.Refused):
    """CATENATE of a URL that leads to nothing of this user (RFC 4469 4.1).  url: as it was written."""

    def __init__(self, url: bytes) -> None:
        super().__init__("this URL leads to no message or part here")
        self.url = url


class BadUse(errors.Refused):
    """CREATE with a special use that no box can have here (RFC 6154 3)."""


class PrivacyRequired(errors.Refused):
    """A password before TLS (RFC 9051 6.2.3, RFC 5530 3)."""


class UnknownEncoding(errors.Refused):
    """BINARY of a part whose Content-Transfer-Encoding nobody here can decode (RFC 3516 4.3)."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What framing refuses, before there is a command to parse.

    tag: of the command as far as it is known, else ``*``.  text: for people.  fatal: the octets that follow cannot
    be told apart any more, so the connection ends.  too_big: a message over the limit of APPEND.
    """

    tag: bytes
    text: str
    fatal: bool = False
    too_big: bool = False


@dataclass(frozen=True, slots=True)
class _Reply:
    """text: what the peer reads; None for the words of the error itself, which are then meant for the peer."""

    code: bytes | None
    text: str | None = None
    condition: Condition = Condition.NO


_NO_TEXT = re.compile(rb"[^!-\\^-~]")  # what cannot stand in a response code; no URL has it but in quotes of percent
# The most special first: the first that the error is an instance of gives the reply.
FAULTS: tuple[tuple[type[errors.OpostError], _Reply], ...] = (
    (errors.BadSyntax, _Reply(None, condition=Condition.BAD)),
    # Not there and not to be known of are the same words (promise 4): never NOPERM.
    (errors.NoSuchBox, _Reply(b"NONEXISTENT", "no such mailbox")),
    (errors.LacksRight, _Reply(b"NOPERM")),  # to who may know of the box
    (errors.NoSuchMessage, _Reply(b"NONEXISTENT")),
    (errors.BoxExists, _Reply(b"ALREADYEXISTS", "there is a mailbox of this name already")),
    (errors.BadBoxName, _Reply(b"CANNOT")),
    (errors.NotAllowed, _Reply(b"CANNOT")),
    (errors.HasNul, _Reply(b"UNKNOWN-CTE")),  # RFC 3516 4.4: there is no box for binary content
    (errors.BadMessage, _Reply(b"CANNOT")),
    (errors.TooBig, _Reply(b"TOOBIG")),
    (errors.OverQuota, _Reply(b"OVERQUOTA", "this would be over quota")),
    (errors.LimitReached, _Reply(b"LIMIT")),
    (errors.LoginFailed, _Reply(b"AUTHENTICATIONFAILED", "wrong name or password")),
    (PrivacyRequired, _Reply(b"PRIVACYREQUIRED")),
    (UnknownEncoding, _Reply(b"UNKNOWN-CTE")),
    (BadUse, _Reply(b"USEATTR")),
    (TooMuchToNotify, _Reply(b"NOTIFICATIONOVERFLOW")),
    (errors.Refused, _Reply(None)),
    (errors.Unavailable, _Reply(b"UNAVAILABLE", "not now; try again in a moment")),
)


def reply(error: Exception, incident: str) -> State:
    """The reply to an error.  incident: the number under which our own bug stands in the log, else unused."""
    if isinstance(error, BadCharset):
        return State(Condition.NO, str(error), b"BADCHARSET (%b)" % " ".join(error.known).encode("ascii"))
    if isinstance(error, BadEvent):
        return State(Condition.NO, str(error), b"BADEVENT (%b)" % " ".join(error.known).encode("ascii"))
    if isinstance(error, BadUrl):
        return State(Condition.NO, str(error), b"BADURL " + _NO_TEXT.sub(b"?", error.url))
    for kind, answer in FAULTS:
        if isinstance(error, kind):
            return State(answer.condition, answer.text or str(error) or "no", answer.code)
    return State(Condition.NO, f"this is our fault, and stands in the log as {incident}", b"SERVERBUG")


def refused(what: Refused) -> State:
    """The reply to what framing refused."""
    if what.too_big:
        return State(Condition.NO, what.text, b"TOOBIG")  # RFC 7889 4: before an octet of the message is sent
    return State(Condition.BAD, what.text)
