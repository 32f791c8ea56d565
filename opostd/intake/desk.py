"""Letters to the server itself, about a group: ``team-request@`` (RFC 2142 6).

What must stay true: only a login proves who somebody is; a letter from ``<>``, from a robot or from a list is taken and
never answered (RFC 3834 2), so that no two robots write to each other; a letter that is refused changes nothing.
"""

import logging
import re
from collections.abc import Callable, Sequence

from opostd.intake.letters import Letter
from opostd.intake.message import Message
from opostd.intake.moderation import Moderators
from opostd.model.errors import Explained
from opostd.model.records import Account, Mailing, PostFacts, Service, ServiceKind, Source, service_address
from opostd.store import posts, provision
from opostd.store.run import Store

log = logging.getLogger("opostd.intake")

_TOKEN = re.compile(r"(?<![a-z0-9])[a-z2-7]{26}(?![a-z0-9])")
VERBS = {"accept": "accept", "approve": "accept", "discard": "discard", "reject": "discard", "help": "help"}
MAX_SERVICES = 20  # in one letter: each may cost an answer


def is_automatic(message: Message) -> bool:
    """Whether a robot or a list wrote it (RFC 3834 2)."""
    submitted = message.all(b"auto-submitted")
    if submitted and submitted[0].value.partition(b";")[0].strip().lower() != b"no":
        return True
    precedence = [each.value.lower() for each in message.all(b"precedence")]
    return message.has(b"list-id") or any(each in (b"bulk", b"junk", b"list") for each in precedence)


def verb_of(subject: str, preview: str) -> str:
    """What is asked: the first word of the subject, else of the text; "" where neither is known."""
    for text in (subject, preview):
        word = re.sub(r"[^a-z]", "", text.strip().lower().partition(" ")[0])
        if word in VERBS:
            return VERBS[word]
    return ""


class Desk:
    """kept: told of answers that are kept, to be delivered."""

    def __init__(
        self,
        store: Store,
        moderators: Moderators,
        *,
        kept: Callable[[Sequence[Mailing]], None],
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._moderators = moderators
        self._kept = kept
        self._now = now

    async def serve(
        self,
        services: Sequence[Service],
        message: Message,
        facts: PostFacts,
        *,
        mail_from: str,
        account: Account | None,
    ) -> None:
        """Does what a letter asks for.  Raises Explained where it is refused, Unavailable."""
        if not mail_from or is_automatic(message):
            log.info("not answered from=%s to=%s", mail_from or "<>", services[0].address)
            return
        if account is None:
            raise Explained("log in to write to this address")
        if len(services) > MAX_SERVICES:
            raise Explained("too many groups in one letter")
        for service in services:
            source = await self._store.run(provision.source, service.box)
            if source is None:
                raise Explained("the group is not there any more")
            await self._request(source, facts, account)

    async def _request(self, source: Source, facts: PostFacts, account: Account) -> None:
        verb = verb_of(facts.subject, facts.preview or "")
        if verb in ("accept", "discard"):
            token = _TOKEN.search(facts.subject.lower())
            if token is None:
                raise Explained(f"to {verb} a post, answer the letter that came of it")
            await self._moderators.by_token(token[0], account, accept=verb == "accept")
        else:
            await self._answer(source, account, f"About {source.address}", _help(source))

    async def _answer(self, source: Source, account: Account, subject: str, text: Sequence[str]) -> None:
        request = service_address(source.address, ServiceKind.REQUEST)
        letter = Letter(request, source.title, account.login, subject, tuple(text), answers=True)
        mailing = await self._moderators.letter(letter, account.owner, self._now())
        await self._store.run(posts.accept, [mailing], self._now())
        self._kept([mailing])


def _help(source: Source) -> list[str]:
    lines = [f"This is what the mail server does for {source.address}.", ""]
    lines.append(f"  {source.address:40} reaches its readers, if you may post to it")
    lines.append(f"  {service_address(source.address, ServiceKind.OWNER):40} reaches those who own the group")
    return lines
