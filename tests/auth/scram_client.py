"""A client of SCRAM-SHA-256, written from RFC 5802 and apart from the server's code."""

import base64
import hashlib
import hmac
import secrets


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


class ScramClient:
    """``answer`` gives the response to each challenge; ``verified`` is whether the server knows the password too."""

    def __init__(self, user: str, password: str, binding: tuple[str, bytes] | None = None, flag: str = "n") -> None:
        self._password = password.encode()
        self._header = f"p={binding[0]},," if binding else f"{flag},,"
        self._channel = self._header.encode() + (binding[1] if binding else b"")
        name = user.replace("=", "=3D").replace(",", "=2C")
        self._nonce = secrets.token_hex(10)
        self._bare = f"n={name},r={self._nonce}"
        self._wanted = b""
        self.challenges: list[bytes] = []
        self.verified = False

    @property
    def first(self) -> bytes:
        return (self._header + self._bare).encode()

    def answer(self, challenge: bytes) -> bytes:
        self.challenges.append(challenge)
        if not challenge:
            return self.first
        if challenge.startswith(b"v="):
            assert challenge[2:] == base64.b64encode(self._wanted)
            self.verified = True
            return b""
        fields = dict(each.split("=", 1) for each in challenge.decode().split(","))
        assert fields["r"].startswith(self._nonce)
        assert len(fields["r"]) > len(self._nonce)
        salt, rounds = base64.b64decode(fields["s"]), int(fields["i"])
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, rounds)
        client_key = _hmac(salted, b"Client Key")
        without = f"c={base64.b64encode(self._channel).decode()},r={fields['r']}"
        message = f"{self._bare},{challenge.decode()},{without}".encode()
        signature = _hmac(hashlib.sha256(client_key).digest(), message)
        proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
        self._wanted = _hmac(_hmac(salted, b"Server Key"), message)
        return f"{without},p={base64.b64encode(proof).decode()}".encode()
