"""DANE for SMTP: what the DNS says of a server's certificate.

Pure.  RFC 6698 (TLSA), RFC 7671, RFC 7672 (SMTP).  What must stay true: usages 2 and 3 only (RFC 7672 3.1.3); with
usage 3 names and dates of the certificate mean nothing (3.1.1), with usage 2 both count (3.1.2).  Deviations: any
record that matches does, without digest agility (RFC 7671 9); an authority of usage 2 has to be sent with the
certificates, as RFC 7672 3.1.2 asks of servers.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import crypto

DANE_TA, DANE_EE = 2, 3
_DIGESTS = {1: hashlib.sha256, 2: hashlib.sha512}
_LENGTHS = {1: 32, 2: 64}
MAX_CHAIN = 10  # certificates that are looked at


@dataclass(frozen=True, slots=True)
class Tlsa:
    """One record, in the words of RFC 7218 2: usage, selector, matching type, and what to match."""

    usage: int
    selector: int
    matching: int
    data: bytes

    @property
    def usable(self) -> bool:
        """Whether we know what it says (RFC 7672 3.1, RFC 6698 4.1)."""
        known = self.usage in (DANE_TA, DANE_EE) and self.selector in (0, 1) and self.matching in (0, 1, 2)
        return known and bool(self.data) and len(self.data) == _LENGTHS.get(self.matching, len(self.data))

    def matches(self, certificate: x509.Certificate) -> bool:
        """Whether it is of this certificate."""
        if self.selector == 0:
            octets = certificate.public_bytes(Encoding.DER)
        else:
            octets = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        digest = _DIGESTS.get(self.matching)
        return self.data == (octets if digest is None else digest(octets).digest())


def vouched_for(records: Sequence[Tlsa], chain: Sequence[bytes], names: Sequence[str]) -> bool:
    """Whether a server that showed these certificates is the one that the records are of.

    chain: in DER, its own first.  names: of which its certificate must have one, where usage 2 asks for that.
    """
    try:
        certificates = [x509.load_der_x509_certificate(each) for each in chain[:MAX_CHAIN]]
        if not certificates:
            return False
        if any(each.usage == DANE_EE and each.matches(certificates[0]) for each in records):
            return True
        authorities = [
            each
            for each in certificates[1:]
            if any(record.usage == DANE_TA and record.matches(each) for record in records)
        ]
    except ValueError:  # octets that are no certificate, or of a key that nobody knows
        return False
    if not any(_is_named(certificates[0], name) for name in names):
        return False
    return any(_issued(certificates, each) for each in authorities)


def _issued(certificates: Sequence[x509.Certificate], authority: x509.Certificate) -> bool:
    """Whether the first one comes from an authority, by way of the others, and all of them are valid now."""
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(authority))
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)  # the authority need not be at the root
    leaf, *between = [crypto.X509.from_cryptography(each) for each in certificates]
    try:
        crypto.X509StoreContext(store, leaf, chain=between).verify_certificate()
    except crypto.X509StoreContextError:
        return False
    return True


def _is_named(certificate: x509.Certificate, name: str) -> bool:
    """RFC 7672 3.2.3: by subjectAltName, whose first label may be ``*``; by the common name where there is none."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        patterns = found.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        patterns = [str(each.value) for each in common]
    return any(named(pattern, name) for pattern in patterns)


def named(pattern: str, name: str) -> bool:
    """Whether a name is meant by ``mx.example.org`` or ``*.example.org``, which is one label more and no other."""
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if pattern.startswith("*."):
        return "." in name and name.partition(".")[2] == pattern[2:] and name.partition(".")[0] != ""
    return pattern == name
