"""From error type to reply: the one table (style.md 5).

What is not in it is our bug: the log gets the traceback under a number, the peer gets 451 4.3.0 and the number.
"""

import logging
import secrets

from opostd.model import errors
from opostd.smtp import reply as say
from opostd.smtp.params import UnknownParameter
from opostd.smtp.reply import Reply

log = logging.getLogger("opostd.smtp")


class Answered(Exception):
    """What the door itself found wrong, with its reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


# The most special first: the first that the error is an instance of gives the reply.
FAULTS: tuple[tuple[type[errors.OpostError], Reply], ...] = (
    (UnknownParameter, say.UNKNOWN_PARAMETER),
    (errors.BadSyntax, say.BAD_PARAMETER),
    (errors.NoSuchAddress, say.NO_SUCH_ADDRESS),
    (errors.NoSuchBox, say.NO_SUCH_ADDRESS),
    (errors.BadAddress, say.BAD_RECIPIENT),
    (errors.Explained, say.NOT_ALLOWED),
    (errors.Later, say.LATER),
    (errors.NotAllowed, say.NOT_ALLOWED),
    (errors.TooBig, say.TOO_BIG),
    (errors.BadHeader, say.BAD_HEADER),
    (errors.MailLoop, say.MAIL_LOOP),
    (errors.BadMessage, say.BAD_MESSAGE),
    (errors.LoginFailed, say.LOGIN_FAILED),
    (errors.OverQuota, say.MAILBOX_FULL),
    (errors.LimitReached, say.LIMIT_REACHED),
    (errors.Refused, say.NOT_ALLOWED),
    (errors.DiskFull, say.DISK_FULL),
    (errors.Unavailable, say.UNAVAILABLE),
)


def reply_to(error: Exception) -> Reply:
    """The reply to an error, and for all but refusals a line in the log."""
    if isinstance(error, Answered):
        return error.reply
    for kind, reply in FAULTS:
        if isinstance(error, kind):
            if isinstance(error, errors.BadMessage | errors.Explained | errors.Later):
                return reply.with_text(str(error))  # our own words on what is wrong with it
            if isinstance(error, errors.Unavailable):
                log.warning("unavailable error=%r", error)
            return reply
    number = secrets.token_hex(4)
    log.error("incident number=%s", number, exc_info=error)
    return say.incident(number)
