"""SASL mechanisms as exchanges without a socket: responses in, challenges or a name and a password out.  Pure.

PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login), with and without an initial response (RFC 4954 4, RFC 4959).
Both show the password, so a door offers them under TLS only; mechanisms that only look safer (CRAM-MD5, DIGEST-MD5) are
not here (security.md 1.4).  What must stay true: a Login's password is in no ``repr``, and so in no log line.
"""

import binascii
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

MAX_OCTETS = 1024  # of a name, and of a password: nobody types more, and each is hashed
MAX_BASE64 = 12288  # octets of one response, RFC 4954 4


class BadExchange(Exception):
    """The client broke the form of the mechanism, or of base64: 501, BAD."""


@dataclass(frozen=True, slots=True)
class Login:
    """What the client claims: to be verified.  name: as sent, with or without a domain."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token that is shown.  name: whose it should be, or empty; token: empty where none that can be one came."""

    name: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NeedKeys:
    """The exchange goes on when it is told the keys of this name (``scram.Exchange.keyed``)."""

    name: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What the client has proved, or not.  keys: those it was measured by; signature: the server's last challenge."""

    name: str
    keys: str = field(repr=False)
    right: bool
    signature: bytes = field(repr=False)


class Exchange(Protocol):
    """One login under way."""

    def step(self, response: bytes | None) -> bytes | Login | NeedKeys | Proof:
        """The next challenge, or at the end what is claimed or proved.

        response: decoded; None at the beginning when the command brought none.  Raises BadExchange; the exchange is
        over.
        """


class _Plain:
    """RFC 4616 2: ``[authzid] NUL authcid NUL passwd``."""

    def step(self, response: bytes | None) -> bytes | Login:
        if response is None:
            return b""
        fields = response.split(b"\0")
        if len(fields) != 3:
            raise BadExchange
        authzid, authcid, password = (_text(each) for each in fields)
        if not authcid or not password:
            raise BadExchange
        if authzid and _folded(authzid) != _folded(authcid):
            # Nobody acts for others here.  No name has a NUL, so this one fails like any wrong one, and the log has
            # both.
            return Login(f"{authzid}\0{authcid}", password)
        return Login(authcid, password)


class _Login:
    """``Username:``, ``Password:``; Outlook sends the name with the command (clients.md 1)."""

    def __init__(self) -> None:
        self._name: str | None = None

    def step(self, response: bytes | None) -> bytes | Login:
        if response is None:
            return b"Username:"
        text = _text(response)
        if not text or "\0" in text:
            raise BadExchange
        if self._name is None:
            self._name = text
            return b"Password:"
        return Login(self._name, text)


_MECHANISMS: dict[str, Callable[[], Exchange]] = {"PLAIN": _Plain, "LOGIN": _Login}
NAMES = tuple(_MECHANISMS)
"""As they are announced, best first."""


def begin(mechanism: str) -> Exchange | None:
    """A new exchange; None for a mechanism that is not offered.  The name's case does not count (RFC 4422 3.1)."""
    make = _MECHANISMS.get(mechanism.upper()) if mechanism.isascii() else None
    return make() if make is not None else None


def decode(response: str | bytes) -> bytes:
    """The octets of a base64 response; ``=`` alone is the empty one (RFC 4954 4).  Raises BadExchange.

    Strict (RFC 4648 3): no other characters, padding where it belongs, no bits left over.
    """
    if len(response) > MAX_BASE64:
        raise BadExchange
    try:
        octets = response.encode("ascii") if isinstance(response, str) else response
        if octets == b"=":
            return b""
        decoded = binascii.a2b_base64(octets, strict_mode=True)
    except ValueError:  # UnicodeEncodeError and binascii.Error are such
        raise BadExchange from None
    if binascii.b2a_base64(decoded, newline=False) != octets:
        raise BadExchange
    return decoded


def encode(challenge: bytes) -> str:
    """A challenge in base64."""
    return binascii.b2a_base64(challenge, newline=False).decode("ascii")


def _text(octets: bytes) -> str:
    if len(octets) > MAX_OCTETS:
        raise BadExchange
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise BadExchange from None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
