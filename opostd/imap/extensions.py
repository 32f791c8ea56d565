"""The extensions: capability, RFC, when it is announced, and where we differ from the RFC.

What is announced is whole.  A capability that belongs to commands is announced if and only if their rows carry it
(``commands/table.py``); those that are no command's are marked here.  Order: as the client reads them.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """What decides on the announcement.

    password: LOGIN and AUTHENTICATE may be used now; scram: keys for it are made of passwords; channel_binding: the
    TLS connection can be bound to; bearer: tokens are taken, and this is TLS.
    """

    logged_in: bool
    starttls: bool
    password: bool
    append_limit: int
    scram: bool
    channel_binding: bool
    bearer: bool = False


@dataclass(frozen=True, slots=True)
class Extension:
    """One row.  when: None for always.  of_commands: rows of the command table must carry it."""

    capability: str
    rfc: str
    when: Callable[[Moment], bool] | None = None
    of_commands: bool = False
    deviation: str = ""


def _before_login(moment: Moment) -> bool:
    return not moment.logged_in


def _password(moment: Moment) -> bool:
    return not moment.logged_in and moment.password


EXTENSIONS: tuple[Extension, ...] = (
    Extension(
        "IMAP4rev1",
        "RFC 3501",
        deviation="No message is ever \\Recent: RECENT is 0, and SEARCH NEW and RECENT find nothing (RFC 9051 has"
        " dropped it).  A command line may end in a bare LF.  8-bit octets are refused outside of literals.",
    ),
    Extension(
        "IMAP4rev2",
        "RFC 9051",
        deviation="Once ENABLE has named it, as appendix A says.  LIST with OLDNAME is never sent, also where a name"
        " was given in another form than NFC (6.3.9.7 SHOULD).",
    ),
    Extension("STARTTLS", "RFC 3501 6.2.1", lambda moment: moment.starttls, of_commands=True),
    Extension("LOGINDISABLED", "RFC 3501 6.2.3", lambda moment: not moment.logged_in and not moment.password),
    Extension(
        "AUTH=SCRAM-SHA-256-PLUS", "RFC 7677, RFC 9266", lambda m: _password(m) and m.scram and m.channel_binding
    ),
    Extension(
        "AUTH=SCRAM-SHA-256",
        "RFC 7677",
        lambda moment: _password(moment) and moment.scram,
        deviation="Under TLS only, as PLAIN.  Passwords are prepared by RFC 8265 and not by SASLprep.  An authorization"
        " identity must be the login's own.",
    ),
    Extension(
        "AUTH=OAUTHBEARER",
        "RFC 7628",
        lambda moment: not moment.logged_in and moment.bearer,
        deviation="Where [oauth] is set up.  The host and port that a client names are not compared with ours.",
    ),
    Extension("AUTH=XOAUTH2", "Google, Microsoft", lambda moment: not moment.logged_in and moment.bearer),
    Extension("AUTH=PLAIN", "RFC 4616", _password, deviation="An authorization identity must be the login's own."),
    Extension("AUTH=LOGIN", "draft-murchison-sasl-login", _password),
    Extension("SASL-IR", "RFC 4959", _before_login, of_commands=True),
    Extension(
        "LITERAL+",
        "RFC 7888",
        deviation="A literal over its limit ends the connection with BYE (section 4 leaves it open).  LITERAL- is not"
        " announced beside it, as section 5 says; who knows only that is understood all the same.",
    ),
    Extension("ID", "RFC 2971", of_commands=True, deviation="The server tells its name, and no version."),
    Extension("ENABLE", "RFC 5161", of_commands=True),
    Extension("NAMESPACE", "RFC 2342", of_commands=True),
    Extension(
        "ACL",
        "RFC 4314",
        of_commands=True,
        deviation="Identifiers are prepared as addresses (RFC 8265), not by SASLprep.  The owner has all rights,"
        " always.  RENAME keeps a mailbox with its owner.  p is kept, and nothing asks for it.",
    ),
    Extension("RIGHTS=kxte", "RFC 4314 5.1.1"),
    Extension("LIST-MYRIGHTS", "RFC 8440"),
    Extension("IDLE", "RFC 2177", of_commands=True),
    Extension(
        "NOTIFY",
        "RFC 5465",
        of_commands=True,
        deviation="No AnnotationChange (NO [BADEVENT]).  INBOXES are all personal mailboxes.  Of messages in 500"
        " mailboxes at most, of names without that limit, of metadata up to 4 MiB of it.  A mailbox that another user"
        " shares is told of only while it is selected, its name when it is subscribed to.",
    ),
    Extension("UNSELECT", "RFC 3691", of_commands=True),
    Extension("UIDPLUS", "RFC 4315", of_commands=True),
    Extension("MOVE", "RFC 6851", of_commands=True),
    Extension("ESEARCH", "RFC 4731"),
    Extension(
        "MULTISEARCH",
        "RFC 7377",
        of_commands=True,
        deviation="At most 1000 mailboxes in one search (NO [LIMIT]).  $ only where the selected mailbox alone is"
        " searched.",
    ),
    Extension("SEARCHRES", "RFC 5182", deviation="The result is never refused, so NOTSAVED is never said."),
    Extension("PARTIAL", "RFC 9394"),
    Extension("WITHIN", "RFC 5032"),
    Extension(
        "CONDSTORE",
        "RFC 7162 3.1",
        deviation="A message has one modseq for all its flags, so STORE UNCHANGEDSINCE is refused with MODIFIED for a"
        " change of any of them (3.1.12 describes how to avoid that).  CHANGEDSINCE 0 is accepted.",
    ),
    Extension("QRESYNC", "RFC 7162 3.2"),
    Extension("UIDONLY", "RFC 9586"),
    Extension("UIDBATCHES", "RFC 10022", of_commands=True, deviation="Batches are never too many: no TOOMANY."),
    Extension("OBJECTID", "RFC 8474"),
    Extension("SAVEDATE", "RFC 8514"),
    Extension("STATUS=SIZE", "RFC 8438"),
    Extension("LIST-STATUS", "RFC 5819"),
    Extension("SORT", "RFC 5256", of_commands=True),
    Extension("SORT=DISPLAY", "RFC 5957"),
    Extension("ESORT", "RFC 5267 3", deviation="CONTEXT (section 4) is not offered."),
    Extension("THREAD=ORDEREDSUBJECT", "RFC 5256"),
    Extension(
        "THREAD=REFERENCES",
        "RFC 5256",
        of_commands=True,
        deviation="Of a message that names more than 1000 others, the first and the last 999 count.  A subtree is not"
        " moved below a message that is deeper than 1000.",
    ),
    Extension("I18NLEVEL=1", "RFC 5255"),
    Extension(
        "QUOTA",
        "RFC 9208",
        of_commands=True,
        deviation="No QUOTASET: limits are set by the administrator.  What a group or everyone was sent is charged to"
        " nobody.  Deliveries at once into two mailboxes of an account may both find room for the last message.",
    ),
    Extension(
        "METADATA",
        "RFC 5464",
        of_commands=True,
        deviation="Changes by others are told by NOTIFY alone, so ENABLE does not list it (4.1: MAY).  Shared entries"
        " of the server are set by administrators.  /private/specialuse is set by CREATE alone.  A level that is no"
        " mailbox has none.  A value has 64 KiB at"
        " most, a mailbox 100 private and 100 shared entries.",
    ),
    Extension("LIST-METADATA", "RFC 9590"),
    Extension("QUOTA=RES-STORAGE", "RFC 9208 5.1"),
    Extension("QUOTA=RES-MESSAGE", "RFC 9208 5.2"),
    Extension("QUOTA=RES-MAILBOX", "RFC 9208 5.3"),
    Extension(
        "INPROGRESS",
        "RFC 9585",
        deviation="Of SEARCH and its kin the messages looked at are counted, of other commands nothing; a goal is never"
        " told.  It ends with the first response of the command.",
    ),
    Extension("CHILDREN", "RFC 3348"),
    Extension(
        "LIST-EXTENDED",
        "RFC 5258",
        of_commands=True,
        deviation="A level that is no mailbox is listed where a pattern names it, also beside those below it, which"
        " section 3 would leave out: programs build their tree of it.  REMOTE finds nothing more.",
    ),
    Extension("SPECIAL-USE", "RFC 6154", deviation="\\All and \\Flagged are not offered: a box has one role."),
    Extension("CREATE-SPECIAL-USE", "RFC 6154 3", of_commands=True),
    Extension(
        "APPENDLIMIT",
        "RFC 7889",
        deviation="One limit for all mailboxes, announced with its value; STATUS tells it for each.",
    ),
    Extension(
        "MULTIAPPEND",
        "RFC 3502",
        of_commands=True,
        deviation="One command takes 500 messages, and together twice the octets of the largest message allowed.",
    ),
    Extension(
        "COMPRESS=DEFLATE",
        "RFC 4978",
        of_commands=True,
        deviation="TLS does not compress (RFC 7525 3.3), though section 1 wishes it would.",
    ),
    Extension(
        "BINARY",
        "RFC 3516",
        deviation="A message with NUL is refused by APPEND (NO [UNKNOWN-CTE]), for BODY[] could not show it.  BINARY of"
        " the whole message or of a multipart is its octets as they are; BINARY.SIZE of a part that is not there is 0.",
    ),
    Extension("REPLACE", "RFC 8508", of_commands=True),
    Extension(
        "CATENATE",
        "RFC 4469",
        deviation="A URL that begins with ;UID= is of the selected mailbox; 500 parts at most; no URLAUTH.",
    ),
    Extension(
        "UNAUTHENTICATE",
        "RFC 8437",
        lambda moment: moment.logged_in,
        of_commands=True,
        deviation="Failed logins stay counted.  Who pipelines behind it under COMPRESS ends the deflate stream first.",
    ),
    Extension("PREVIEW", "RFC 8970"),
    Extension(
        "UTF8=ACCEPT",
        "RFC 6855",
        deviation="APPEND of 8-bit header fields is accepted also before ENABLE: old mail has them, and would not be"
        " let in otherwise.  Messages are shown as they are to clients that have not enabled UTF-8, in ENVELOPE as"
        " encoded words; BODYSTRUCTURE has encoded words for all.",
    ),
)


def announced(
    *,
    logged_in: bool,
    tls_available: bool,
    tls_active: bool,
    plaintext_allowed: bool,
    append_limit: int,
    rows: Collection[str],
    scram: bool = True,
    channel_binding: bool = False,
    bearer: bool = False,
) -> tuple[str, ...]:
    """The capabilities of one moment of one connection, in order.

    tls_available: STARTTLS could be done; plaintext_allowed: a password may come without TLS (loopback only);
    append_limit: octets of the largest message; rows: capabilities that the command table carries; scram: keys for it
    are made; channel_binding: the TLS connection has one; bearer: there is an issuer of tokens.
    """
    moment = Moment(
        logged_in=logged_in,
        starttls=tls_available and not tls_active and not logged_in,
        password=tls_active or plaintext_allowed,
        append_limit=append_limit,
        scram=scram,
        channel_binding=channel_binding,
        bearer=bearer and tls_active,
    )
    return tuple(
        f"{each.capability}={append_limit}" if each.capability == "APPENDLIMIT" else each.capability
        for each in EXTENSIONS
        if (each.when is None or each.when(moment)) and (not each.of_commands or each.capability in rows)
    )
