"""The self-made certificate, given ones, and what handshakes are taken (RFC 8314, RFC 9325)."""

import datetime
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from cryptography import x509

from opostd.config import Settings, TlsSettings
from opostd.daemon import tls
from opostd.model.errors import BadSettings

NOW = datetime.datetime.now(datetime.UTC)


def site(tmp_path: Path, hostname: str = "mail.example.org") -> Settings:
    return Settings(hostname=hostname, data_directory=tmp_path)


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    first = tls.identity(site(tmp_path), NOW)
    assert tls.identity(site(tmp_path), NOW).sha256 == first.sha256
    assert first.days_left(NOW) == tls.VALID_DAYS - 1
    assert first.key_file.stat().st_mode & 0o777 == 0o600
    assert first.key_file.parent.stat().st_mode & 0o777 == 0o700
    names = first.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mail.example.org", "localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert b"PRIVATE" not in (tmp_path / "tls" / "certificate.pem").read_bytes()


@pytest.mark.parametrize("days", [tls.VALID_DAYS - tls.RENEW_DAYS + 1, tls.VALID_DAYS + 300])
def test_it_is_renewed_before_it_ends_and_after(tmp_path: Path, days: int) -> None:
    first = tls.identity(site(tmp_path), NOW)
    later = NOW + datetime.timedelta(days=days)
    second = tls.identity(site(tmp_path), later)
    assert second.sha256 != first.sha256
    assert second.days_left(later) > 300


def test_it_is_made_anew_for_another_host_name(tmp_path: Path) -> None:
    first = tls.identity(site(tmp_path), NOW)
    assert tls.identity(site(tmp_path, "müller.example"), NOW).sha256 != first.sha256
    assert tls.identity(site(tmp_path, "müller.example"), NOW) == tls.identity(site(tmp_path, "müller.example"), NOW)


@pytest.mark.parametrize(
    "octets", [b"", b"\xff" * 100, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_broken_file_is_made_anew(tmp_path: Path, octets: bytes) -> None:
    first = tls.identity(site(tmp_path), NOW)
    first.key_file.write_bytes(octets)
    assert tls.identity(site(tmp_path), NOW).sha256 != first.sha256


def given(tmp_path: Path, certificate: Path, key: Path) -> str:
    settings = Settings(data_directory=tmp_path, tls=TlsSettings(str(certificate), str(key)))
    with pytest.raises(BadSettings) as caught:
        tls.identity(settings, NOW)
    return caught.value.problems[0]


def test_given_files_that_do_not_fit(tmp_path: Path) -> None:
    one = tls.identity(site(tmp_path / "one"), NOW)
    two = tls.identity(site(tmp_path / "two"), NOW)
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    locked = tmp_path / "locked.pem"
    command = ["openssl", "pkcs8", "-topk8", "-in", str(one.key_file), "-out", str(locked), "-passout", "pass:x"]
    subprocess.run(command, check=True, capture_output=True)
    public = tmp_path / "one" / "tls" / "certificate.pem"
    assert given(tmp_path, public, two.key_file) == f"tls.key: {two.key_file} is not the key of {public}"
    assert given(tmp_path, public, public) == f"tls.key: {public} holds no private key in PEM"
    assert given(tmp_path, public, locked) == f"tls.key: {locked} is locked by a passphrase; a server needs it open"
    assert given(tmp_path, empty, one.key_file).startswith(f"tls.certificate: {empty} holds no certificate in PEM")


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """The cipher agreed on; raises SSLError where there is none."""
    ours, theirs = socket.socketpair()
    faults: list[BaseException] = []

    def serve() -> None:
        try:
            server.wrap_socket(ours, server_side=True).close()
        except (ssl.SSLError, OSError) as error:
            faults.append(error)
            ours.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(theirs, server_hostname="localhost") as wrapped:
            cipher = wrapped.cipher()
            assert cipher
            return f"{wrapped.version()} {cipher[0]}"
    finally:
        theirs.close()
        thread.join()


def client_context(tmp_path: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tmp_path / "tls" / "certificate.pem")
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def test_handshakes_taken_and_refused(tmp_path: Path) -> None:
    server = tls.asyncio_context(tls.identity(site(tmp_path), NOW))
    client = client_context(tmp_path)  # verifies the certificate, and the name in it
    assert handshake(server, client).startswith("TLSv1.3 ")
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(server, client).startswith("TLSv1.2 ECDHE-ECDSA-AES")
    for weak in ("AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256"):
        client.set_ciphers(f"{weak}:@SECLEVEL=0")
        with pytest.raises(ssl.SSLError):
            handshake(server, client)
