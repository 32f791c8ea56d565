"""Every reply that the SMTP doors say, on one page.

Pure.  RFC 5321 4.2 (codes), RFC 2034 and RFC 3463 (enhanced status codes).  What must stay true: a reply never
carries text of the peer or of an exception, except ``with_text``, which lets printable ASCII through and nothing
else; every 2xx, 4xx and 5xx reply has an enhanced code but those RFC 2034 3 excuses (greeting, EHLO, 334, 354).
"""

from dataclasses import dataclass, field, replace

MAX_TEXT = 200  # characters: RFC 5321 4.5.3.1.5 gives a reply line 512 octets


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply.  enhanced: ``5.1.1``, or empty where there is none; text: one or more lines of ASCII."""

    code: int
    enhanced: str
    text: str | tuple[str, ...]
    octets: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        prefix = f"{self.enhanced} " if self.enhanced else ""
        if isinstance(self.text, str):
            object.__setattr__(self, "octets", f"{self.code} {prefix}{self.text}\r\n".encode("ascii"))
            return
        lines = self.text
        last = len(lines) - 1
        wire = "".join(f"{self.code}{' ' if at == last else '-'}{prefix}{line}\r\n" for at, line in enumerate(lines))
        object.__setattr__(self, "octets", wire.encode("ascii"))

    @property
    def is_error(self) -> bool:
        return self.code >= 400

    def with_text(self, text: str) -> "Reply":
        """The same codes with another text; whatever is not printable ASCII becomes ``?``, and it is cut."""
        clean = "".join(c if " " <= c <= "~" else "?" for c in text[:MAX_TEXT])
        return replace(self, text=clean or "refused")


# -- the connection ----------------------------------------------------------------------------------------------


def greeting(hostname: str, lmtp: bool) -> Reply:
    """No version anywhere (security.md 1.1)."""
    return Reply(220, "", f"{hostname} {'LMTP' if lmtp else 'ESMTP'}")


def hello(hostname: str, keywords: tuple[str, ...]) -> Reply:
    """The answer to EHLO, LHLO, or, without keywords, HELO."""
    return Reply(250, "", (hostname, *keywords))


def shutting_down(hostname: str) -> Reply:
    return Reply(421, "4.3.2", f"{hostname} is going down, try again soon")


def timed_out(hostname: str) -> Reply:
    return Reply(421, "4.4.2", f"{hostname} waited long enough")


def incident(number: str) -> Reply:
    """Our bug: the peer gets a number, the log has the traceback under it (style.md 5)."""
    return Reply(451, "4.3.0", f"internal error, incident {number}; try again later")


BYE = Reply(221, "2.0.0", "bye")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "too many errors")
TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "too many connections from your address")
TOO_MANY_UNKNOWN = Reply(421, "4.7.0", "too many unknown recipients")
ACCOUNT_CLOSED = Reply(421, "4.7.0", "this account is closed")
TOO_MANY_LOGINS = Reply(421, "4.7.0", "too many failed logins")
LINE_WITHOUT_END = Reply(421, "4.7.0", "command line without an end")
OCTETS_BEHIND_STARTTLS = Reply(421, "4.7.0", "octets behind STARTTLS")
DATA_TOO_SLOW = Reply(421, "4.4.2", "message comes too slowly")

# -- grammar and order (RFC 5321 4.2.4) --------------------------------------------------------------------------

UNKNOWN_COMMAND = Reply(500, "5.5.1", "command not known")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "command not implemented")
BAD_CHUNK = Reply(501, "5.5.4", "syntax: BDAT octets [LAST]; no telling where it ends")
LINE_TOO_LONG = Reply(500, "5.5.2", "command line too long")
BAD_LINE = Reply(500, "5.5.2", "bare CR, bare LF or NUL in a command")
BAD_OCTETS = Reply(501, "5.5.2", "command is not ASCII, or not valid UTF-8")
BAD_HELLO = Reply(501, "5.5.2", "that is no host name")
NO_ARGUMENT = Reply(501, "5.5.4", "an argument is missing")
NO_ARGUMENTS_ALLOWED = Reply(501, "5.5.4", "no argument is allowed")
HELLO_FIRST = Reply(503, "5.5.1", "say EHLO first")
LHLO_FIRST = Reply(503, "5.5.1", "say LHLO first")
MAIL_FIRST = Reply(503, "5.5.1", "say MAIL first")
RCPT_FIRST = Reply(503, "5.5.1", "say RCPT first")
NESTED_MAIL = Reply(503, "5.5.1", "there is a MAIL already")
IN_CHUNKS = Reply(503, "5.5.1", "BDAT has begun; go on with BDAT, or RSET")
BDAT_ONLY = Reply(503, "5.5.1", "a binary message comes by BDAT")
NO_VALID_RECIPIENTS = Reply(554, "5.5.1", "no valid recipients")

# -- commands that change nothing --------------------------------------------------------------------------------

OK = Reply(250, "2.0.0", "OK")
HELP = Reply(214, "2.0.0", "RFC 5321")
CANNOT_VERIFY = Reply(252, "2.5.2", "cannot say, but will try to deliver")

# -- the transaction ---------------------------------------------------------------------------------------------

SENDER_OK = Reply(250, "2.1.0", "sender OK")
RECIPIENT_OK = Reply(250, "2.1.5", "recipient OK")
GO_ON = Reply(354, "", "end with CRLF.CRLF")

BAD_MAIL_SYNTAX = Reply(501, "5.5.4", "syntax: MAIL FROM:<address> [parameters]")
BAD_RCPT_SYNTAX = Reply(501, "5.5.4", "syntax: RCPT TO:<address> [parameters]")
BAD_SENDER = Reply(553, "5.1.7", "sender is no address")
BAD_RECIPIENT = Reply(553, "5.1.3", "recipient is no address")
NEEDS_SMTPUTF8 = Reply(553, "5.6.7", "address needs SMTPUTF8")
BAD_PARAMETER = Reply(501, "5.5.4", "parameter has a bad value, or stands twice")
UNKNOWN_PARAMETER = Reply(555, "5.5.4", "parameter not known")
TOO_BIG = Reply(552, "5.3.4", "message too big")
TOO_SOON = Reply(550, "5.4.7", "cannot promise to deliver in so short a time")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "too many recipients")

NO_SUCH_ADDRESS = Reply(550, "5.1.1", "no such address here")
NO_RELAY = Reply(550, "5.7.1", "no relaying")
NOT_ALLOWED = Reply(550, "5.7.1", "not allowed")
LOCAL_SENDER = Reply(550, "5.7.1", "senders of this domain must log in on the submission port")
NOT_YOUR_ADDRESS = Reply(553, "5.7.1", "sender is not an address of this login")
FROM_NOT_YOURS = Reply(550, "5.7.1", "From is not an address of this login")

SPF_FAILED = Reply(550, "5.7.23", "the sender's domain does not let this server send (SPF)")
DKIM_FAILED = Reply(550, "5.7.20", "no signature of the message holds (DKIM)")
DMARC_FAILED = Reply(550, "5.7.26", "the domain in From wants this refused (DMARC)")
SPAM = Reply(550, "5.7.1", "taken for spam, and a group has no Junk")
CHECK_LATER = Reply(451, "4.4.3", "cannot ask about the sender's domain now, try again later")

BARE_LINE_END = Reply(550, "5.5.2", "bare CR or bare LF in the message")
NUL_IN_MESSAGE = Reply(550, "5.6.0", "NUL in the message")
BAD_MESSAGE = Reply(550, "5.6.0", "message cannot be kept")
BAD_HEADER = Reply(554, "5.6.0", "header cannot be kept")
MAIL_LOOP = Reply(554, "5.4.6", "message goes in a circle")
UNAVAILABLE = Reply(451, "4.3.0", "not now, try again later")
DISK_FULL = Reply(452, "4.3.1", "no space now, try again later")
MAILBOX_FULL = Reply(452, "4.2.2", "mailbox full")
GREYLISTED = Reply(451, "4.7.1", "not known here yet; come again in some minutes")
LATER = Reply(450, "4.7.1", "not now, try again later")
LIMIT_REACHED = Reply(452, "4.5.3", "over a limit")


def chunk_taken(octets: int) -> Reply:
    """One chunk, not the last: nothing is kept yet."""
    return Reply(250, "2.0.0", f"{octets} octets taken")


def accepted(post: str) -> Reply:
    """After COMMIT, and only then.  post: its id in hexadecimal."""
    return Reply(250, "2.6.0", f"kept as {post}")


# -- TLS and AUTH (RFC 3207, RFC 4954) ---------------------------------------------------------------------------

START_TLS = Reply(220, "2.0.0", "go ahead")
TLS_ALREADY = Reply(503, "5.5.1", "TLS is active already")
TLS_FIRST = Reply(530, "5.7.0", "say STARTTLS first")
AUTH_NEEDED = Reply(530, "5.7.0", "log in first")
ENCRYPTION_NEEDED = Reply(538, "5.7.11", "logging in needs TLS")
AUTH_ALREADY = Reply(503, "5.5.1", "logged in already")
AUTH_IN_MAIL = Reply(503, "5.5.1", "not inside a mail transaction")
AUTH_NOT_HERE = Reply(502, "5.5.1", "no login on this port")
UNKNOWN_MECHANISM = Reply(504, "5.5.4", "mechanism not known")
BAD_AUTH = Reply(501, "5.5.2", "cannot read that login")
AUTH_CANCELLED = Reply(501, "5.7.0", "login cancelled")
LOGGED_IN = Reply(235, "2.7.0", "logged in")
LOGIN_FAILED = Reply(535, "5.7.8", "wrong name or password")
LOGIN_UNAVAILABLE = Reply(454, "4.7.0", "cannot check logins now")


def challenge(base64: str) -> Reply:
    """A step of AUTH; the space after 334 stands even before nothing (RFC 4954 4)."""
    return Reply(334, "", base64)
