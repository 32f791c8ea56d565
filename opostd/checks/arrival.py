"""All that is asked of one message when it arrives by the MX door: SPF, DKIM, ARC, DMARC, and what follows from it.

RFC 7208, 6376, 8617, 7489, 8601.  What must stay true: all of it ends within the time that the settings give; what was
not known by then is a fault that passes, never a fail; where nothing is enforced, nothing here keeps a message out.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from opostd.checks import arc, dkim, dmarc, results, spf
from opostd.checks.arc import Arc
from opostd.checks.canon import Body
from opostd.checks.dkim import Dkim
from opostd.checks.dmarc import Dmarc
from opostd.checks.dns import NotKnown
from opostd.checks.resolver import Dns
from opostd.checks.spf import Spf
from opostd.config import CheckSettings
from opostd.intake.message import Field, Message
from opostd.model.networks import parsed

T = TypeVar("T")
log = logging.getLogger("opostd.checks")
LATE = "no answer in time"


class Verdict(Enum):
    """What becomes of the message."""

    TAKE = "take"
    JUNK = "junk"
    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Findings:
    """field: Authentication-Results, None where nothing was asked."""

    verdict: Verdict
    field: Field | None
    spf: Spf = Spf.NONE
    dkim: tuple[Dkim, ...] = ()
    arc: Arc = arc.NONE
    dmarc: Dmarc = dmarc.NONE


class Checks:
    """One for a process.  hostname: our name in the field.  now: seconds since 1970.  chance: 0 to 1."""

    def __init__(
        self,
        settings: CheckSettings,
        dns: Dns,
        *,
        hostname: str,
        now: Callable[[], int] = lambda: int(time.time()),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._dns = dns
        self._hostname = hostname
        self._now = now
        self._chance = chance
        self._trusted = frozenset(settings.trusted_sealers)
        # DMARC is made of the other two: they are worked out for it, and shown only where they are on.
        self._spf = "off" not in (settings.spf, "") or settings.dmarc != "off"
        self._dkim = settings.dkim != "off" or settings.dmarc != "off"

    @property
    def active(self) -> bool:
        return self._spf or self._dkim

    async def check(self, message: Message, *, peer: str, helo: str, mail_from: str) -> Findings:
        """message: as it came.  peer: an address; a client by a UNIX socket has none and is not asked about."""
        address = parsed(peer)
        if address is None or not self.active or address.is_loopback:
            return Findings(Verdict.TAKE, None)
        loop = asyncio.get_running_loop()
        deadline, now, body = loop.time() + self._settings.timeout_s, self._now(), Body(message)
        late = tuple(Dkim("temperror", reason=LATE) for _ in message.all(b"dkim-signature")[: dkim.MAX_SIGNATURES])
        sender = mail_from or f"postmaster@{helo}"
        async with asyncio.TaskGroup() as group:
            by_spf = group.create_task(
                _until(deadline, spf.check(self._dns, address, mail_from, helo), (Spf.TEMPERROR, sender))
            )
            by_dkim = group.create_task(_until(deadline, dkim.check(self._dns, message, body, now), late))
            chain = group.create_task(
                _until(deadline, arc.check(self._dns, message, body, now), Arc("temperror", reason=LATE))
            )
            domains = dmarc.authors(message)
            for domain in domains:
                group.create_task(_until(deadline, self._warm(domain), None))
        found = by_spf.result(), by_dkim.result(), chain.result()
        policy = await _until(
            max(deadline, loop.time() + 0.05),
            dmarc.check(self._dns, domains, (found[0][0], sender), found[1]),
            Dmarc("temperror", domains[0] if domains else ""),
        )
        return self._concluded(*found, policy, mail_from, helo)

    async def passes_spf(self, peer: str, helo: str, mail_from: str) -> bool:
        """Whether this peer may send for this sender, as far as the DNS says so in time."""
        address = parsed(peer)
        if address is None:
            return False
        deadline = asyncio.get_running_loop().time() + self._settings.timeout_s
        found, _ = await _until(deadline, spf.check(self._dns, address, mail_from, helo), (Spf.TEMPERROR, ""))
        return found is Spf.PASS

    async def _warm(self, domain: str) -> None:
        """The record is in the resolver's cache when the other answers are there."""
        try:
            await dmarc.discover(self._dns, domain)
        except NotKnown:
            return

    def _concluded(
        self, by_spf: tuple[Spf, str], by_dkim: tuple[Dkim, ...], chain: Arc, policy: Dmarc, mail_from: str, helo: str
    ) -> Findings:
        words = []
        if self._settings.spf != "off":
            words.append(results.spf_words(by_spf[0], mail_from, helo))
        if self._settings.dkim != "off":
            words += [results.dkim_words(each) for each in by_dkim or (Dkim("none"),)]
        if self._settings.dmarc != "off":
            words.append(results.dmarc_words(policy))
        words.append(results.arc_words(chain))
        verdict = self._verdict(by_spf[0], by_dkim, chain, policy)
        return Findings(verdict, results.results(self._hostname, words), by_spf[0], by_dkim, chain, policy)

    def _verdict(self, by_spf: Spf, by_dkim: tuple[Dkim, ...], chain: Arc, policy: Dmarc) -> Verdict:
        if chain.vouches(self._trusted):
            return Verdict.TAKE  # it failed on the way to us, and who had it first knew it as good (RFC 8617 7.2)
        verdict = Verdict.TAKE
        if self._settings.dmarc == "enforce":
            if policy.result == "temperror":
                return Verdict.LATER
            if policy.result == "pass":
                return Verdict.TAKE  # what the author's domain wants stands above what the two alone say
            if policy.result == "fail":
                verdict = self._by_policy(policy)
        if verdict is Verdict.DMARC:
            return verdict
        if self._settings.spf == "enforce" and by_spf in (Spf.FAIL, Spf.TEMPERROR):
            return Verdict.SPF if by_spf is Spf.FAIL else Verdict.LATER
        kinds = {each.result for each in by_dkim}
        if self._settings.dkim == "enforce" and kinds and "pass" not in kinds:
            return Verdict.LATER if "temperror" in kinds else Verdict.DKIM
        return verdict

    def _by_policy(self, policy: Dmarc) -> Verdict:
        """RFC 7489 6.6.4: of mail outside of pct= the next milder thing is done."""
        wanted = ("none", "quarantine", "reject").index(policy.policy or "none")
        if wanted and policy.percent < 100 and self._chance() * 100 >= policy.percent:
            wanted -= 1
        return (Verdict.TAKE, Verdict.JUNK, Verdict.DMARC)[wanted]


async def _until(deadline: float, work: Coroutine[Any, Any, T], otherwise: T) -> T:
    """Its result; what is late, or a bug of ours, counts as a fault that passes."""
    try:
        async with asyncio.timeout_at(deadline):
            return await work
    except TimeoutError:
        return otherwise
    except Exception:
        log.exception("a check failed")
        return otherwise
