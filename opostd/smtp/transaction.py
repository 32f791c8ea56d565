"""The mail transaction: what stands so far, and what the next command makes of it.

Pure.  RFC 5321 3.3, 4.1.4 (order of commands), RFC 2033 (LMTP), RFC 3030 (BDAT), RFC 6409 (submission).  A command
is asked twice: ``check`` says whether it may come now, before anything is looked up; ``apply`` takes the finished
event in.  What must stay true: a refused command changes nothing, and EHLO, RSET, the end of a message and TLS forget
the envelope.
"""

from dataclasses import dataclass, replace

from opostd.model.mailing import Place
from opostd.smtp import reply as say
from opostd.smtp.params import MIN_BY_S, NO_MAIL_PARAMS, Body, MailParams, RcptParams
from opostd.smtp.path import Path
from opostd.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for one door and one moment of a session.

    lhlo: the door speaks LMTP; needs_tls, needs_login: not yet there, and mail must wait for it.
    """

    lhlo: bool = False
    needs_tls: bool = False
    needs_login: bool = False
    max_message_octets: int = 25 * 1024 * 1024
    max_recipients: int = 1000


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the client has said so far.

    hello: its name, empty before EHLO; recipients: the RCPTs answered yes; refused: how many were answered no; chunked:
    the message has begun to come by BDAT.
    """

    hello: str = ""
    extended: bool = False
    mail_from: Path | None = None
    params: MailParams = NO_MAIL_PARAMS
    recipients: tuple["Rcpt", ...] = ()
    refused: int = 0
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Hello:
    """EHLO, HELO or LHLO.  keywords: the lines of the answer, none for HELO."""

    name: str
    hostname: str
    extended: bool
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mail:
    path: Path
    params: MailParams


@dataclass(frozen=True, slots=True)
class Rcpt:
    """places: where it leads, filled in once it was looked up."""

    path: Path
    params: RcptParams
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A RCPT was looked up and refused."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Data:
    pass


@dataclass(frozen=True, slots=True)
class Chunk:
    """A BDAT that was not the last; octets: of it."""

    octets: int


@dataclass(frozen=True, slots=True)
class Auth:
    pass


@dataclass(frozen=True, slots=True)
class Done:
    """The message was taken or refused: the envelope is used up."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Reset:
    pass


@dataclass(frozen=True, slots=True)
class Secured:
    """TLS has begun: everything said before is forgotten (RFC 3207 4.2)."""


Event = Hello | Mail | Rcpt | Refusal | Chunk | Done | Reset | Secured


def check_order(envelope: Envelope, command: type[Mail | Rcpt | Data | Chunk | Auth], rules: Rules) -> Reply | None:
    """Why the command may not come now, or None.  Asked before its arguments are read."""
    if not envelope.hello:
        return say.LHLO_FIRST if rules.lhlo else say.HELLO_FIRST
    if command is Auth:
        return say.AUTH_IN_MAIL if envelope.mail_from is not None else None  # RFC 4954 4
    if rules.needs_login:
        return say.TLS_FIRST if rules.needs_tls else say.AUTH_NEEDED
    if command is Mail:
        return say.NESTED_MAIL if envelope.mail_from is not None else None
    if envelope.mail_from is None:
        return say.MAIL_FIRST
    if command is Data and envelope.params.body is Body.BINARY:
        return say.BDAT_ONLY  # RFC 3030 3
    if envelope.chunked and command is not Chunk:
        return say.IN_CHUNKS  # RFC 3030 2, and RCPT belongs before the message
    if command in (Data, Chunk) and not envelope.recipients:
        return say.NO_VALID_RECIPIENTS if envelope.refused else say.RCPT_FIRST
    return None


def check_mail(mail: Mail, rules: Rules) -> Reply | None:
    """Why this sender may not be, as far as the octets tell."""
    if not mail.path.is_ascii and not mail.params.smtputf8:
        return say.NEEDS_SMTPUTF8  # RFC 6531 3.5
    if mail.params.size is not None and mail.params.size > rules.max_message_octets:
        return say.TOO_BIG  # RFC 1870 6.1
    if mail.params.by_mode.startswith("R") and mail.params.by_s < MIN_BY_S:
        return say.TOO_SOON  # RFC 2852 4
    return None


def check_rcpt(envelope: Envelope, rcpt: Rcpt, rules: Rules) -> Reply | None:
    """Why this recipient may not be, as far as the octets tell."""
    if not rcpt.path.is_ascii and not envelope.params.smtputf8:
        return say.NEEDS_SMTPUTF8
    if len(envelope.recipients) >= rules.max_recipients:
        return say.TOO_MANY_RECIPIENTS  # RFC 5321 4.5.3.1.10
    return None


def forget(envelope: Envelope) -> Envelope:
    """Without a transaction; the greeting stays."""
    return Envelope(envelope.hello, envelope.extended)


def apply(envelope: Envelope, event: Event) -> tuple[Envelope, Reply]:
    """The next envelope and the reply.  The event has passed its checks."""
    match event:
        case Rcpt():
            hello, extended, mail_from = envelope.hello, envelope.extended, envelope.mail_from  # replace is slow
            named = (*envelope.recipients, event)
            refused, chunked = envelope.refused, envelope.chunked
            return Envelope(hello, extended, mail_from, envelope.params, named, refused, chunked), say.RECIPIENT_OK
        case Refusal(reply):
            return replace(envelope, refused=envelope.refused + 1), reply
        case Chunk(octets):
            return replace(envelope, chunked=True), say.chunk_taken(octets)
        case Mail(path, params):
            return Envelope(envelope.hello, envelope.extended, path, params), say.SENDER_OK
        case Done(reply):
            return forget(envelope), reply
        case Hello(name, hostname, extended, keywords):
            return Envelope(name, extended), say.hello(hostname, keywords)
        case Reset():
            return forget(envelope), say.OK
        case Secured():
            return Envelope(), say.START_TLS
