"""SCRAM-SHA-256 and -PLUS with the daemon's own TLS, IMAP and submission (RFC 7677, RFC 5929 4, RFC 9266)."""

import base64
import hashlib
import imaplib
import smtplib
import socket

import pytest
from OpenSSL import SSL

from tests.auth.scram_client import ScramClient
from tests.e2e.conftest import PASSWORD, Site
from tests.e2e.mailbox import unverified


def test_every_way_in(site: Site) -> None:
    """anna has her password from the command line, and with it keys.  One daemon serves all, for starting it is slow."""
    site.cli("user", "password", "anna", "--password-stdin", text=PASSWORD + "\n")
    _imap(site)
    _imap_bound_to_the_certificate(site)
    _imap_bound_to_the_connection(site)
    _submission(site)


def end_point(certificate: bytes | None) -> tuple[str, bytes]:
    assert certificate is not None
    return "tls-server-end-point", hashlib.sha256(certificate).digest()


def _imap(site: Site) -> None:
    with imaplib.IMAP4("127.0.0.1", site.daemon.ports["imap"], timeout=30) as client:
        client.starttls(ssl_context=unverified())
        names = client.capability()[1][0].decode().split()
        assert names.index("AUTH=SCRAM-SHA-256-PLUS") < names.index("AUTH=SCRAM-SHA-256") < names.index("AUTH=PLAIN")
        scram = ScramClient("anna", PASSWORD)
        assert client.authenticate("SCRAM-SHA-256", scram.answer)[0] == "OK"
        assert scram.verified
        assert client.select()[0] == "OK"


def _imap_bound_to_the_certificate(site: Site) -> None:
    with imaplib.IMAP4_SSL("127.0.0.1", site.daemon.ports["imaps"], ssl_context=unverified(), timeout=30) as client:
        name, binding = end_point(client.sock.getpeercert(True))
        stranger = ScramClient("anna", PASSWORD, (name, binding[::-1]))
        with pytest.raises(imaplib.IMAP4.error):
            client.authenticate("SCRAM-SHA-256-PLUS", stranger.answer)
        wrong = ScramClient("anna", "wrong", (name, binding))
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            client.authenticate("SCRAM-SHA-256-PLUS", wrong.answer)
        scram = ScramClient("anna", PASSWORD, (name, binding))
        assert client.authenticate("SCRAM-SHA-256-PLUS", scram.answer)[0] == "OK"
        assert scram.verified


def _imap_bound_to_the_connection(site: Site) -> None:
    """tls-exporter, which Python's ssl does not give: by OpenSSL, line by line."""
    with socket.create_connection(("127.0.0.1", site.daemon.ports["imaps"]), timeout=30) as plain:
        plain.setblocking(True)
        tls = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), plain)
        tls.set_connect_state()
        tls.do_handshake()
        scram = ScramClient(
            "anna", PASSWORD, ("tls-exporter", tls.export_keying_material(b"EXPORTER-Channel-Binding", 32, b""))
        )
        received = b""

        def line() -> bytes:
            nonlocal received
            while b"\r\n" not in received:
                received += tls.recv(4096)
            first, _, received = received.partition(b"\r\n")
            return first

        assert line().startswith(b"* OK")
        tls.sendall(b"a1 AUTHENTICATE SCRAM-SHA-256-PLUS " + base64.b64encode(scram.first) + b"\r\n")
        for _ in range(2):
            challenge = line()
            assert challenge.startswith(b"+ ")
            tls.sendall(base64.b64encode(scram.answer(base64.b64decode(challenge[2:]))) + b"\r\n")
        assert line().startswith(b"a1 OK")
        assert scram.verified


def _submission(site: Site) -> None:
    with smtplib.SMTP("127.0.0.1", site.daemon.ports["submission"], timeout=30) as client:
        client.starttls(context=unverified())
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["SCRAM-SHA-256", "PLAIN", "LOGIN"]
        wrong = ScramClient("anna", "wrong")
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.auth("SCRAM-SHA-256", lambda challenge=b"": wrong.answer(challenge).decode())
        scram = ScramClient("anna", PASSWORD)
        code, _ = client.auth("SCRAM-SHA-256", lambda challenge=b"": scram.answer(challenge).decode())
        assert code == 235
        assert scram.verified
