"""Who may take a post back, from which boxes, and until when; by command, or by a letter to ``team-request@``.

What must stay true: an author takes back their own alone, within a time; owners what stands in their groups alone; a
group's policy binds both, and administrators not; who has taken what is in the log, and with the withdrawal.
"""

import logging
import re
from collections.abc import Callable
from email.utils import formatdate

from opostd.config import GroupSettings
from opostd.intake.message import Message, header_fields
from opostd.intake.route import Router
from opostd.mime.addresses import addresses
from opostd.model.errors import Explained, NoSuchPost
from opostd.model.ids import PostId, post_id_text
from opostd.model.records import Account, MemberRole, PostFacts, Recall, Source, Withdraw
from opostd.store import posts, provision, reach, withdraw
from opostd.store.run import Store
from opostd.store.sources import newest
from opostd.store.withdraw import Withdrawal

log = logging.getLogger("opostd.intake")

LOOKED_AT = 500  # the newest posts of a group among which a Message-ID is looked for
MAX_AUTHORS = 20
_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_MSG_ID = re.compile(rb"<[^<>\s]{1,250}>")


class Recalling:
    """One for each intake."""

    def __init__(self, store: Store, router: Router, *, settings: GroupSettings, now: Callable[[], int]) -> None:
        self._store = store
        self._router = router
        self._settings = settings
        self._now = now

    async def begin(self, post: PostId, account: Account, *, unread_only: bool = False) -> Withdraw:
        """From now on nobody gets it; ``finish`` takes it from those who have it.  From which boxes that is.

        Raises Explained where it is refused, NoSuchPost.
        """
        policy = await self._policy(post, account, unread_only)
        await withdraw.begin_recall(self._store, post, policy, self._now(), by=account.login)
        return policy

    async def finish(self, post: PostId) -> Withdrawal:
        """Takes it out of the boxes; what was found.  Raises Unavailable: the agent goes on then."""
        return await withdraw.swept(self._store, post, self._now())

    async def check_look(self, post: PostId, account: Account, *, names: bool) -> None:
        """Whether somebody may see how far a post has come: its author may, names are for owners alone.

        Raises Explained, NoSuchPost.
        """
        facts, _, sources = await self._found(post)
        if account.admin or (sources and await self._owns_all(sources, account)):
            return
        if names:
            raise Explained("who has read a post is shown to the owners of its groups alone")
        if not await self._is_author(facts, account):
            raise Explained("only its author and the group's owners may see how far a post has come")

    async def _found(self, post: PostId) -> tuple[PostFacts, list[reach.Place], list[Source]]:
        facts = (await self._store.run(posts.facts, [post])).get(post)
        if facts is None:
            raise NoSuchPost(f"there is no post {post_id_text(post)}")
        places = await self._store.run(reach.places, post)
        found = [await self._store.run(provision.source, place.source) for place in places]
        return facts, places, [source for source in found if source is not None]

    async def named(self, source: Source, subject: str, message: Message) -> PostId:
        """The post of a group that a letter is about: by its id in the subject, or because the letter answers it.

        Raises Explained.
        """
        ids = await self._store.run(newest, source.box, LOOKED_AT)
        if written := _ID.search(subject.lower()):
            wanted = PostId(bytes.fromhex(written[0]))
            if wanted in ids:
                return wanted
        answered = [each.value for name in (b"in-reply-to", b"references") for each in message.all(name)]
        known = {name.decode("latin-1") for value in answered for name in _MSG_ID.findall(value)[-1:]}
        if known:
            facts = await self._store.run(posts.facts, ids)
            for id_ in ids:
                if id_ in facts and facts[id_].message_id in known:
                    return id_
        raise Explained("to recall a post, answer it with the one word recall as the subject, or name its id there")

    async def _policy(self, post: PostId, account: Account, unread_only: bool) -> Withdraw:
        facts, places, sources = await self._found(post)
        if not sources:
            raise NoSuchPost("no group has this post: it was taken back, or never was in one")
        policy = Withdraw.UNREAD if unread_only else Withdraw.ALL
        if account.admin:
            return policy
        if any(source.recall is Recall.NEVER for source in sources):
            raise Explained("in this group only administrators take posts back")
        if not await self._owns_all(sources, account):
            if not await self._is_author(facts, account):
                raise Explained("only its author and the group's owners may take a post back")
            end = min(place.posted for place in places) + self._settings.recall_window_s
            if self._now() >= end:
                raise Explained(f"its author could take it back until {formatdate(end)}; now the group's owners can")
        return Withdraw.UNREAD if any(source.recall is Recall.UNREAD for source in sources) else policy

    async def _owns_all(self, sources: list[Source], account: Account) -> bool:
        for source in sources:
            if not await self._store.run(provision.role, source.box, account.owner) & MemberRole.OWNER:
                return False
        return True

    async def _is_author(self, facts: PostFacts, account: Account) -> bool:
        for each in header_fields(facts.header):
            if each.name == b"from":
                for entry in addresses(each.value, MAX_AUTHORS):
                    spec = ((entry.mailbox or b"") + b"@" + (entry.host or b"")).decode("utf-8", "replace")
                    if await self._router.owns(spec, account):
                        return True
        return False


def in_words(done: Withdrawal) -> str:
    """``recalled from 8 boxes; 9 boxes had it, 3 read, 1 keep it``."""
    had, read = done.removed + done.kept, done.removed_seen + done.kept_seen
    return f"recalled from {_boxes(done.removed)}; {_boxes(had)} had it, {read} read, {done.kept} keep it"


def _boxes(count: int) -> str:
    return "1 box" if count == 1 else f"{count} boxes"
