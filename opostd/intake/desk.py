"""Letters to the server itself, about a group: ``team-request@`` (RFC 2142 6), ``team-join@``, ``team-leave@``.

What must stay true: only a login, or a token that was mailed to them, proves who somebody is; a letter from ``<>``,
from a robot or from a list is taken and never answered (RFC 3834 2), so that no two robots write to each other; a
letter that is refused changes nothing.
"""

import logging
import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from opostd.intake.letters import Letter
from opostd.intake.membership import Membership
from opostd.intake.message import Message
from opostd.intake.moderation import Moderators
from opostd.intake.office import Office
from opostd.intake.recalling import Recalling, in_words
from opostd.model.errors import Explained, NoSuchPost
from opostd.model.ids import PostId, post_id_text
from opostd.model.mailing import Service
from opostd.model.records import Account, Joining, PostFacts, ServiceKind, Source, service_address
from opostd.store import provision
from opostd.store.run import Store

log = logging.getLogger("opostd.intake")

_TOKEN = re.compile(r"(?<![a-z0-9])[a-z2-7]{26}(?![a-z0-9])")
# What may stand beside a word in a subject: a token, the id of a post, and what a mail program puts before an answer
_BESIDE = re.compile(r"(?<![a-z0-9])(?:[a-z2-7]{26}|[0-9a-f]{32})(?![a-z0-9])|^(?:re|aw|sv|fwd?|wg):")
VERBS = {
    "accept": "accept", "approve": "accept", "discard": "discard", "reject": "discard", "confirm": "confirm",
    "join": "join", "subscribe": "join", "leave": "leave", "unsubscribe": "leave", "help": "help", "recall": "recall",
}  # fmt: skip
MAX_SERVICES = 20  # in one letter: each may cost an answer


def is_automatic(message: Message) -> bool:
    """Whether a robot or a list wrote it (RFC 3834 2)."""
    submitted = message.all(b"auto-submitted")
    if submitted and submitted[0].value.partition(b";")[0].strip().lower() != b"no":
        return True
    precedence = [each.value.lower() for each in message.all(b"precedence")]
    return message.has(b"list-id") or any(each in (b"bulk", b"junk", b"list") for each in precedence)


def verb_of(subject: str, preview: str) -> str:
    """What is asked, or "".

    To decide and to confirm, it is the first word of the subject, or of the text where the subject still has the token:
    the token says of what.  To join, leave or recall, the word has to stand alone, in the subject or as the text, for
    "leave policy" is no wish to leave.
    """
    if alone := VERBS.get(re.sub(r"[^a-z]", "", _BESIDE.sub("", subject.strip().lower()))):
        return alone
    for text in (subject, preview if _TOKEN.search(subject.lower()) else ""):
        first = VERBS.get(re.sub(r"[^a-z]", "", text.strip().lower().partition(" ")[0]), "")
        if first in ("accept", "discard", "confirm"):
            return first
    return VERBS.get(re.sub(r"[^a-z]", "", preview.lower()), "")


class Desk:
    """One for each intake.  begin: sees to it that some work is done, with the server not stopped before."""

    def __init__(
        self,
        store: Store,
        office: Office,
        moderators: Moderators,
        membership: Membership,
        recalling: Recalling,
        begin: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._store = store
        self._office = office
        self._moderators = moderators
        self._membership = membership
        self._recalling = recalling
        self._begin = begin

    async def serve(
        self,
        services: Sequence[Service],
        message: Message,
        facts: PostFacts,
        *,
        mail_from: str,
        account: Account | None,
    ) -> None:
        """Does what a letter asks for.  Raises Explained where it is refused, LimitReached, Unavailable."""
        if not mail_from or is_automatic(message):
            log.info("not answered from=%s to=%s", mail_from or "<>", services[0].address)
            return
        if len(services) > (MAX_SERVICES if account is not None else 1):
            raise Explained("too many groups in one letter")
        for service in services:
            source = await self._store.run(provision.source, service.box)
            if source is None:
                raise Explained("the group is not there any more")
            verb = service.kind.value
            if service.kind is ServiceKind.REQUEST:
                verb = verb_of(facts.subject, facts.preview or "")
            await self._do(verb, source, message, facts, mail_from, account)

    async def _do(
        self, verb: str, source: Source, message: Message, facts: PostFacts, mail_from: str, account: Account | None
    ) -> None:
        token = _TOKEN.search(facts.subject.lower())
        if verb in ("join", "leave"):
            await self._membership.ask(source, leaves=verb == "leave", mail_from=mail_from, account=account)
        elif verb == "confirm" and token is not None:
            await self._membership.confirm(source, token[0], account)
        elif account is None:
            raise Explained("log in to write to this address")
        elif verb in ("accept", "discard", "confirm"):
            if token is None:
                raise Explained(f"to {verb} something, answer the letter that came of it")
            await self._decide(source, token[0], account, accept=verb == "accept")
        elif verb == "recall":
            post = await self._recalling.named(source, facts.subject, message)
            try:
                await self._recalling.begin(post, account)
            except NoSuchPost as error:
                raise Explained(str(error)) from error
            self._begin(self._recall(source, post, account))
        else:
            await self._answer(source, account, _help(source))

    async def _recall(self, source: Source, post: PostId, account: Account) -> None:
        """Many boxes take a while: the answer comes when it is done."""
        done = await self._recalling.finish(post)
        await self._answer(source, account, [f"The post {post_id_text(post)} is {in_words(done)}."])

    async def _answer(self, source: Source, account: Account, text: Sequence[str]) -> None:
        request = service_address(source.address, ServiceKind.REQUEST)
        about = f"About {source.address}"
        letter = Letter(request, source.title, account.login, about, tuple(text), answers=True)
        await self._office.send([await self._office.mailing(letter, account.owner)])

    async def _decide(self, source: Source, token: str, account: Account, *, accept: bool) -> None:
        """On a post, or on somebody who wants to join: the token knows."""
        if await self._membership.knows(source, token):
            await self._membership.by_token(source, token, account, accept=accept)
        else:
            await self._moderators.by_token(token, account, accept=accept)


def _help(source: Source) -> list[str]:
    lines = [f"This is what the mail server does for {source.address}.", ""]
    lines.append(f"  {source.address:40} reaches its readers, if you may post to it")
    lines.append(f"  {service_address(source.address, ServiceKind.OWNER):40} reaches those who own the group")
    lines.append(
        f"  {service_address(source.address, ServiceKind.REQUEST):40} takes back your own post, for some time:"
    )
    lines.append(f"  {'':40} answer it to this address with the subject recall")
    if source.joining is not Joining.CLOSED:
        asks = " (an owner or moderator decides)" if source.joining is Joining.APPROVAL else ""
        lines.append(f"  {service_address(source.address, ServiceKind.JOIN):40} whoever writes here joins it{asks}")
        lines.append(f"  {service_address(source.address, ServiceKind.LEAVE):40} whoever writes here leaves it")
    return lines
