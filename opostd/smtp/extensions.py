"""The EHLO table: which extension, which RFC, announced when, and which parameters come with it.

What is announced is complete: a parameter is accepted if and only if its extension's row is announced here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from opostd.smtp.params import MAX_HOLD_S, MIN_BY_S, moment


class DoorKind(Enum):
    """Which of the three doors a session came in by."""

    SUBMISSION = "submission"  # our users, who log in (RFC 6409)
    MX = "smtp"  # other servers, never logged in
    LMTP = "lmtp"  # a mail server in front of us (RFC 2033)


@dataclass(frozen=True, slots=True)
class Offer:
    """What decides on the announcement.

    secure: under TLS; tls: it could be started; login: AUTH may be used now; scram: keys for it are made of passwords;
    bearer: there is an issuer of tokens; now: seconds since 1970.
    """

    kind: DoorKind
    secure: bool
    tls: bool
    login: bool
    max_message_octets: int
    max_recipients: int
    scram: bool = True
    bearer: bool = False
    now: int = 0


@dataclass(frozen=True, slots=True)
class Extension:
    """One row.

    announce: the EHLO line, or empty where it is not announced; mail, rcpt: parameters; deviation: from the RFC, for
    people.
    """

    keyword: str
    rfc: str
    announce: Callable[[Offer], str]
    mail: frozenset[str] = frozenset()
    rcpt: frozenset[str] = frozenset()
    deviation: str = ""


def _auth(offer: Offer) -> str:
    """The mechanisms, best first; none shows a password or a token but under TLS, or a password on loopback."""
    if not offer.login:
        return ""
    scram = ("SCRAM-SHA-256",) if offer.scram else ()
    bearer = ("OAUTHBEARER", "XOAUTH2") if offer.bearer and offer.secure else ()
    return " ".join(("AUTH", *scram, *bearer, "PLAIN", "LOGIN"))


def _future(offer: Offer) -> str:
    if offer.kind is not DoorKind.SUBMISSION:
        return ""
    return f"FUTURERELEASE {MAX_HOLD_S} {moment(offer.now + MAX_HOLD_S)}"


def _always(keyword: str) -> Callable[[Offer], str]:
    return lambda _: keyword


EXTENSIONS: tuple[Extension, ...] = (
    Extension("PIPELINING", "RFC 2920", _always("PIPELINING")),
    Extension("SIZE", "RFC 1870", lambda offer: f"SIZE {offer.max_message_octets}", mail=frozenset({"SIZE"})),
    Extension("8BITMIME", "RFC 6152", _always("8BITMIME"), mail=frozenset({"BODY"})),
    Extension("SMTPUTF8", "RFC 6531", _always("SMTPUTF8"), mail=frozenset({"SMTPUTF8"})),
    Extension("ENHANCEDSTATUSCODES", "RFC 2034", _always("ENHANCEDSTATUSCODES")),
    Extension(
        "CHUNKING",
        "RFC 3030",
        _always("CHUNKING"),
        deviation="A BDAT whose length cannot be read ends the connection.",
    ),
    Extension(
        "BINARYMIME",
        "RFC 3030",
        _always("BINARYMIME"),
        mail=frozenset({"BODY"}),
        deviation="Binary parts are kept and handed on in base64, for IMAP knows no NUL and other servers no binary: a"
        " signature over them (DKIM, S/MIME) does not hold any more. A header that is binary is refused.",
    ),
    Extension(
        "DSN",
        "RFC 3461",
        lambda offer: "DSN" if offer.kind is DoorKind.SUBMISSION else "",
        mail=frozenset({"RET", "ENVID"}),
        rcpt=frozenset({"NOTIFY", "ORCPT"}),
        # Whoever asked to hear of success would have us write to a sender that nobody has proved.
        deviation="On submission only: the server before us tells of mail from outside (RFC 3461 5.2.2).",
    ),
    Extension(
        "REQUIRETLS",
        "RFC 8689",
        lambda offer: "REQUIRETLS" if offer.secure and offer.kind is not DoorKind.LMTP else "",
        mail=frozenset({"REQUIRETLS"}),
        deviation="The field TLS-Required is handed on and means nothing here. Refused where a moderator decides.",
    ),
    Extension(
        "FUTURERELEASE",
        "RFC 4865",
        _future,
        mail=frozenset({"HOLDFOR", "HOLDUNTIL"}),
        deviation="A time that has passed is now. Refused where a moderator decides. Release comes within a minute.",
    ),
    Extension(
        "MT-PRIORITY",
        "RFC 6710",
        lambda offer: "MT-PRIORITY" if offer.kind is DoorKind.SUBMISSION else "",
        mail=frozenset({"MT-PRIORITY"}),
        deviation="On submission only: who has not logged in goes before nobody. It orders what leaves; what is for"
        " boxes here is there at once. The field MT-Priority (RFC 6758) is not read.",
    ),
    Extension(
        "DELIVERBY",
        "RFC 2852",
        lambda offer: f"DELIVERBY {MIN_BY_S}" if offer.kind is DoorKind.SUBMISSION else "",
        mail=frozenset({"BY"}),
        deviation="On submission only. What is for boxes here is there at once. With R, a server that does not announce"
        " it gets no message, and it is refused where a moderator decides. Copies for members of groups have no time.",
    ),
    Extension("LIMITS", "RFC 9422", lambda offer: f"LIMITS RCPTMAX={offer.max_recipients}"),
    Extension("STARTTLS", "RFC 3207", lambda offer: "STARTTLS" if offer.tls and not offer.secure else ""),
    # PLAIN and LOGIN show the password: all of them only under TLS (security.md 1.4), or on loopback.
    Extension(
        "AUTH",
        "RFC 4954, RFC 7628",
        _auth,
        mail=frozenset({"AUTH"}),
        deviation="No SCRAM-SHA-256-PLUS here: the TLS of this door gives no channel binding.  OAUTHBEARER and XOAUTH2"
        " where [oauth] is set up, under TLS.",
    ),
)


def _announced(offer: Offer) -> Iterator[tuple[Extension, str]]:
    return ((row, line) for row in EXTENSIONS if (line := row.announce(offer)))


def keywords(offer: Offer) -> tuple[str, ...]:
    """The lines of the EHLO answer after the first."""
    return tuple(line for _, line in _announced(offer))


def parameters(offer: Offer) -> tuple[frozenset[str], frozenset[str]]:
    """The parameter names that MAIL and RCPT accept."""
    rows = [row for row, _ in _announced(offer)]
    return frozenset().union(*(row.mail for row in rows)), frozenset().union(*(row.rcpt for row in rows))
