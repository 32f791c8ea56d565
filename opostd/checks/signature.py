"""One DKIM-Signature, or ARC-Message-Signature, as a value; and whether it holds.

Pure, but for the key, which the caller has looked up.  RFC 6376 3.5, 6.1; RFC 8301; RFC 8617 4.1.2.  security.md 1.7: a
signature with ``l=`` leaves the end of the body to anybody, one by SHA-1 or a short key proves nothing, and one that
covers a From while another stands beside it is a trick: all of these fail, whatever the octets say.
"""

import re
from dataclasses import dataclass

from opostd.checks import canon, tags
from opostd.checks.canon import Body
from opostd.checks.keys import Key, is_signed
from opostd.checks.tags import BadTags
from opostd.intake.message import Field, Message

ALGORITHMS = ("rsa-sha256", "ed25519-sha256")
DOMAIN = re.compile(r"(?!.{254})[\w-]{1,63}(?:\.[\w-]{1,63})*\Z")
_NUMBER = re.compile(r"[0-9]{1,12}\Z", re.ASCII)


class Failed(Exception):
    """The signature does not hold, and why, in our words.  result: fail or permerror, as RFC 8601 2.7.1 has them."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Signature:
    """domain, selector, identity: d, s and i.  names: of h, lower case.  sort: of the hash of header and body."""

    field: Field
    domain: str
    selector: str
    algorithm: str
    identity: str
    names: tuple[bytes, ...]
    relaxed_header: bool
    relaxed_body: bool
    body_hash: bytes
    signature: bytes
    partial: bool = False
    expires: int | None = None

    @property
    def key_name(self) -> str:
        """Where the DNS has the key."""
        return f"{self.selector}._domainkey.{self.domain}"


def read(field: Field, *, arc: bool = False) -> Signature:
    """The signature in a field.  Raises Failed (permerror) where it is none."""
    try:
        return _read(field, arc)
    except BadTags as error:
        raise Failed("permerror", str(error)) from None


def _read(field: Field, arc: bool) -> Signature:
    found = tags.parse(field.octets.partition(b":")[2])
    missing = [name for name in ("a", "b", "bh", "d", "h", "s") if not found.get(name)]
    if missing or (not arc and found.get("v") != "1"):
        raise Failed("permerror", f"no {missing[0]}=" if missing else "no v=1")
    domain, selector = found["d"].lower(), found["s"].lower()
    if not DOMAIN.match(domain) or not DOMAIN.match(selector):
        raise Failed("permerror", "d= or s= is no name")
    identity = found.get("i", f"@{domain}") if not arc else f"@{domain}"
    its_domain = identity.rpartition("@")[2].lower()
    if "@" not in identity or (its_domain != domain and not its_domain.endswith("." + domain)):
        raise Failed("permerror", "i= is not in d=")
    forms = found.get("c", "simple/simple").lower().partition("/")
    header_form, body_form = forms[0], forms[2] or "simple"
    if {header_form, body_form} - {"simple", "relaxed"}:
        raise Failed("permerror", "unknown c=")
    if "q" in found and "dns/txt" not in tags.words(found["q"]):
        raise Failed("permerror", "unknown q=")
    numbers = {name: _number(found[name]) for name in ("t", "x") if name in found}
    if "t" in numbers and "x" in numbers and numbers["x"] <= numbers["t"]:
        raise Failed("permerror", "ends before it begins")
    return Signature(
        field=field,
        domain=domain,
        selector=selector,
        algorithm=found["a"].lower(),
        identity=identity,
        names=tuple(name.encode() for name in tags.words(found["h"])),
        relaxed_header=header_form == "relaxed",
        relaxed_body=body_form == "relaxed",
        body_hash=tags.base64_value(found["bh"]),
        signature=tags.base64_value(found["b"]),
        partial="l" in found,
        expires=numbers.get("x"),
    )


def _number(text: str) -> int:
    if not _NUMBER.match(text):
        raise BadTags("no time")
    return int(text)


def check_policy(signature: Signature, message: Message, now: int) -> None:
    """What is wrong with it whatever the key is.  now: seconds since 1970.  Raises Failed."""
    if signature.algorithm not in ALGORITHMS:
        sha1 = signature.algorithm.endswith("-sha1")
        raise Failed("fail" if sha1 else "permerror", "SHA-1 proves nothing" if sha1 else "unknown a=")
    if b"from" not in signature.names:
        raise Failed("permerror", "From is not signed")
    if len(message.all(b"from")) > signature.names.count(b"from"):
        raise Failed("fail", "From stands twice")
    if signature.partial:
        raise Failed("fail", "l= leaves a part unsigned")
    if signature.expires is not None and signature.expires < now:
        raise Failed("fail", "out of date")


def check_octets(signature: Signature, key: Key, message: Message, body: Body) -> None:
    """Whether it holds.  Raises Failed."""
    if key.strict and signature.identity.rpartition("@")[2].lower() != signature.domain:
        raise Failed("permerror", "i= is not d=, as the key wants it")
    if body.sha256(relaxed=signature.relaxed_body) != signature.body_hash:
        raise Failed("fail", "body was changed")
    octets = b"".join(canon.signed(message, list(signature.names), relaxed=signature.relaxed_header))
    octets += bare(signature.field, relaxed=signature.relaxed_header)
    if not is_signed(key.public, signature.algorithm, signature.signature, octets):
        raise Failed("fail", "header was changed, or the key is another")


def bare(field: Field, *, relaxed: bool) -> bytes:
    """A signature's own field as it is hashed last: without what stands in b=, and without its line end."""
    name, colon, value = field.octets.partition(b":")
    emptied = Field(field.name, name + colon + tags.without_b(value))
    if not emptied.octets.endswith(b"\r\n"):  # b= stood last, and took the line end with it
        emptied = Field(field.name, emptied.octets + b"\r\n")
    return canon.header(emptied, relaxed=relaxed)[:-2]
