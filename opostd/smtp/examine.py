"""What a message is asked between its end and its commit, and the replies to that.

RFC 7372 (5.7.20, 5.7.23, 5.7.26).  What must stay true: what was refused is not kept, and its sender is told; a fault
that passes is 4xx.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opostd.checks.arrival import Checks, Verdict
from opostd.intake.examine import Examine, Examined
from opostd.intake.message import Message
from opostd.model.records import Target
from opostd.smtp import reply as say
from opostd.smtp.faults import Answered

if TYPE_CHECKING:
    from opostd.smtp.server import SmtpSession

log = logging.getLogger("opostd.smtp")

REFUSALS = {
    Verdict.SPF: say.SPF_FAILED,
    Verdict.DKIM: say.DKIM_FAILED,
    Verdict.DMARC: say.DMARC_FAILED,
    Verdict.LATER: say.CHECK_LATER,
}


@dataclass(frozen=True, slots=True)
class Examiner:
    """Of one door.  checks: None where nobody asks who a message is from."""

    checks: Checks | None = None

    def of(self, session: "SmtpSession") -> Examine | None:
        """For the message that this session has sent; None where nothing is asked."""
        if self.checks is None or not self.checks.active:
            return None

        async def examine(message: Message, clean: Message) -> Examined:
            return await self._examine(session, message, clean)

        return examine

    async def _examine(self, session: "SmtpSession", message: Message, clean: Message) -> Examined:
        said = session.state
        assert said.mail_from is not None
        assert self.checks is not None
        found = await self.checks.check(
            message, peer=session.peer_host, helo=said.hello, mail_from=said.mail_from.address
        )
        if found.field is not None:
            clean = clean.topped([found.field])
        refusal = REFUSALS.get(found.verdict)
        if found.verdict is Verdict.JUNK and _for_a_source(session):
            refusal = say.DMARC_FAILED  # a whole group is not asked to look into its Junk
        if refusal is not None:
            log.info(
                "refused peer=%s from=%s spf=%s dkim=%s dmarc=%s arc=%s",
                session.peer,
                said.mail_from.address or "<>",
                found.spf.value,
                ",".join(each.result for each in found.dkim) or "none",
                found.dmarc.result,
                found.arc.result,
            )
            raise Answered(refusal)
        return Examined(clean, junk=found.verdict is Verdict.JUNK)


def _for_a_source(session: "SmtpSession") -> bool:
    places = (place for rcpt in session.state.recipients for place in rcpt.places)
    return any(isinstance(place, Target) and place.source for place in places)
