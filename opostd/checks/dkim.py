"""DKIM: the signatures of a message that arrives.

RFC 6376 6.  What must stay true (security.md 1.7): at most ten are looked at, ten keys asked for; a fault of the DNS is
temperror; large bodies are hashed in a thread.
"""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from opostd.checks import keys, signature
from opostd.checks.canon import Body
from opostd.checks.dns import NotKnown
from opostd.checks.keys import BadKey, Key, WeakKey
from opostd.checks.signature import Failed, Signature
from opostd.intake.message import Field, Message

MAX_SIGNATURES = 10
OFF_LOOP_OCTETS = 64 * 1024


class Texts(Protocol):
    """What is asked of the DNS.  Raises NotKnown."""

    async def txt(self, name: str) -> list[bytes]: ...


@dataclass(frozen=True, slots=True)
class Dkim:
    """One signature.  result: RFC 8601 2.7.1.  mark: the first of its b= (RFC 6008).  reason: ours, empty for pass."""

    result: str
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    mark: str = ""
    reason: str = ""


async def check(dns: Texts, message: Message, body: Body, now: int) -> tuple[Dkim, ...]:
    """The signatures from the top, all at once; none for a message without one."""
    fields = message.all(b"dkim-signature")[:MAX_SIGNATURES]
    return tuple(await asyncio.gather(*(_one(dns, field, message, body, now) for field in fields)))


async def _one(dns: Texts, field: Field, message: Message, body: Body, now: int) -> Dkim:
    try:
        found = signature.read(field)
    except Failed as failed:
        return Dkim(failed.result, reason=failed.reason)
    try:
        signature.check_policy(found, message, now)
        key = await fetch(dns, found.key_name)
        try:
            await off_loop(len(body), lambda: signature.check_octets(found, key, message, body))
        except Failed as failed:
            if key.testing:  # RFC 6376 3.6.1: as if it were not there
                return _told(found, "neutral", f"{failed.reason}; the domain is testing")
            raise
    except Failed as failed:
        return _told(found, failed.result, failed.reason)
    except NotKnown:
        return _told(found, "temperror", "key not available now")
    return _told(found, "pass", "")


async def fetch(dns: Texts, name: str) -> Key:
    """The key of that name.  Raises Failed, NotKnown."""
    records = await dns.txt(name)
    if not records:
        raise Failed("permerror", "no key")
    try:
        return keys.parse(records[0])
    except BadKey as error:
        raise Failed("permerror", str(error)) from None
    except WeakKey as error:
        raise Failed("fail", str(error)) from None


async def off_loop(octets: int, work: Callable[[], None]) -> None:
    """Work on so many octets: at once, or in a thread while others are served."""
    if octets < OFF_LOOP_OCTETS:
        work()
    else:
        await asyncio.to_thread(work)


def _told(found: Signature, result: str, reason: str) -> Dkim:
    mark = base64.b64encode(found.signature[:6]).decode()
    return Dkim(result, found.domain, found.selector, found.identity, found.algorithm, mark, reason)
