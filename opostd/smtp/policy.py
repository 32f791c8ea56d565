"""Who may send what, door by door.

Submission: our users, logged in, from their own addresses (RFC 6409).  MX: anybody, to local recipients, never from a
local domain.  LMTP: a mail server of ours in front, trusted as to the sender (RFC 2033).  What must stay true:
nothing is relayed for anybody who has not logged in; being an administrator lends no one another's address.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from opostd.model.networks import host_of, is_own_machine
from opostd.smtp import reply as say
from opostd.smtp.extensions import DoorKind
from opostd.smtp.path import Path
from opostd.smtp.reply import Reply
from opostd.smtp.transaction import Envelope


@dataclass(frozen=True, slots=True)
class Policy:
    """One door.  login: mail waits for AUTH; lhlo: LMTP; patient: no delays, no count of unknown recipients."""

    login: bool = False
    lhlo: bool = False
    patient: bool = False


POLICIES = {
    DoorKind.SUBMISSION: Policy(login=True),
    DoorKind.MX: Policy(),
    # The server in front has checked its clients; slowing it down would slow all of them.
    DoorKind.LMTP: Policy(lhlo=True, patient=True),
}


def is_loopback(address: Any) -> bool:
    """Whether a socket address, as ``get_extra_info`` gives it, is on this machine."""
    return is_own_machine(host_of(address))  # a UNIX socket, or nothing: not by this rule


def is_local(path: Path, domains: Iterable[str]) -> bool:
    """Whether the address is in one of our domains; ``<postmaster>`` is."""
    return (not path.domain and not path.is_null) or path.domain.lower() in domains


def check_sender(kind: DoorKind, path: Path, domains: Iterable[str], *, forwarder: bool = False) -> Reply | None:
    """Why this sender may not come in by this door, as far as its octets tell; None where it may, or is looked up.

    forwarder: the client may bring mail of our own senders back.
    """
    if kind is DoorKind.SUBMISSION:
        return say.NOT_YOUR_ADDRESS if path.asks_for_relay else None
    if path.odd:
        return say.BAD_SENDER
    if kind is DoorKind.MX and is_local(path, domains) and not forwarder:
        return say.LOCAL_SENDER
    return None


def check_recipient(path: Path, domains: Iterable[str], *, relay: bool = False) -> Reply | None:
    """Why nothing goes to this recipient from here, or None where it is to be looked up.

    relay: the client has logged in, and mail may leave; not for an address literal, which no DNS can vouch for.
    """
    if path.asks_for_relay:
        return say.NO_RELAY
    if not is_local(path, domains) and (not relay or path.domain.startswith("[")):
        return say.NO_RELAY
    return None


def protocol(kind: DoorKind, envelope: Envelope, *, secure: bool, login: bool) -> str:
    """The word after ``with`` in Received (RFC 3848, RFC 6531 4.3): SMTP, ESMTPSA, UTF8LMTPS ..."""
    if not envelope.extended:
        return "SMTP"
    base = "LMTP" if kind is DoorKind.LMTP else "SMTP" if envelope.params.smtputf8 else "ESMTP"
    return f"{'UTF8' if envelope.params.smtputf8 else ''}{base}{'S' if secure else ''}{'A' if login else ''}"
