"""A server that mail may go to, what is asked of its certificate, and why there is none.

Pure.  RFC 7435 (opportunistic), RFC 7672 (DANE), RFC 8461 (MTA-STS).
"""

import ssl
from dataclasses import dataclass, field
from typing import Any

from opostd.config import RelayTls
from opostd.worker.dane import Tlsa

_DER = 2  # of _ssl: what Python before 3.13 calls the encoding


@dataclass(frozen=True, slots=True)
class Host:
    """A server that may take our mail.  tls: see RelaySettings; user, password: of a login, or empty.

    address: where it is, empty for what the machine finds for its name.  tlsa: one of which must be of its certificate
    (RFC 7672), with one of tlsa_names where that matters.  vouched: its domain says for certain that it is this one.
    hostname: ours, by which a server that is ourselves is known; empty where one may have the same.
    """

    name: str
    port: int
    tls: RelayTls = "may"
    implicit_tls: bool = False
    ca_file: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    address: str = ""
    tlsa: tuple[Tlsa, ...] = ()
    tlsa_names: tuple[str, ...] = ()
    vouched: bool = False
    hostname: str = ""


class NoService(Exception):
    """No session with this server now: cannot be reached, does not want us, or is not who it should be.

    status: an enhanced code; reached: it was there, so that without TLS it may go better.
    """

    def __init__(self, text: str, status: str = "4.4.1", *, reached: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.reached = reached


class NoSuchDomain(Exception):
    """No mail can ever be sent to this domain.  status: an enhanced code."""

    def __init__(self, text: str, status: str = "5.1.2") -> None:
        super().__init__(text)
        self.status = status


def context_for(host: Host) -> ssl.SSLContext:
    """What we demand of a server's certificate."""
    if host.tls == "verify":
        context = ssl.create_default_context(cafile=host.ca_file or None)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def chain_of(tls: ssl.SSLObject | ssl.SSLSocket) -> list[bytes]:
    """The certificates that a server has shown, in DER, its own first, whether they are any good or not."""
    if hasattr(tls, "get_unverified_chain"):  # Python 3.13
        return list(tls.get_unverified_chain())
    own = tls.getpeercert(binary_form=True)
    inner: Any = getattr(tls, "_sslobj", None)
    if inner is None or not hasattr(inner, "get_unverified_chain"):
        return [own] if own else []
    return [each.public_bytes(_DER) for each in inner.get_unverified_chain() or ()]
