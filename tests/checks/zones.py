"""What the tests of the checks share: texts of names in place of the DNS, keys, and messages."""

import base64
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from opostd.checks.dns import NotKnown
from opostd.checks.sign import SigningKey
from opostd.config import LimitSettings
from opostd.intake.message import Message, read

NOW = 1_700_000_000


@dataclass
class Texts:
    """TXT records by name; fails: names that nobody can say anything of now."""

    records: dict[str, list[bytes]] = field(default_factory=dict)
    fails: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    async def txt(self, name: str) -> list[bytes]:
        self.asked.append(name)
        if name in self.fails:
            raise NotKnown(name)
        return self.records.get(name, [])


def rsa_key(domain: str = "a.example", selector: str = "r", bits: int = 1024) -> SigningKey:
    return SigningKey(domain, selector, rsa.generate_private_key(65537, bits))


def ed25519_key(domain: str = "a.example", selector: str = "e") -> SigningKey:
    return SigningKey(domain, selector, ed25519.Ed25519PrivateKey.generate())


def published(*keys: SigningKey) -> dict[str, list[bytes]]:
    """The records of keys."""
    found: dict[str, list[bytes]] = {}
    for key in keys:
        public = key.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            kind, octets = b"rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, octets = b"ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        record = b"v=DKIM1; k=" + kind + b"; p=" + base64.b64encode(octets)
        found[f"{key.selector}._domainkey.{key.domain}"] = [record]
    return found


def message(raw: bytes) -> Message:
    """raw: with LF or CRLF."""
    return read(raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), LimitSettings())


LETTER = b"""\
From: Anna <anna@a.example>
To: bob@b.example
Subject: Hello
Date: Fri, 11 Jul 2003 21:00:37 -0700
Message-ID: <1@a.example>

Hello  Bob,\t
 how are you?


"""
