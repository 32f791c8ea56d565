"""The brake for reply-all: a conversation of a group that gets too many replies in a short time is closed for a while.

And how many posts a sender, or all senders together, may write to one group in an hour.  Counted in the store, so that
several processes count together.  What must stay true: whoever is refused is told why and until when; owners,
moderators and administrators may always end a conversation with a word; nothing is counted where nothing is limited.
"""

import logging
from collections.abc import Callable, Sequence
from email.utils import formatdate

from opostd.config import GroupSettings
from opostd.intake import letters
from opostd.intake.letters import Letter
from opostd.intake.message import Message
from opostd.intake.office import Office
from opostd.intake.rights import DECIDES
from opostd.intake.route import Router
from opostd.model.errors import Explained, Later
from opostd.model.ids import post_id_text
from opostd.model.records import Account, PostFacts, ServiceKind, Source, service_address
from opostd.store import provision, tally
from opostd.store.run import Store
from opostd.store.tally import Full, Limit

log = logging.getLogger("opostd.intake")

RATE_WINDOW_S = 3600
THREAD, SENDER, ALL = "t", "s", "a"  # the first letter of what is counted


class Brake:
    """One for each intake."""

    def __init__(
        self, store: Store, router: Router, office: Office, *, settings: GroupSettings, now: Callable[[], int]
    ) -> None:
        self._store = store
        self._router = router
        self._office = office
        self._settings = settings
        self._now = now

    async def check(
        self, sources: Sequence[Source], message: Message, facts: PostFacts, mail_from: str, account: Account | None
    ) -> None:
        """Counts a post to these sources.  Raises Explained where its conversation is closed, Later over a rate."""
        reply = message.has(b"in-reply-to") or message.has(b"references")
        for source in sources:
            limits = self._limits(source, facts, reply, mail_from, account)
            full = await self._store.run(tally.count, source.box, limits, self._now()) if limits else []
            if full:
                await self._refuse(source, full, facts, account)

    def _limits(
        self, source: Source, facts: PostFacts, reply: bool, mail_from: str, account: Account | None
    ) -> list[Limit]:
        settings = self._settings
        limits: list[Limit] = []
        replies = settings.brake_replies if source.brake < 0 else source.brake
        if reply and replies:
            thread = f"{THREAD} {post_id_text(facts.thread)}"
            limits.append(Limit(thread, replies, settings.brake_window_s, settings.brake_pause_s))
        each = settings.posts_per_sender if source.sender_posts < 0 else source.sender_posts
        if each:
            who = str(account.owner) if account is not None else letters.shown(mail_from.lower())
            limits.append(Limit(f"{SENDER} {who}", each, RATE_WINDOW_S, RATE_WINDOW_S))
        together = settings.posts_per_group if source.all_posts < 0 else source.all_posts
        if together:
            limits.append(Limit(ALL, together, RATE_WINDOW_S, RATE_WINDOW_S))
        return limits

    async def _refuse(self, source: Source, full: Sequence[Full], facts: PostFacts, account: Account | None) -> None:
        """Raises, but for those who may always write."""
        closed = next((each for each in full if each.what.startswith(THREAD)), None)
        if closed is not None and closed.fresh:
            log.warning("closed thread=%s group=%s until=%d", post_id_text(facts.thread), source.address, closed.until)
            await self._tell(source, facts, closed.until)
        if account is not None:
            if account.admin or await self._store.run(provision.role, source.box, account.owner) & DECIDES:
                return
        until = formatdate(max(each.until for each in full))
        if closed is not None:
            raise Explained(f"too many replies to this conversation in {source.address}: it is closed until {until}")
        raise Later(f"too many posts to {source.address}: try again after {until}")

    async def _tell(self, source: Source, facts: PostFacts, until: int) -> None:
        """The owners, of a conversation that was closed just now; once, or, where the process dies here, not at all."""
        settings = self._settings
        replies = settings.brake_replies if source.brake < 0 else source.brake
        text = (
            f"A conversation in {source.address} has got more than {replies} replies in",
            f"{settings.brake_window_s // 60} minutes, and is closed until {formatdate(until)}.",
            "",
            f"  Subject: {letters.shown(facts.subject)}",
            "",
            "Whoever writes to it is told so. Owners and moderators may write to it all the same. To open it now:",
            "",
            f"  opostd group reopen {source.address}",
        )
        request = service_address(source.address, ServiceKind.REQUEST)
        subject = f"Closed for a while: {letters.shown(facts.subject)}"
        owners = await self._router.named_owners(source.box)
        await self._office.send(
            [
                await self._office.mailing(Letter(request, source.title, address, subject, text), owner)
                for owner, address in owners
            ]
        )
