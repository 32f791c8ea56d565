"""What the session asks of the rest of the server: aiosmtpd's hooks, a few lines each.

The order of commands is ``transaction.py``'s, who may do what is ``policy.py``'s, the wire is ``connection.py``'s.
Every hook may raise any error of ``model/errors.py``; the session answers it from ``faults.py``.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opostd.config import Markdown
from opostd.intake.intake import Intake, Trace
from opostd.intake.route import Known
from opostd.model.errors import OverQuota
from opostd.model.ids import PostId, post_id_text
from opostd.model.mailing import NOT_SAID, Notify, Place, Recipient, Terms, Wish
from opostd.model.networks import is_among
from opostd.smtp import magic, policy
from opostd.smtp import reply as say
from opostd.smtp.examine import Examiner
from opostd.smtp.extensions import DoorKind
from opostd.smtp.greylist import Greylist
from opostd.smtp.params import MAX_HOLD_S, MailParams
from opostd.smtp.path import Path
from opostd.smtp.reply import Reply
from opostd.smtp.transaction import Envelope, Rcpt

if TYPE_CHECKING:
    from opostd.smtp.server import SmtpSession

log = logging.getLogger("opostd.smtp")


class Hooks:
    """One for all sessions of a door.  aiosmtpd's session and envelope, the second and third argument, are unused."""

    def __init__(
        self,
        kind: DoorKind,
        intake: Intake,
        markdown: Markdown,
        *,
        demo: bool = False,
        examiner: Examiner,
        greylist: Greylist | None = None,
    ) -> None:
        self._greylist = greylist
        self._kind = kind
        self._intake = intake
        self._markdown = markdown
        self._demo = demo
        self._examiner = examiner
        self._domains = frozenset(domain.lower() for domain in intake.domains)

    async def handle_MAIL(self, server: "SmtpSession", session: Any, envelope: Any, path: Path) -> Reply | None:
        """The refusal of a sender, or None."""
        forwarder = bool(server.door.forwarders) and is_among(server.peer_host, server.door.forwarders)
        refusal = policy.check_sender(self._kind, path, self._domains, forwarder=forwarder)
        if refusal is not None or server.account is None or path.is_null:
            return refusal
        return None if await self._intake.owns(path.address, server.account) else say.NOT_YOUR_ADDRESS

    def now(self) -> int:
        """Seconds since 1970."""
        return self._intake.now()

    def too_far(self, params: MailParams) -> bool:
        """Whether a message would be held for longer than is announced (RFC 4865)."""
        return params.hold_until > self._intake.now() + MAX_HOLD_S

    def _terms(self, params: MailParams) -> Terms:
        now = self._intake.now()
        hold_until = now + params.hold_for if params.hold_for else params.hold_until
        deliver_by = max(now + params.by_s, 1) if params.by_mode else 0
        return Terms(params.require_tls, params.priority, hold_until, deliver_by, params.by_mode)

    async def ahead(self, addresses: Sequence[str]) -> Known:
        """What ``handle_RCPT`` will ask of these recipients, asked at once.  Raises Unavailable."""
        return await self._intake.ahead(addresses)

    async def handle_RCPT(
        self, server: "SmtpSession", session: Any, envelope: Any, path: Path, known: Known
    ) -> tuple[Place, ...] | Reply:
        """Where a recipient leads, or the refusal.  known: of ``ahead``.

        Raises NoSuchAddress, NotAllowed, OverQuota, Unavailable.
        """
        relay = self._intake.relay and server.account is not None
        refusal = policy.check_recipient(path, self._domains, relay=relay)
        if refusal is not None:
            return refusal
        if self._demo:
            if magic.never_answered(path.local):
                await server.hang()
            played = magic.magic(path.local)
            if played is not None:
                return played
        places = await self._intake.route(path.address, server.account, known)
        await self._intake.check_room(places, server.state.params.size)
        if self._greylist is not None and server.account is None:
            said = server.state
            sender = said.mail_from.address if said.mail_from is not None else ""
            if await self._greylist.wait_s(server.peer_host, said.hello, sender, path.address):
                return say.GREYLISTED
        return places

    async def handle_DATA(self, server: "SmtpSession", session: Any, envelope: Any, raw: bytes) -> tuple[Reply, ...]:
        """The reply to each recipient, in order, once the post is committed for all that are told yes.

        But by LMTP they are all told the same (RFC 2033 4.2): one without room for what its sender did not announce
        is refused there, where the server in front keeps it, and is tried again from our own spool otherwise.
        """
        said = server.state
        full = await self._full(said, len(raw))
        if len(full) == len(said.recipients):
            return tuple(full.values())
        chosen = said.recipients
        if self._kind is DoorKind.LMTP:
            chosen = tuple(rcpt for at, rcpt in enumerate(chosen) if at not in full)
        else:
            full = {}
        kept = say.accepted((await self._submit(server, chosen, raw)).hex())
        return tuple(full.get(at, kept) for at in range(len(said.recipients)))

    async def _full(self, said: Envelope, octets: int) -> dict[int, Reply]:
        """The recipients that have no room now that the size is known; those were asked already who heard of it."""
        found: dict[int, Reply] = {}
        if said.params.size is None or said.params.size < octets:
            for at, rcpt in enumerate(said.recipients):
                try:
                    await self._intake.check_room(rcpt.places, octets)
                except OverQuota:
                    found[at] = say.MAILBOX_FULL
        return found

    async def _submit(self, server: "SmtpSession", recipients: tuple[Rcpt, ...], raw: bytes) -> PostId:
        said = server.state
        assert said.mail_from is not None
        post = await self._intake.submit(
            raw,
            mail_from=said.mail_from.address,
            recipients=[_recipient(rcpt) for rcpt in recipients],
            envid=said.params.envid,
            ret=said.params.ret,
            terms=self._terms(said.params),
            account=server.account,
            markdown=self._markdown,
            examine=self._examiner.of(server),
            trace=Trace(
                helo=said.hello,
                peer=server.peer_host,
                protocol=policy.protocol(self._kind, said, secure=server.secure, login=server.account is not None),
                tls=server.secure,
                login=server.account.login if server.account else "",
            ),
        )
        log.info(
            "accepted from=%s to=%s size=%d id=%s",
            said.mail_from.address or "<>",
            recipients[0].path.address + (f"+{len(recipients) - 1}" if len(recipients) > 1 else ""),
            len(raw),
            post_id_text(post),
        )
        return post


def _recipient(rcpt: Rcpt) -> Recipient:
    notify = NOT_SAID
    for word in rcpt.params.notify:
        notify |= Notify[word]
    return Recipient(Wish(rcpt.path.address, notify, rcpt.params.orcpt), rcpt.places)
