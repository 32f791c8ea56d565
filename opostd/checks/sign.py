"""Our own signatures: DKIM on what leaves, and the ARC seal on what we pass on.

Pure.  RFC 6376 5, RFC 8463 (Ed25519), RFC 8617 5.1.  What must stay true: From, and all that a reader is shown, is
signed once more than it is there, so that nobody can add another (security.md 1.7); nothing that servers on the way may
change is signed.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from opostd.checks import canon, signature
from opostd.checks.arc import ArcSet, sealed
from opostd.checks.canon import Body
from opostd.intake.message import CRLF, Field, Message, field

PrivateKey = RSAPrivateKey | Ed25519PrivateKey

# Shown to readers, or deciding how the body is read: each once more than it stands there.
OVERSIGNED = (
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"reply-to",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
# As often as they are there; a list on the way may add its own.
SIGNED = (
    b"sender",
    b"in-reply-to",
    b"references",
    b"list-id",
    b"list-post",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"auto-submitted",
)
_B64_LINE = 72


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key of a domain.  The DNS has its other half at ``SELECTOR._domainkey.DOMAIN``."""

    domain: str
    selector: str
    private: PrivateKey

    @property
    def algorithm(self) -> str:
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    def sign(self, octets: bytes) -> bytes:
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(octets, PKCS1v15(), SHA256())
        return self.private.sign(hashlib.sha256(octets).digest())  # RFC 8463 3: of the hash


def dkim(message: Message, body: Body, keys: Sequence[SigningKey], now: int) -> list[Field]:
    """A DKIM-Signature by each key."""
    return [_signed("DKIM-Signature", "v=1; ", message, body, key, now) for key in keys]


def arc(
    message: Message, body: Body, key: SigningKey, sets: tuple[ArcSet, ...], *, valid: str, results: bytes, now: int
) -> list[Field]:
    """The three fields of one more set, to be put on top in this order (RFC 8617 5.1).

    sets: those that are there.  valid: what ``arc.check`` said of them: none or pass, or fail.  results: the value of
    our Authentication-Results.
    """
    number = len(sets) + 1
    said = field("ARC-Authentication-Results", b"i=%d; " % number + results)
    # RFC 8617 4.1.2: the signatures that are there are signed too.
    ams = _signed("ARC-Message-Signature", f"i={number}; ", message, body, key, now, also=(b"dkim-signature",))
    head = (
        f"i={number}; a={key.algorithm}; cv={valid};\r\n\td={key.domain}; s={key.selector}; t={now};\r\n\tb="
    ).encode()
    empty = field("ARC-Seal", head)
    before = () if valid == "fail" else sets  # RFC 8617 5.1.2: a chain that is broken is not sealed over
    proof = key.sign(sealed((*before, ArcSet(said, ams, empty, key.domain, {}))))
    return [field("ARC-Seal", head + _folded(proof)), ams, said]


def _signed(
    name: str, first: str, message: Message, body: Body, key: SigningKey, now: int, also: tuple[bytes, ...] = ()
) -> Field:
    counts: dict[bytes, int] = {}
    for each in message.fields:
        counts[each.name] = counts.get(each.name, 0) + 1
    names = [each for each in (*OVERSIGNED, *SIGNED, *also) for _ in range(counts.get(each, 0) + (each in OVERSIGNED))]
    # Each name on a line of its own: References of a long thread make no line too long.
    listed = b":\r\n\t ".join(names)
    body_hash = base64.b64encode(body.sha256(relaxed=True))
    head = (
        f"{first}a={key.algorithm}; c=relaxed/relaxed; d={key.domain};\r\n\ts={key.selector}; t={now};\r\n\th="
    ).encode()
    head += listed + b";\r\n\tbh=" + body_hash + b";\r\n\tb="
    octets = b"".join(canon.signed(message, names, relaxed=True))
    octets += signature.bare(field(name, head), relaxed=True)
    return field(name, head + _folded(key.sign(octets)))


def _folded(proof: bytes) -> bytes:
    text = base64.b64encode(proof)
    return (CRLF + b"\t ").join(text[at : at + _B64_LINE] for at in range(0, len(text), _B64_LINE))
