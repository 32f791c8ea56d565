"""Where a message came from, and by which door: the fields that are put on top, and forgeries of them taken out.

Pure.  RFC 5321 4.4 (Received, Return-Path), RFC 8601 5 (Authentication-Results), RFC 6409 8 (what submission adds).
What must stay true: no version, no login and no network of a submitting user stands in what others read; nothing a
client said (HELO) can end the field.
"""

import re
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from ipaddress import IPv6Address

from opostd.intake.message import Field, Message, field
from opostd.model.ids import PostId, post_id_text
from opostd.model.networks import parsed

# What the client may have said of itself and we repeat; a comment, a quote or a space would change the field.
_FOREIGN = re.compile(r"[^A-Za-z0-9._:%+\-\[\]]")
_SUSPECTS = frozenset({b"return-path", b"delivered-to", b"authentication-results"})
_AUTHSERV_ID = re.compile(rb'(?:[ \t]*\([^()]*\))*[ \t]*"?([^\s;"()]+)')


@dataclass(frozen=True, slots=True)
class Trace:
    """How a message came in.

    helo: as the client said; peer: its address, empty for none; protocol: the word after ``with`` (RFC 3848), empty for
    none; login: the account's, empty for nobody.
    """

    helo: str = ""
    peer: str = ""
    protocol: str = ""
    tls: bool = False
    login: str = ""


def received(trace: Trace, *, hostname: str, post: PostId, now: int) -> Field:
    """The Received field.  The client is named for mail from other servers, never for a user: that is their home."""
    lines = []
    if not trace.login and trace.helo:
        lines.append(f"from {_FOREIGN.sub('?', trace.helo)} ({_literal(trace.peer)})")
    with_ = f" with {_FOREIGN.sub('?', trace.protocol)}" if trace.protocol else ""
    lines.append(f"by {hostname}{with_} id {post_id_text(post)};")
    lines.append(_date(now))
    return field("Received", "\r\n\t".join(lines).encode("ascii", "replace"))


@lru_cache(4)  # many come in a second
def _date(now: int) -> str:
    return formatdate(now)


@lru_cache(256)  # and many from one server
def _literal(peer: str) -> str:
    """An address literal (RFC 5321 4.1.3)."""
    ip = parsed(peer)
    if ip is None:
        return "local"  # a UNIX socket
    return f"[IPv6:{ip}]" if isinstance(ip, IPv6Address) else f"[{ip}]"


def return_path(mail_from: str) -> Field:
    """The sender of the envelope, as final delivery keeps it (RFC 5321 4.4).  mail_from: empty for ``<>``."""
    return field("Return-Path", b"<" + mail_from.encode() + b">")


def without_forgeries(message: Message, *, hostname: str, domains: tuple[str, ...]) -> Message:
    """Less what only a final delivery, or only this server, may say."""
    if _SUSPECTS.isdisjoint([each.name for each in message.fields]):
        return message
    ours = {name.lower().encode() for name in (hostname, *domains)}

    def forged(each: Field) -> bool:
        if each.name in (b"return-path", b"delivered-to"):
            return True
        if each.name != b"authentication-results":
            return False
        match = _AUTHSERV_ID.match(each.value)
        return match is not None and match[1].lower() in ours  # RFC 8601 5: those of our own name

    return message.without(forged)


def completed(message: Message, *, mail_from: str, hostname: str, post: PostId, now: int) -> Message:
    """What a mail program left out of a submission: Date, From, Message-ID (RFC 6409 8.1 to 8.3); and less Bcc."""
    missing = []
    if not message.has(b"date"):
        missing.append(field("Date", formatdate(now).encode()))
    if not message.has(b"from"):
        missing.append(field("From", mail_from.encode()))
    if not message.has(b"message-id"):
        missing.append(field("Message-ID", f"<{post_id_text(post)}@{hostname}>".encode()))
    return message.without(lambda each: each.name == b"bcc").topped(missing)
