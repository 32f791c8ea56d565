"""Who hears what of a message that did, or did not, reach its recipients; the notification as a mailing of its own.

RFC 3461 4.1, 4.3, 5.2 (who asked for what), RFC 5321 6.1.  What must stay true: a message from ``<>`` is never
answered, and every notification is from ``<>``, so that none can be answered by another; nobody is told of what they
did not ask.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from opostd.intake import tongues
from opostd.intake.report import MAX_RETURNED_OCTETS, About, Action, Status, report
from opostd.intake.route import Router
from opostd.intake.trace import return_path
from opostd.mime import headers
from opostd.mime.facts import new_post
from opostd.model.errors import LostPost, Refused
from opostd.model.ids import PostId, post_id_text
from opostd.model.mailing import Mailing, Notify, Origin, Place, Recipient, Target, Terms, Wish
from opostd.model.new_ids import new_post_id
from opostd.store import accounts, posts, queue
from opostd.store.run import Store

log = logging.getLogger("opostd.intake")


def wants(wish: Wish, action: Action, *, local: bool) -> bool:
    """Whether the sender wants to hear this.  local: a sender of ours, who is told of delays unasked."""
    if action is Action.FAILED:
        return not wish.notify or Notify.FAILURE in wish.notify
    if action is Action.DELAYED:
        return Notify.DELAY in wish.notify or (local and not wish.notify)
    return Notify.SUCCESS in wish.notify


class Teller:
    """Makes notifications.  Keeping them, with what they tell of, is the caller's.

    language: for whom none is known.
    """

    def __init__(
        self,
        store: Store,
        router: Router,
        *,
        hostname: str,
        domains: tuple[str, ...],
        now: Callable[[], int],
        language: str = tongues.ENGLISH,
    ) -> None:
        self._store = store
        self._router = router
        self._hostname = hostname
        self._domains = domains
        self._now = now
        self._language = language

    async def notification(
        self, post: PostId, origin: Origin, arrived: int, statuses: Sequence[Status]
    ) -> tuple[Mailing, ...]:
        """One notification of recipients that had the same fate, or none.  Raises Unavailable."""
        local = self._router.is_ours(origin.sender)
        told = [
            each
            for each in statuses
            if wants(each.wish, each.action, local=local) or (each.asked and Notify.NEVER not in each.wish.notify)
        ]
        if not told:
            return ()
        if not origin.sender:
            if told[0].action is Action.FAILED:
                log.warning("nobody to tell of %s id=%s", told[0].wish.address, post_id_text(post))
            return ()
        try:
            places = await self._router.route_report(origin.sender)
            facts = (await self._store.run(posts.facts, [post])).get(post)
            header = b"" if facts is None else facts.header
            ret = "HDRS" if origin.terms.require_tls else origin.ret
            whole = facts is not None and self._whole(told[0].action, ret, facts.size, local)
            raw = await self._store.run(posts.raw, post) if whole else b""
            language = await self._language_of(places, header)
        except (Refused, LostPost) as error:
            log.warning("cannot tell %s of id=%s: %s", origin.sender, post_id_text(post), error)
            return ()
        if raw and not local and not raw.isascii():
            raw = b""  # who knows whether each server on the way takes 8 bits; the header can be encoded
        id_, now = new_post_id(), self._now()
        octets = report(
            About(origin.envid, arrived, header, raw, origin.terms.deliver_by),
            told,
            to=origin.sender,
            hostname=self._hostname,
            domain=self._domains[0],
            post=id_,
            now=now,
            language=language,
        )
        octets = return_path("").octets + octets
        made = await asyncio.to_thread(new_post, octets, id=id_, now=now)
        log.info("told to=%s of=%s action=%s", origin.sender, post_id_text(post), told[0].action.value)
        # RFC 8689 5: what is told of it needs the same care as the message.
        own = Origin(terms=Terms(require_tls=origin.terms.require_tls))
        return (Mailing(made, (Recipient(Wish(origin.sender, Notify.NEVER), places),), own),)

    async def ended(self, key: queue.Key, error: Exception | None) -> list[Mailing]:
        """What tells of a post that is in its box, or never will be (the error); kept, and its row of the spool gone.

        Raises Unavailable: then the spool still has the row.
        """
        told: list[Mailing] = []
        for row in await self._store.run(queue.of_post, key[0]):
            if row.key != key:
                continue
            if error is None:
                statuses = [Status(wish, Action.DELIVERED, "2.0.0") for wish in row.wishes]
            else:
                said = "The mailbox is not there any more."
                statuses = [Status(wish, Action.FAILED, "5.2.1", diagnostic=said) for wish in row.wishes]
            reports = await self.notification(row.post, row.origin, row.created, statuses)
            if await self._store.run(queue.done_and_told, key, reports, self._now()):
                told += reports
        return told

    async def _language_of(self, places: Sequence[Place], header: bytes) -> str:
        """What a sender reads: an account says so, else the message itself, else the settings."""
        tags: list[str] = []
        for owner in [each.owner for each in places if isinstance(each, Target)][:1]:
            account = await self._store.run(accounts.account, owner)
            tags += [] if account is None else [account.language]
        for name, value in headers.fields(header):
            if name.lower() == b"accept-language":
                tags += tongues.accepted(headers.unfold(value).decode("ascii", "replace"))
        return tongues.chosen([*tags, self._language])

    @staticmethod
    def _whole(action: Action, ret: str, size: int, local: bool) -> bool:
        """RFC 3461 6.2: the whole message only with a failure."""
        if action is not Action.FAILED or ret == "HDRS":
            return False
        return ret == "FULL" or size <= MAX_RETURNED_OCTETS
