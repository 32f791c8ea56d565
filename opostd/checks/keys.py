"""Public keys as the DNS has them, and the check of a signature against one.

RFC 6376 3.6.1 (key records), RFC 8301 (no SHA-1, RSA of 1024 bits at least), RFC 8463 (Ed25519).
"""

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from opostd.checks import tags
from opostd.checks.tags import BadTags

MIN_RSA_BITS = 1024  # RFC 8301 3.2
MAX_RSA_BITS = 4096  # more only makes us slow

PublicKey = RSAPublicKey | Ed25519PublicKey


class BadKey(Exception):
    """There is no key that can be used: none, withdrawn, unreadable."""


class WeakKey(Exception):
    """There is one, which proves nothing."""


@dataclass(frozen=True, slots=True)
class Key:
    """testing: the domain tries things out (``t=y``).  strict: ``i=`` must be in the very domain (``t=s``)."""

    public: PublicKey
    testing: bool = False
    strict: bool = False


def parse(record: bytes) -> Key:
    """The key of a record.  Raises BadKey, WeakKey."""
    try:
        found = tags.parse(record)
        if found.get("v", "DKIM1") != "DKIM1" or ("v" in found and next(iter(found)) != "v"):
            raise BadKey("no DKIM1 key record")
        if "sha256" not in tags.words(found.get("h", "sha256")):
            raise BadKey("key is not for SHA-256")
        if not {"*", "email"} & set(tags.words(found.get("s", "*"))):
            raise BadKey("key is not for mail")
        if not found.get("p"):
            raise BadKey("key was withdrawn" if "p" in found else "no key in the record")
        octets = tags.base64_value(found["p"])
    except BadTags as error:
        raise BadKey(f"key record: {error}") from None
    flags = tags.words(found.get("t", ""))
    return Key(_public(found.get("k", "rsa").lower(), octets), testing="y" in flags, strict="s" in flags)


def _public(kind: str, octets: bytes) -> PublicKey:
    try:
        if kind == "ed25519":
            return Ed25519PublicKey.from_public_bytes(octets)
        key = load_der_public_key(octets) if kind == "rsa" else None
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("key cannot be read") from None
    if not isinstance(key, RSAPublicKey):
        raise BadKey("unknown sort of key")
    if key.key_size < MIN_RSA_BITS:
        raise WeakKey(f"RSA key of under {MIN_RSA_BITS} bits")
    if key.key_size > MAX_RSA_BITS:
        raise BadKey(f"RSA key of over {MAX_RSA_BITS} bits")
    return key


def is_signed(key: PublicKey, algorithm: str, signature: bytes, octets: bytes) -> bool:
    """Whether this is the key's signature of the octets.  algorithm: rsa-sha256 or ed25519-sha256."""
    try:
        if isinstance(key, RSAPublicKey) and algorithm == "rsa-sha256":
            key.verify(signature, octets, PKCS1v15(), SHA256())
        elif isinstance(key, Ed25519PublicKey) and algorithm == "ed25519-sha256":
            key.verify(signature, hashlib.sha256(octets).digest())  # RFC 8463 3: of the hash
        else:
            return False
    except InvalidSignature:
        return False
    return True
