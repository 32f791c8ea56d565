"""Channel bindings of a TLS connection: what both ends know of it, and nobody between them (RFC 5929 4, RFC 9266)."""

from collections.abc import Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

EXPORTER_LABEL = b"EXPORTER-Channel-Binding"  # RFC 9266 2
EXPORTER_OCTETS = 32


def channel_bindings(handle: object) -> Mapping[str, bytes]:
    """By their names; empty where the handle is none of TLS."""
    if not isinstance(handle, SSL.Connection):
        return {}
    bindings: dict[str, bytes] = {}
    # Nothing before the handshake is over.  Before TLS 1.3 the exporter is safe only with an extended master secret,
    # for which OpenSSL cannot be asked here (RFC 9266 4.2).
    if handle.get_finished() is not None and handle.get_protocol_version() >= SSL.TLS1_3_VERSION:
        bindings["tls-exporter"] = handle.export_keying_material(EXPORTER_LABEL, EXPORTER_OCTETS, b"")
    certificate = handle.get_certificate()
    if certificate is not None:
        known = certificate.to_cryptography()
        # RFC 5929 4.1: the hash of the signature, but SHA-256 for MD5 and SHA-1, and for signatures without one.
        algorithm = known.signature_hash_algorithm
        if algorithm is None or isinstance(algorithm, hashes.MD5 | hashes.SHA1):
            algorithm = hashes.SHA256()
        digest = hashes.Hash(algorithm)
        digest.update(known.public_bytes(Encoding.DER))
        bindings["tls-server-end-point"] = digest.finalize()
    return bindings
