"""What a sender is told of a message: delivery status notifications.

Pure.  RFC 3464 (message/delivery-status), RFC 3461 6 (what is in them), RFC 6522 (multipart/report), RFC 3834 5
(Auto-Submitted), RFC 6533 (addresses that are not ASCII).  What must stay true: nothing that a peer or a sender wrote
ends a line here; what is returned of the message is its own octets; the first part says it in plain words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from enum import Enum
from quopri import encodestring

from opostd.intake.message import CRLF, Field, field
from opostd.intake.tongues import ENGLISH, TONGUES, Tongue
from opostd.intake.words import unstructured
from opostd.model.ids import PostId, post_id_text
from opostd.model.mailing import Wish

MAX_RETURNED_OCTETS = 64 * 1024  # of a message that comes back whole without having been asked for
MAX_DIAGNOSTIC = 900  # characters of a server's answer: RFC 5322 2.1.1 gives a line 998 octets
MAX_MESSAGE_IDS = 20  # in References: more is no thread
_XTEXT = re.compile(r"\+([0-9A-F]{2})")


class Action(Enum):
    """What became of a recipient (RFC 3464 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class Status:
    """What is told of one recipient.  status: an enhanced code; remote, diagnostic: the server that said so, and what.

    until: of a delay, when it is given up; 0 for none.  asked: the sender has asked for it by BY (RFC 2852), whatever
    NOTIFY says but NEVER.
    """

    wish: Wish
    action: Action
    status: str
    remote: str = ""
    diagnostic: str = ""
    until: int = 0
    asked: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """The message that is told of.  header: with the empty line; raw: all of it, or empty where it is not returned.

    deliver_by: as its sender has set it, 0 for none.
    """

    envid: str
    arrived: int
    header: bytes
    raw: bytes
    deliver_by: int = 0


def _sentences(action: Action, tongue: Tongue) -> tuple[str, str]:
    """The subject, and what the text begins with."""
    match action:
        case Action.FAILED:
            return tongue.failed_subject, tongue.failed
        case Action.DELAYED:
            return tongue.delayed_subject, tongue.delayed
        case Action.DELIVERED:
            return tongue.delivered_subject, tongue.delivered
        case Action.RELAYED:
            return tongue.relayed_subject, tongue.relayed


def xtext(text: str) -> str:
    """What an ENVID or ORCPT stands for (RFC 3461 4); what is not printable ASCII in it becomes ``?``."""
    return one_line(_XTEXT.sub(lambda match: chr(int(match[1], 16)), text))


def report(
    about: About,
    statuses: Sequence[Status],
    *,
    to: str,
    hostname: str,
    domain: str,
    post: PostId,
    now: int,
    language: str = ENGLISH,
) -> bytes:
    """The octets of one notification.

    statuses: 1 or more, of one action.  to: the sender.  hostname: ours; domain: whose postmaster it is from; post: its
    own id; language: of the part for people, a key of ``TONGUES``.
    """
    subject, opening = _sentences(statuses[0].action, TONGUES[language])
    wide = not all(each.wish.address.isascii() for each in statuses) or not about.header.isascii()
    boundary = b"=_" + post_id_text(post).encode()
    parts = [
        _part(
            b"text/plain; charset=utf-8\r\nContent-Language: " + language.encode(),
            _words(opening, statuses, hostname, TONGUES[language]),
        ),
        _part(
            b"message/global-delivery-status" if wide else b"message/delivery-status",
            _machine(about, statuses, hostname, now, wide),
        ),
        _returned(about),
    ]
    return b"".join(
        [
            *(each.octets for each in _head(about, subject, to, hostname, domain, post, now)),
            b"Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"" + boundary + b'"\r\n',
            b"" if all(part.isascii() for part in parts) else b"Content-Transfer-Encoding: 8bit\r\n",
            CRLF,
            *(b"--" + boundary + CRLF + part + CRLF for part in parts),
            b"--" + boundary + b"--\r\n",
        ]
    )  # fmt: skip


def _head(about: About, subject: str, to: str, hostname: str, domain: str, post: PostId, now: int) -> list[Field]:
    fields = [
        field("Date", formatdate(now).encode()),
        field("From", f"Mail Delivery <postmaster@{domain}>".encode()),
        field("To", f"<{to}>".encode()),
        field("Subject", unstructured(subject)),
        field("Message-ID", f"<{post_id_text(post)}@{hostname}>".encode()),
        field("Auto-Submitted", b"auto-replied"),
        field("MIME-Version", b"1.0"),
    ]
    ids = re.findall(rb"(?im)^message-id:\s*(<[!-;=?-~]{1,250}>)", about.header)[:1]
    if ids:
        fields.insert(5, field("References", ids[0]))
    return fields


def _words(opening: str, statuses: Sequence[Status], hostname: str, tongue: Tongue) -> bytes:
    lines = [tongue.server.format(hostname), "", opening, ""]
    for each in statuses:
        lines.append(f"  {one_line(each.wish.address, wide=True)}")
        said = tongue.said.format(each.remote, each.diagnostic) if each.remote else each.diagnostic
        if said:
            lines.append(f"    {one_line(said, wide=True)}")
        if each.until:
            lines.append(
                f"    {tongue.until.format(datetime.fromtimestamp(each.until, UTC).strftime('%Y-%m-%d %H:%M UTC'))}"
            )
    return "\r\n".join([*lines, ""]).encode()


def _machine(about: About, statuses: Sequence[Status], hostname: str, now: int, wide: bool) -> bytes:
    """RFC 3464 2: fields of the message, then, after an empty line, of each recipient."""
    groups = [[("Reporting-MTA", f"dns; {hostname}")]]
    if about.envid:
        groups[0].append(("Original-Envelope-Id", xtext(about.envid)))
    groups[0].append(("Arrival-Date", formatdate(about.arrived)))
    if about.deliver_by:
        groups[0].append(("Deliver-By-Date", formatdate(about.deliver_by)))  # RFC 2852 5
    for each in statuses:
        fields = []
        kind, _, original = each.wish.orcpt.partition(";")
        if original:
            fields.append(("Original-Recipient", f"{one_line(kind)}; {xtext(original)}"))
        address = one_line(each.wish.address, wide=wide)
        fields.append(("Final-Recipient", f"{'rfc822' if address.isascii() else 'utf-8'}; {address}"))
        fields += [("Action", each.action.value), ("Status", each.status)]
        if each.remote:
            fields.append(("Remote-MTA", f"dns; {one_line(each.remote)}"))
        if each.diagnostic:
            fields.append(("Diagnostic-Code", f"{'smtp' if each.remote else 'x-opostd'}; {one_line(each.diagnostic)}"))
        fields.append(("Last-Attempt-Date", formatdate(now)))
        if each.until:
            fields.append(("Will-Retry-Until", formatdate(each.until)))
        groups.append(fields)
    return "\r\n".join("".join(f"{name}: {value}\r\n" for name, value in fields) for fields in groups).encode()


def _returned(about: About) -> bytes:
    """The message, or its header: octets that are not ASCII go as they are in the one, encoded in the other."""
    if about.raw:
        return _part(b"message/rfc822", about.raw)
    header = about.header.replace(CRLF + CRLF, CRLF)
    if header.isascii():
        return _part(b"text/rfc822-headers", header)
    encoded = encodestring(header.replace(CRLF, b"\n")).replace(b"\n", CRLF)
    head = b"Content-Type: text/rfc822-headers; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head + encoded


def _part(kind: bytes, octets: bytes) -> bytes:
    encoding = b"" if octets.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
    return b"Content-Type: " + kind + CRLF + encoding + CRLF + octets


def one_line(text: str, *, wide: bool = False) -> str:
    """One line of it: ASCII, or with ``wide`` whatever is printable."""
    good = str.isprintable if wide else (lambda char: " " <= char <= "~")
    return "".join(char if good(char) else "?" for char in text[:MAX_DIAGNOSTIC])
