"""ARC: what servers before us found, each under its own seal.

RFC 8617 5.2.  What must stay true: a chain is whole or worth nothing; what a seal says counts only for who trusts the
sealer, and is read so that no text inside quotes or comments counts as a result.
"""

import asyncio
import re
from collections.abc import Collection
from dataclasses import dataclass

from opostd.checks import canon, signature, tags
from opostd.checks.canon import Body
from opostd.checks.dkim import Texts, fetch, off_loop
from opostd.checks.dns import NotKnown
from opostd.checks.keys import is_signed
from opostd.checks.signature import DOMAIN, Failed
from opostd.checks.tags import BadTags
from opostd.intake.message import Field, Message

MAX_SETS = 50  # RFC 8617 4.2.1
MAX_CHECKED = 20  # each costs a key; no real chain has more than a handful
NAMES = (b"arc-authentication-results", b"arc-message-signature", b"arc-seal")
_INSTANCE = re.compile(rb"[ \t\r\n]*i[ \t]*=[ \t]*([1-9][0-9]?)[ \t]*;", re.IGNORECASE)
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[()]|\\.|[^"()\\]+', re.DOTALL)
_DMARC_PASS = re.compile(r"(?:\A|;)\s*dmarc\s*=\s*pass(?![\w-])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ArcSet:
    """What one server added.  sealer: the domain of its seal."""

    results: Field
    message_signature: Field
    seal: Field
    sealer: str
    tags: "dict[str, str]"


@dataclass(frozen=True, slots=True)
class Arc:
    """result: none, pass or fail; temperror where a key was not to be had.  sets: from the first server to the last."""

    result: str
    sets: tuple[ArcSet, ...] = ()
    reason: str = ""

    def vouches(self, trusted: Collection[str]) -> bool:
        """Whether a trusted server found that DMARC passed, and only trusted ones have had the message since."""
        if self.result != "pass":
            return False
        for each in reversed(self.sets):
            if each.sealer not in trusted:
                return False
            if _DMARC_PASS.search(_bare(each.results.value)):
                return True
        return False


NONE = Arc("none")


def read(message: Message) -> tuple[ArcSet, ...]:
    """The sets of a message, in order.  Raises Failed where they are not whole."""
    found: dict[bytes, dict[int, Field]] = {name: {} for name in NAMES}
    for field in message.fields:
        if field.name not in found:
            continue
        number = instance(field)
        if not number or number in found[field.name]:
            raise Failed("fail", "a set without a number, or twice")
        found[field.name][number] = field
    counts = {len(each) for each in found.values()}
    count = max(counts)
    if len(counts) != 1 or any(set(each) != set(range(1, count + 1)) for each in found.values()):
        raise Failed("fail", "a set is not whole")
    if count > MAX_CHECKED:
        raise Failed("fail", "too many sets")
    sets = []
    for number in range(1, count + 1):
        results, ams, seal = (found[name][number] for name in NAMES)
        try:
            values = tags.parse(seal.octets.partition(b":")[2])
        except BadTags as error:
            raise Failed("fail", f"seal: {error}") from None
        domain = values.get("d", "").lower()
        if not DOMAIN.match(domain) or not DOMAIN.match(values.get("s", "")) or "h" in values:
            raise Failed("fail", "a seal that is none")
        sets.append(ArcSet(results, ams, seal, domain, values))
    return tuple(sets)


def instance(field: Field) -> int:
    """The number of its set, 0 for none."""
    value = field.octets.partition(b":")[2]
    match = _INSTANCE.match(value)
    if match is None and field.name != NAMES[0]:  # in the other two i= may stand anywhere
        match = next((found for piece in value.split(b";") if (found := _INSTANCE.match(piece + b";"))), None)
    return int(match[1]) if match else 0


async def check(dns: Texts, message: Message, body: Body, now: int) -> Arc:
    """The state of the chain (RFC 8617 5.2)."""
    if not any(field.name in NAMES for field in message.fields):
        return NONE
    sets: tuple[ArcSet, ...] = ()
    try:
        sets = read(message)
        for number, each in enumerate(sets, 1):
            if each.tags.get("cv") != ("none" if number == 1 else "pass"):
                raise Failed("fail", f"seal {number} does not stand for the ones before")
        await asyncio.gather(
            _message_signature(dns, sets[-1], message, body, now),
            *(_seal(dns, sets[: number + 1]) for number in range(len(sets))),
        )
    except Failed as failed:
        return Arc("fail", sets, failed.reason)
    except NotKnown:
        return Arc("temperror", sets, "key not available now")
    return Arc("pass", sets)


async def _message_signature(dns: Texts, last: ArcSet, message: Message, body: Body, now: int) -> None:
    found = signature.read(last.message_signature, arc=True)
    if b"arc-seal" in found.names:
        raise Failed("fail", "ARC-Seal is signed")
    signature.check_policy(found, message, now)
    key = await fetch(dns, found.key_name)
    await off_loop(len(body), lambda: signature.check_octets(found, key, message, body))


async def _seal(dns: Texts, sets: tuple[ArcSet, ...]) -> None:
    last = sets[-1]
    algorithm = last.tags.get("a", "").lower()
    key = await fetch(dns, f"{last.tags['s'].lower()}._domainkey.{last.sealer}")
    try:
        proof = tags.base64_value(last.tags.get("b", ""))
    except BadTags:
        raise Failed("fail", "a seal that is none") from None
    if algorithm not in signature.ALGORITHMS or not is_signed(key.public, algorithm, proof, sealed(sets)):
        raise Failed("fail", f"seal {len(sets)} does not hold")


def sealed(sets: tuple[ArcSet, ...]) -> bytes:
    """What the last seal is over (RFC 8617 5.1.1): all fields of all sets in order, its own without b=."""
    octets = []
    for each in sets:
        octets += [canon.header(each.results, relaxed=True), canon.header(each.message_signature, relaxed=True)]
        octets.append(canon.header(each.seal, relaxed=True))
    octets[-1] = signature.bare(sets[-1].seal, relaxed=True)
    return b"".join(octets)


def _bare(value: bytes) -> str:
    """Without comments and quoted strings, in which a sender may have put anything."""
    out, depth = [], 0
    for piece in _TOKENS.findall(value.decode("utf-8", "replace")):
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth = max(0, depth - 1)
        elif not depth and piece[0] not in '"\\':
            out.append(piece)
    return "".join(out)
