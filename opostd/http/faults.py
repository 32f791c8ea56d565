"""From error type to status: the one table of this door (style.md 5).  RFC 9110 15; RFC 6585 4 (429).

What is not in it is our bug: the log has the traceback under a number, the peer gets 500 and the number.
"""

import logging
from dataclasses import dataclass

from opostd.http.login import NeedsTls, NoLogin
from opostd.model import errors

log = logging.getLogger("opostd.http")

RETRY_S = 5  # a fault that passes: a database that starts again takes about so long
LATER_S = 60  # limits of posts are counted by the hour


@dataclass(frozen=True, slots=True)
class Fault:
    """code: a word for programs.  text: for people; None for the error's own words, which are then meant for the peer.

    retry_s: when to come again.
    """

    status: int
    code: str
    text: str | None = None
    retry_s: int = 0


NOT_THERE = "there is no such thing, or it is not yours"
# The most special first: the first that the error is an instance of gives the answer.
FAULTS: tuple[tuple[type[errors.OpostError], Fault], ...] = (
    (NoLogin, Fault(401, "login-needed")),
    (errors.LoginFailed, Fault(401, "login-failed", "wrong name or password")),
    (NeedsTls, Fault(403, "tls-needed")),
    (errors.BadSyntax, Fault(400, "bad-request")),
    # Not there and not to be known of are the same words (promise 4)
    (errors.NoSuchBox, Fault(404, "not-found", NOT_THERE)),
    (errors.NoSuchMessage, Fault(404, "not-found", NOT_THERE)),
    (errors.NoSuchPost, Fault(404, "not-found", NOT_THERE)),
    (errors.NoSuchAddress, Fault(404, "not-found", NOT_THERE)),
    (errors.Later, Fault(429, "later", retry_s=LATER_S)),
    (errors.Explained, Fault(403, "not-allowed")),
    (errors.NotAllowed, Fault(403, "not-allowed")),
    (errors.AddressTaken, Fault(409, "taken")),
    (errors.BoxExists, Fault(409, "taken")),
    (errors.BadAddress, Fault(400, "bad-address")),
    (errors.TooBig, Fault(413, "too-big")),
    (errors.BadMessage, Fault(400, "bad-message")),
    (errors.OverQuota, Fault(507, "over-quota", "this would be over quota")),
    (errors.LimitReached, Fault(409, "limit-reached")),
    (errors.Refused, Fault(400, "refused")),
    (errors.Unavailable, Fault(503, "unavailable", "not now; try again in a moment", RETRY_S)),
)


def fault_of(error: Exception) -> tuple[Fault, str] | None:
    """The answer to an error and its words; None for a bug of ours."""
    for kind, fault in FAULTS:
        if isinstance(error, kind):
            if isinstance(error, errors.Unavailable):
                log.warning("unavailable error=%r", error)
            return fault, fault.text or str(error) or "no"
    return None
