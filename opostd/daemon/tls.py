"""Certificates and TLS contexts: TLS 1.2 or newer, ciphers with forward secrecy and authentication (AEAD) only.

Without a certificate in the settings the server makes its own, in the data directory: one file with key and chain, so
that the two are renewed by one rename and can never disagree.  RFC 8314 3 (TLS for mail), RFC 9325 (which TLS).
"""

import contextlib
import datetime
import hashlib
import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from opostd.config import Settings
from opostd.model.errors import BadSettings

if TYPE_CHECKING:  # at run time only after the reactor is installed
    from twisted.internet.interfaces import IOpenSSLServerConnectionCreator

VALID_DAYS = 397  # the most that browsers and mail programs take from anybody
RENEW_DAYS = 14  # made anew at a start when fewer are left
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of 1.3 are all of this kind

_BEGIN_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate chain and its key, read and found to belong together.

    sha256: of the certificate, as people compare it; file: what a person can import, for a self-made one.
    """

    chain_file: Path
    key_file: Path
    certificate: x509.Certificate
    self_made: bool

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256(self.certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
        return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))

    def days_left(self, now: datetime.datetime) -> int:
        return (self.certificate.not_valid_after_utc - now).days


def identity(settings: Settings, now: datetime.datetime) -> Identity:
    """The certificate to serve with: that of the settings, or one of our own making.  Raises BadSettings."""
    if settings.tls.certificate:
        return _given(Path(settings.tls.certificate), Path(settings.tls.key))
    return _self_made(settings.data_directory / "tls" / "self-made.pem", settings.hostname, now)


def asyncio_context(found: Identity) -> ssl.SSLContext:
    """For the doors that asyncio carries."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
    context.load_cert_chain(found.chain_file, found.key_file)
    return context


def twisted_options(found: Identity) -> "IOpenSSLServerConnectionCreator":
    """The same for the doors that Twisted carries: an IOpenSSLServerConnectionCreator.

    Not Twisted's CertificateOptions: it sets a verify callback, for which cffi needs memory that is writable and
    executable, and the unit's MemoryDenyWriteExecute= refuses that: every TLS connection would fail.
    """
    from OpenSSL import SSL
    from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
    from twisted.protocols.tls import TLSMemoryBIOProtocol
    from zope.interface import implementer

    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(CIPHERS.encode())
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_COMPRESSION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 30 KB less for each idle connection
    context.use_certificate_chain_file(str(found.chain_file))
    context.use_privatekey_file(str(found.key_file))
    context.check_privatekey()

    @implementer(IOpenSSLServerConnectionCreator)
    class Creator:
        def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
            return SSL.Connection(context, None)

    return Creator()


def _given(chain_file: Path, key_file: Path) -> Identity:
    try:
        chain = _certificates(chain_file.read_bytes())
        certificate = x509.load_pem_x509_certificate(chain[0])
    except (OSError, ValueError, IndexError) as error:
        raise BadSettings((f"tls.certificate: {chain_file} holds no certificate in PEM ({error})",)) from error
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except TypeError as error:
        raise BadSettings((f"tls.key: {key_file} is locked by a passphrase; a server needs it open",)) from error
    except (OSError, ValueError) as error:
        raise BadSettings((f"tls.key: {key_file} holds no private key in PEM",)) from error
    if key.public_key() != certificate.public_key():
        raise BadSettings((f"tls.key: {key_file} is not the key of {chain_file}",))
    return Identity(chain_file, key_file, certificate, self_made=False)


def _certificates(pem: bytes) -> list[bytes]:
    return [_BEGIN_CERTIFICATE + part for part in pem.split(_BEGIN_CERTIFICATE)[1:]]


def _self_made(file: Path, hostname: str, now: datetime.datetime) -> Identity:
    found = None
    with contextlib.suppress(OSError, BadSettings):
        found = _given(file, file)
    if found is None or found.days_left(now) < RENEW_DAYS or _ascii(hostname) not in _names(found.certificate):
        _write(file, _make(hostname, now))
        found = _given(file, file)
    return Identity(file, file, found.certificate, self_made=True)


def _ascii(hostname: str) -> str:
    """The name as certificates have it (RFC 5890 2.3.2.1)."""
    return hostname if hostname.isascii() else hostname.encode("idna").decode()


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return alternatives.get_values_for_type(x509.DNSName)


def _make(hostname: str, now: datetime.datetime) -> bytes:
    """Key and certificate in PEM: P-256, which every mail program knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    host = _ascii(hostname)
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in dict.fromkeys((host, "localhost"))]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])  # X.520: 64 at most
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # a client whose clock is a little behind
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS) - datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _write(file: Path, pem: bytes) -> None:
    """Put the key in place in one step, never readable by others; and the certificate alone beside it, for people."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    public = pem[pem.index(_BEGIN_CERTIFICATE) :]
    for target, octets, mode in ((file, pem, 0o600), (file.with_name("certificate.pem"), public, 0o644)):
        new = target.with_suffix(".new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(octets)
            stream.flush()
            os.fsync(descriptor)
        new.rename(target)
