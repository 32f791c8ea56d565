"""Mail to members elsewhere that came back is counted; after some days of it they are paused, and owners hear it.

What must stay true: only a report that failed, to a return path that somebody was given, counts, and one a day at
most, so that a server's bad hour pauses nobody; who is paused is told of to the group's owners, once.
"""

import logging
from collections.abc import Callable
from email.utils import formatdate

from opostd.intake.message import field
from opostd.intake.report import one_line
from opostd.intake.route import Router
from opostd.intake.trace import return_path as return_path_field
from opostd.intake.verp import token_of
from opostd.intake.words import unstructured
from opostd.mime.facts import new_post
from opostd.model.errors import Refused, Unavailable
from opostd.model.ids import post_id_text
from opostd.model.mailing import Mailing, Notify, Recipient, Wish
from opostd.model.new_ids import new_post_id
from opostd.model.records import Source
from opostd.store import outside, posts, provision
from opostd.store.outside import OutsideMember
from opostd.store.run import Store

log = logging.getLogger("opostd.intake")


class Bounces:
    """Counts.  kept: told of notifications that are kept, to be delivered.  pause_after: days with a bounce."""

    def __init__(
        self,
        store: Store,
        router: Router,
        *,
        hostname: str,
        now: Callable[[], int],
        kept: Callable[[tuple[Mailing, ...]], None],
        pause_after: int,
    ) -> None:
        self._store = store
        self._router = router
        self._hostname = hostname
        self._now = now
        self._kept = kept
        self._pause_after = pause_after

    async def count(self, address: str) -> None:
        """Mail under this return path failed.  A fault costs a count, which the next bounce brings."""
        token = token_of(address.lower())
        if token is None:
            return
        try:
            member = await self._store.run(outside.count_bounce, token, self._now(), self._pause_after)
            if member is None:
                return
            source = await self._store.run(provision.source, member.source)
            if source is None:
                return
            paused = " and is paused" if member.paused else ""
            log.info("bounced member=%s of=%s days=%d%s", member.address, source.address, member.bounces, paused)
            if member.paused:
                await self._tell(source, member)
        except (Refused, Unavailable) as error:
            log.warning("a bounce is not counted address=%s error=%r", address, error)

    async def _tell(self, source: Source, member: OutsideMember) -> None:
        places = await self._router.owners(source)
        id_, now = new_post_id(), self._now()
        domain = source.address.rpartition("@")[2]
        who = one_line(member.address, wide=True)
        lines = [
            f"Mail to {who}, a member of {source.address}, came back on {member.bounces} days.",
            "It is not sent to them any more.",
            "",
            "When they can be reached again:",
            f"  opostd group resume {source.address} {who}",
            "Or, for ever:",
            f"  opostd group leave {source.address} {who}",
            "",
        ]
        head = [
            return_path_field(""),
            field("Date", formatdate(now).encode()),
            field("From", f"Mail Delivery <postmaster@{domain}>".encode()),
            field("To", f"<{source.bounces_to or 'postmaster@' + domain}>".encode()),
            field("Subject", unstructured(f"{who} is paused in {source.address}")),
            field("Message-ID", f"<{post_id_text(id_)}@{self._hostname}>".encode()),
            field("Auto-Submitted", b"auto-generated"),
            field("MIME-Version", b"1.0"),
            field("Content-Type", b"text/plain; charset=utf-8"),
            field("Content-Transfer-Encoding", b"8bit"),
        ]
        raw = b"".join(each.octets for each in head) + b"\r\n" + "\r\n".join(lines).encode()
        mailing = Mailing(
            new_post(raw, id=id_, now=now), (Recipient(Wish(source.address, Notify.NEVER), places),)
        )  # fmt: skip
        await self._store.run(posts.accept, [mailing], now)
        self._kept((mailing,))
