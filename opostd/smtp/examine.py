"""What a message is asked between its end and its commit, and the replies to that.

RFC 7372 (5.7.20, 5.7.23, 5.7.26).  What must stay true: what was refused is not kept, and its sender is told; a fault
that passes is 4xx.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opostd.checks.arrival import Checks, Findings, Verdict
from opostd.checks.milter import FilterRefused, Filters, Letter
from opostd.intake.examine import Examine, Examined
from opostd.intake.message import Message
from opostd.model.ids import PostId, post_id_text
from opostd.model.mailing import Target
from opostd.smtp import reply as say
from opostd.smtp.faults import Answered
from opostd.smtp.reply import Reply

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
    """Of one door.  checks: None where nobody asks who a message is from; filters: None where it has none."""

    checks: Checks | None = None
    filters: Filters | None = None

    def of(self, session: "SmtpSession") -> Examine | None:
        """For the message that this session has sent; None where nothing is asked."""
        checks = self.checks if self.checks is not None and self.checks.active else None
        filters = self.filters if self.filters is not None and self.filters.active else None
        if checks is None and filters is None:
            return None

        async def examine(post: PostId, message: Message, clean: Message) -> Examined:
            junk = False
            if checks is not None:
                clean, junk = await _checked(checks, session, message, clean)
            if filters is not None:
                clean, spam = await _filtered(filters, session, clean, post)
                junk = junk or spam
            return Examined(clean, junk)

        return examine


async def _checked(checks: Checks, session: "SmtpSession", message: Message, clean: Message) -> tuple[Message, bool]:
    """The message with what was found on top, and whether it is junk.  Raises Answered."""
    said = session.state
    assert said.mail_from is not None
    sender = said.mail_from.address
    found = await checks.check(message, peer=session.peer_host, helo=said.hello, mail_from=sender)
    refusal = REFUSALS.get(found.verdict)
    if found.verdict is Verdict.JUNK and _for_a_source(session):
        refusal = say.DMARC_FAILED  # a whole group is not asked to look into its Junk
    if refusal is not None:
        _tell(session, sender, found)
        raise Answered(refusal)
    return clean if found.field is None else clean.topped([found.field]), found.verdict is Verdict.JUNK


async def _filtered(filters: Filters, session: "SmtpSession", clean: Message, post: PostId) -> tuple[Message, bool]:
    """The message as the filters leave it, and whether it is junk.  Raises Answered."""
    said = session.state
    assert said.mail_from is not None
    letter = Letter(
        peer=session.peer_host,
        helo=said.hello,
        mail_from=said.mail_from.address,
        recipients=[rcpt.path.address for rcpt in said.recipients],
        login=session.account.login if session.account else "",
        post=post_id_text(post),
        tls=session.secure,
    )
    try:
        clean, junk = await filters.ask(clean, letter)
    except FilterRefused as refused:
        told = refused.refusal
        raise Answered(Reply(told.code, told.enhanced, told.text)) from None
    if junk and _for_a_source(session):
        raise Answered(say.SPAM)
    return clean, junk


def _tell(session: "SmtpSession", sender: str, found: Findings) -> None:
    log.info(
        "refused peer=%s from=%s spf=%s dkim=%s dmarc=%s arc=%s",
        session.peer,
        sender or "<>",
        found.spf.value,
        ",".join(each.result for each in found.dkim) or "none",
        found.dmarc.result,
        found.arc.result,
    )


def _for_a_source(session: "SmtpSession") -> bool:
    places = (place for rcpt in session.state.recipients for place in rcpt.places)
    return any(isinstance(place, Target) and place.source for place in places)
