"""An issuer of tokens on loopback, for tests: its keys, its answers about tokens, and what it can do wrong."""

import base64
import datetime
import functools
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "https://mail.opost.example"
SCOPE = "mail"
CLIENT, CLIENT_SECRET = "opostd", "s:e cret"


@functools.cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def jwk(key: object, kid: str, **more: str) -> dict[str, object]:
    """The public half, as it stands in a JWK set."""
    if isinstance(key, rsa.RSAPrivateKey):
        member = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        member = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        member = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    member.pop("key_ops", None)
    return {**member, "kid": kid, "use": "sig", **more}


@dataclass
class Answer:
    """One HTTP answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


class Issuer:
    """``jwks`` and ``known`` are what it answers by; ``instead``, where set, answers everything in their place."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.jwks: list[dict[str, object]] = [jwk(rsa_key(), "one")]
        self.known: dict[str, dict[str, object]] = {}
        self.instead: Callable[[], Answer] | None = None
        self.asked: list[str] = []

    def claims(self, name: str = "anna@opost.example", **more: object) -> dict[str, object]:
        now = int(time.time())
        claims = {"iss": self.base, "aud": [AUDIENCE, "other"], "iat": now, "exp": now + 600, "email": name}
        return {**claims, "scope": f"openid {SCOPE}", **more}

    def token(
        self,
        name: str = "anna@opost.example",
        *,
        key: object = None,
        algorithm: str = "RS256",
        headers: dict[str, object] | None = None,
        **more: object,
    ) -> str:
        """A signed token; a claim of None is left out."""
        claims = {key: value for key, value in self.claims(name, **more).items() if value is not None}
        every = {"kid": "one", **(headers or {})}
        every = {name: value for name, value in every.items() if value is not None}
        return jwt.encode(claims, key or rsa_key(), algorithm, headers=every)  # type: ignore[arg-type]

    def answer(self, path: str, body: bytes, authorization: str) -> Answer:
        self.asked.append(path)
        if self.instead is not None:
            return self.instead()
        if path == "/keys":
            return Answer(body=json.dumps({"keys": self.jwks}).encode())
        if authorization != "Basic " + base64.b64encode(f"{CLIENT}:s%3Ae+cret".encode()).decode():
            return Answer(status=401)
        form = parse_qs(body.decode(), strict_parsing=True)
        return Answer(body=json.dumps(self.known.get(form["token"][0], {"active": False})).encode())


@contextmanager
def running(certificate: Path | None = None) -> Iterator[Issuer]:
    """certificate: PEM with a key, for HTTPS."""
    holder: list[Issuer] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._respond(b"")

        def do_POST(self) -> None:
            self._respond(self.rfile.read(int(self.headers["Content-Length"])))

        def _respond(self, body: bytes) -> None:
            answer = holder[0].answer(self.path, body, self.headers.get("Authorization", ""))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            pass  # a client that went away

    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    holder.append(Issuer(f"{scheme}://127.0.0.1:{server.server_port}"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield holder[0]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_certificate(path: Path) -> None:
    """A certificate for 127.0.0.1 that its own authority is, with its key."""
    key = ec_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(pem + secret)
