"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS: who logs in proves the password without showing it (RFC 5802, RFC 7677).

What is kept of a password is its ``Keys``: with them nobody can log in elsewhere, but whoever steals them can try
passwords against them, at so many rounds of SHA-256 each.  What must stay true: an unknown name is answered as a known
one, with a salt that is the same each time; proofs are compared in constant time.

Deviation: passwords are prepared as an OpaqueString (RFC 8265), as for argon2id, and not by SASLprep: the two differ
for compatibility characters only.
"""

import binascii
import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from opostd.auth import passwords
from opostd.auth.sasl import MAX_OCTETS, BadExchange, NeedKeys, Proof

SHA_256 = "sha256"
NAME, PLUS_NAME = "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"
SALT_OCTETS = 16
MAX_MESSAGE_OCTETS = 4096  # of one message of a client: two nonces, a name of 1 KiB in its escapes

_NONCE = rb"[!-+\--~]{1,256}"
_FIRST = re.compile(rb"(?P<header>(?P<flag>n|y|p=(?P<binding>[A-Za-z0-9.-]{1,64})),(?:a=(?P<authzid>[^,]+))?,)"
                    rb"(?P<bare>n=(?P<name>[^,]+),r=(?P<nonce>" + _NONCE + rb")(?:,[A-Za-z]=[^,]+)*)")  # fmt: skip
_FINAL = re.compile(rb"(?P<without>c=(?P<channel>[A-Za-z0-9+/=]+),r=(?P<nonce>" + _NONCE + rb")(?:,[A-Za-z]=[^,]+)*)"
                    rb",p=(?P<proof>[A-Za-z0-9+/=]+)")  # fmt: skip
_ESCAPED = re.compile(rb"=(2C|3D)?")
_KEYS = re.compile(r"SCRAM-SHA-256\$([0-9]{1,9}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class Keys:
    """What is kept of a password (RFC 5802 3): salt and rounds are told to whoever asks, the keys to nobody."""

    iterations: int
    salt: bytes
    stored: bytes
    server: bytes


def make(password: str, *, salt: bytes, iterations: int) -> Keys:
    """The keys of a password.  Takes as long as ``iterations`` say.  Raises BadPassword."""
    prepared = passwords.prepare(password).encode()
    salted = hashlib.pbkdf2_hmac(SHA_256, prepared, salt, iterations)
    stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    return Keys(iterations, salt, stored, _hmac(salted, b"Server Key"))


def packed(password: str, iterations: int) -> str | None:
    """What is to be kept of a new password, with a salt of its own; None where SCRAM is not offered (0 iterations)."""
    if not iterations:
        return None
    return pack(make(password, salt=secrets.token_bytes(SALT_OCTETS), iterations=iterations))


def pack(keys: Keys) -> str:
    """As it is kept: ``SCRAM-SHA-256$rounds:salt$StoredKey:ServerKey``, as RFC 5803 has it."""
    salt, stored, server = (b64encode(each).decode("ascii") for each in (keys.salt, keys.stored, keys.server))
    return f"{NAME}${keys.iterations}:{salt}${stored}:{server}"


def unpack(text: str | None) -> Keys | None:
    """The keys of a packed text, or None where it is none."""
    found = _KEYS.fullmatch(text or "")
    if found is None:
        return None
    try:
        salt, stored, server = (b64decode(found[number], validate=True) for number in (2, 3, 4))
    except binascii.Error:
        return None
    return Keys(int(found[1]), salt, stored, server)


def nobody(name: str, secret: bytes, iterations: int) -> Keys:
    """Keys for a name that nobody has: the same salt each time, and no password is right for them."""
    digest = _hmac(secret, name.encode("utf-8", "surrogatepass"))
    return Keys(iterations, digest[:SALT_OCTETS], b"", b"")


class Exchange:
    """One login under way.

    nonce: printable, of this exchange alone.  bindings: channel bindings by their name, where there are any (RFC 5929,
    RFC 9266); plus: the client has chosen SCRAM-SHA-256-PLUS, which is offered if and only if there are bindings.
    """

    def __init__(self, nonce: str, bindings: Mapping[str, bytes], *, plus: bool) -> None:
        self._nonce = nonce.encode("ascii")
        self._bindings = bindings
        self._plus = plus
        self._first: re.Match[bytes] | None = None
        self._keys: Keys | None = None
        self._who = ""
        self._server_first = b""
        self._channel = b""

    def step(self, response: bytes | None) -> bytes | NeedKeys | Proof:
        """Asks for the keys of a name after the first message, and gives a proof to be checked after the second."""
        if response is None:
            return b""
        if len(response) > MAX_MESSAGE_OCTETS:
            raise BadExchange
        return self._begin(response) if self._keys is None else self._end(response, self._keys)

    def _begin(self, response: bytes) -> NeedKeys:
        found = _FIRST.fullmatch(response)
        if found is None or self._first is not None:
            raise BadExchange
        binding = (found["binding"] or b"").decode("ascii")
        if bool(binding) is not self._plus:
            raise BadExchange
        if binding and binding not in self._bindings:
            raise BadExchange
        if found["flag"] == b"y" and self._bindings:
            raise BadExchange  # somebody between us has hidden that PLUS is offered (RFC 5802 6)
        name = _name(found["name"])
        authzid = None if found["authzid"] is None else _name(found["authzid"])
        self._first = found
        self._channel = found["header"] + self._bindings.get(binding, b"")
        # Nobody acts for others here.  No name has a NUL, so this one fails like any that nobody has.
        self._who = name if authzid in (None, name) else f"{authzid}\0{name}"
        return NeedKeys(self._who)

    def keyed(self, keys: Keys) -> bytes:
        """The challenge to the first message.  keys: of the name that was asked for, or ``nobody``'s."""
        assert self._first is not None
        self._keys = keys
        nonce = self._first["nonce"] + self._nonce
        self._server_first = b"r=%b,s=%b,i=%d" % (nonce, b64encode(keys.salt), keys.iterations)
        return self._server_first

    def _end(self, response: bytes, keys: Keys) -> Proof:
        assert self._first is not None
        found = _FINAL.fullmatch(response)
        if found is None or found["nonce"] != self._first["nonce"] + self._nonce:
            raise BadExchange
        channel, proof = _base64(found["channel"]), _base64(found["proof"])
        if not hmac.compare_digest(channel, self._channel):
            raise BadExchange
        message = b",".join((self._first["bare"], self._server_first, found["without"]))
        return Proof(
            self._who, pack(keys), _proves(keys, message, proof), b"v=" + b64encode(_hmac(keys.server, message))
        )


def _proves(keys: Keys, message: bytes, proof: bytes) -> bool:
    signature = _hmac(keys.stored, message)
    if len(proof) != len(signature):
        return False
    client_key = bytes(one ^ other for one, other in zip(proof, signature, strict=True))
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), keys.stored)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, SHA_256)


def _name(octets: bytes) -> str:
    """A saslname: a comma is ``=2C``, an equals sign ``=3D``."""

    def plain(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise BadExchange
        return b"," if match[1] == b"2C" else b"="

    octets = _ESCAPED.sub(plain, octets)
    if len(octets) > MAX_OCTETS or b"\0" in octets:
        raise BadExchange
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise BadExchange from None


def _base64(octets: bytes) -> bytes:
    try:
        return b64decode(octets, validate=True)
    except binascii.Error:
        raise BadExchange from None
