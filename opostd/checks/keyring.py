"""The private keys of our domains: files named as the DNS names the other half, ``SELECTOR._domainkey.DOMAIN.pem``.

RFC 6376 3.6.2.1, 3.1 (several selectors, so that keys can be changed).  What must stay true: a key that cannot be read
keeps no mail from leaving; a new file counts without a restart.
"""

import base64
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from opostd.checks.dmarc import ascii_domain
from opostd.checks.keys import MIN_RSA_BITS
from opostd.checks.sign import SigningKey

log = logging.getLogger("opostd.checks")

MIDDLE, END = "._domainkey.", ".pem"
RSA_BITS = 2048  # RFC 8301 3.2; a record of more does not fit one DNS packet of old
STRING_OCTETS = 255  # of one string of a TXT record (RFC 1035 3.3)


class Keyring:
    """The keys in a folder, which need not be there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: int | None = None
        self._keys: dict[str, list[SigningKey]] = {}

    def of(self, domain: str) -> list[SigningKey]:
        """The keys of a domain, RSA first: servers that know one sort only look no further than they must."""
        self._look()
        return self._keys.get(domain, [])

    def domains(self) -> list[str]:
        self._look()
        return list(self._keys)

    def _look(self) -> None:
        """Read the folder again where it has changed."""
        try:
            changed = self.folder.stat().st_mtime_ns
        except OSError:
            self._keys, self._seen = {}, None
            return
        if changed == self._seen:
            return
        found: dict[str, list[SigningKey]] = {}
        for path in sorted(self.folder.glob(f"*{MIDDLE}*{END}")):
            try:
                key = load(path)
            except (OSError, ValueError) as error:
                log.warning("signing key not used file=%s: %s", path, error)
                continue
            found.setdefault(key.domain, []).append(key)
        for keys in found.values():
            keys.sort(key=lambda each: (not isinstance(each.private, RSAPrivateKey), each.selector))
        self._keys, self._seen = found, changed  # whole at once: other threads sign meanwhile


def load(path: Path) -> SigningKey:
    """The key of a file.  Raises OSError, ValueError."""
    selector, _, domain = path.name.removesuffix(END).partition(MIDDLE)
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (UnsupportedAlgorithm, TypeError) as error:  # TypeError: it is encrypted
        raise ValueError(str(error)) from None
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("neither an RSA nor an Ed25519 key")
    if isinstance(key, RSAPrivateKey) and key.key_size < MIN_RSA_BITS:
        raise ValueError(f"RSA key of under {MIN_RSA_BITS} bits")
    if not selector or ascii_domain(domain.encode()) != domain:
        raise ValueError(f"the name is not SELECTOR{MIDDLE}DOMAIN{END}")
    return SigningKey(domain, selector, key)


def generate(folder: Path, domain: str, selector: str) -> Iterator[Path]:
    """Two new keys of a domain, RSA and Ed25519 (RFC 8463 3: sign with both), as files that only their owner reads.

    Raises FileExistsError, OSError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[tuple[str, RSAPrivateKey | Ed25519PrivateKey]] = [
        ("r", generate_private_key(65537, RSA_BITS)),
        ("e", Ed25519PrivateKey.generate()),
    ]
    for letter, key in made:
        path = folder / f"{selector}{letter}{MIDDLE}{domain}{END}"
        octets = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(octets)
        if os.geteuid() == 0:  # made by root, read by the server
            owner = folder.parent.stat()
            for each in (folder, path):
                os.chown(each, owner.st_uid, owner.st_gid)
        yield path


def record(key: SigningKey) -> tuple[str, str]:
    """What the DNS must say: the name, and the text (RFC 6376 3.6.1)."""
    public = key.private.public_key()
    if isinstance(key.private, RSAPrivateKey):
        kind, octets = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        kind, octets = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"{key.selector}{MIDDLE}{key.domain}", f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode()}"


def zone_line(key: SigningKey) -> str:
    """The record as a zone file has it, in strings of 255 octets."""
    name, text = record(key)
    strings = [text[at : at + STRING_OCTETS] for at in range(0, len(text), STRING_OCTETS)]
    return f"{name}. IN TXT " + " ".join(f'"{each}"' for each in strings)
