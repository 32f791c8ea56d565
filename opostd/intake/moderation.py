"""Posts that wait for a moderator: who is told, who decides, and what becomes of them.

What must stay true: of each post its moderators are told once, whatever dies; a post that is accepted reaches its
source once, whoever else decides at that moment; one that is not is told to its author, if they had logged in, and to
nobody else, for anybody can write another's address.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from email.utils import formatdate

from opostd.config import GroupSettings
from opostd.intake import letters
from opostd.intake.deliver import Arrival, Deliverer, Ticket
from opostd.intake.letters import Letter
from opostd.intake.message import header_fields
from opostd.intake.office import Office, digest, new_token
from opostd.intake.report import Action, Status
from opostd.intake.rights import DECIDES, may_decide
from opostd.intake.route import Router
from opostd.intake.tell import Teller
from opostd.mime.addresses import addresses
from opostd.model.errors import Explained, LimitReached, LostPost, NoSuchAddress, NoSuchPost, OpostError
from opostd.model.ids import NOBODY, SYSTEM_OWNER, BoxId, OwnerId, PostId, post_id_text
from opostd.model.mailing import Mailing, Notify, Outside, Target
from opostd.model.records import Account, MemberRole, Moderation, PostFacts, ServiceKind, Source, service_address
from opostd.store import accounts, held, nesting, posts, provision, sources, withdraw
from opostd.store.delivery import Delivery
from opostd.store.held import Held, Token
from opostd.store.run import Store

log = logging.getLogger("opostd.intake")

GRACE_S = 60  # a post this young is being told of by the process that took it
MAX_NAMED = 10_000  # addresses of a header that are looked at (security.md 1.3)
DECIDED = "there is nothing to decide any more: another moderator was quicker, or the time was over"


class Moderators:
    """One for each intake.  kept: told of letters that are kept, to be delivered; leaving: called when copies leave."""

    def __init__(
        self,
        store: Store,
        router: Router,
        teller: Teller,
        deliverer: Deliverer,
        *,
        office: Office,
        settings: GroupSettings,
        kept: Callable[[Sequence[Mailing]], None],
        leaving: Callable[[], None],
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._router = router
        self._leaving = leaving
        self._teller = teller
        self._deliverer = deliverer
        self._settings = settings
        self._office = office
        self._kept = kept
        self._now = now

    def held_until(self, now: int) -> int:
        """When a post that comes now is discarded, if nobody decides."""
        return now + self._settings.held_days * 86400

    async def check_room(self, targets: Sequence[Target]) -> None:
        """Raises LimitReached where too many posts wait for one of the sources."""
        for each in targets:
            if await self._store.run(held.count, each.box) >= self._settings.max_held:
                raise LimitReached("too many posts wait for the moderators of this group")

    # Telling

    async def tell(self, post: PostId) -> None:
        """The moderators of each source that a post waits for, and its author, once."""
        try:
            await self._tell(post)
        except OpostError as error:
            log.warning("moderators not told, trying again id=%s error=%r", post_id_text(post), error)

    async def _tell(self, post: PostId) -> None:
        rows = [row for row in await self._store.run(held.of_post, post) if not row.told]
        facts = (await self._store.run(posts.facts, [post])).get(post)
        if not rows or facts is None:
            return
        whole = facts.size <= letters.MAX_ATTACHED_OCTETS
        raw = await self._store.run(posts.raw, post) if whole else facts.header.removesuffix(b"\r\n")
        now = self._now()
        tokens: list[Token] = []
        reports: list[Mailing] = []
        for row in rows:
            source = await self._store.run(provision.source, row.box)
            for owner, address in await self._deciders(row, source):
                token = new_token()
                tokens.append(Token(post, row.box, owner, digest(token)))
                assert source is not None
                letter = _notice(row, source, facts, raw, address, token, whole=whole)
                reports.append(await self._office.mailing(letter, owner))
        reports += await self._told(
            rows,
            Action.DELAYED,
            "4.7.0",
            f"It waits for a moderator of the group, at most until {formatdate(rows[0].expires)}.",
        )
        if await self._store.run(held.note_told, post, tokens, reports, now):
            self._kept(reports)
            log.info("held id=%s sources=%d letters=%d", post_id_text(post), len(rows), len(reports))

    async def _deciders(self, row: Held, source: Source | None) -> list[tuple[OwnerId, str]]:
        """Whom to ask: where a second pair of eyes is wanted not the author."""
        if source is None:
            return []
        return await self._router.deciders(row.box, row.author if source.moderation is Moderation.SECOND else NOBODY)

    async def _told(self, rows: Sequence[Held], action: Action, status: str, said: str) -> list[Mailing]:
        """What the author hears: of what was posted under a login only."""
        if rows[0].author == NOBODY:
            return []
        statuses = [Status(wish, action, status, diagnostic=said) for row in rows for wish in row.wishes]
        return list(await self._teller.notification(rows[0].post, rows[0].origin, rows[0].created, statuses))

    # Deciding

    async def by_token(self, token: str, account: Account, *, accept: bool) -> None:
        """A moderator decides in a letter.  Raises Explained."""
        found = await self._store.run(held.by_token, digest(token))
        if found is None or found[1] != account.owner:
            raise Explained(DECIDED)
        try:
            await (self.accept if accept else self.discard)(found[0], account)
        except (NoSuchPost, NoSuchAddress) as error:
            raise Explained(str(error)) from error

    async def accept(self, row: Held, by: Account | None = None) -> None:
        """The post goes to its source.  by: None is whoever runs the server.

        Raises NotAllowed, NoSuchPost where it was decided, taken back or has come to its end, NoSuchAddress where the
        group is not there any more.
        """
        source = await self._allowed(row, by)
        if source is None:
            await self._drop(row, "5.1.1", "The group is not there any more.")
            raise NoSuchAddress("the group is not there any more")
        ended = await self._store.run(withdraw.withdrawal, row.post)
        if ended is not None and ended.begins <= self._now():
            await self._drop(row, "5.4.7", "It had come to its end before a moderator has looked at it.")
            raise NoSuchPost("the post has come to its end, or was taken back")
        below = await self._store.run(nesting.below, row.box)
        targets = [Target(SYSTEM_OWNER, row.box, source=True)]
        targets += [Target(SYSTEM_OWNER, box, source=True, nested=True) for box in below]
        copies = await self._copies(row.post, source, below)
        if await self._store.run(held.accept, row.post, targets, copies, self._now()) is None:
            raise NoSuchPost(DECIDED)
        if copies:
            self._leaving()
        log.info("accepted id=%s group=%s by=%s", post_id_text(row.post), source.address, _name(by))
        if source.moderation is Moderation.FIRST_POST:
            await self._trust(row)
        await self._deliver(row, targets)

    async def _copies(self, post: PostId, source: Source, below: Sequence[BoxId]) -> list[Outside]:
        """For members elsewhere, but for those whom the message names: they had it when it came."""
        copies = await self._router.copies(source, below)
        facts = (await self._store.run(posts.facts, [post])).get(post) if copies else None
        named = set() if facts is None else named_in(facts.header)
        return list({each.address.lower(): each for each in copies if each.address.lower() not in named}.values())

    async def discard(self, row: Held, by: Account | None = None) -> None:
        """The post goes nowhere.  Raises NotAllowed, NoSuchPost where it was decided."""
        await self._allowed(row, by)
        if not await self._drop(row, "5.7.1", "A moderator of the group did not accept it."):
            raise NoSuchPost(DECIDED)
        log.info("discarded id=%s box=%d by=%s", post_id_text(row.post), row.box, _name(by))

    async def _allowed(self, row: Held, by: Account | None) -> Source | None:
        source = await self._store.run(provision.source, row.box)
        if source is None or by is None:
            return source
        roles = await self._store.run(provision.role, row.box, by.owner)
        if by.admin or roles & DECIDES:
            if may_decide(source, by, roles, row.author):
                return source
            raise Explained("in this group somebody else than its author decides on a post")
        raise Explained("you are no moderator of this group")

    async def _drop(self, row: Held, status: str, said: str) -> bool:
        reports = await self._told([row], Action.FAILED, status, said)
        if not await self._store.run(held.discard, row.post, row.box, reports, self._now()):
            return False
        self._kept(reports)
        return True

    async def _trust(self, row: Held) -> None:
        """Nobody is asked about the author's next post."""
        account = await self._store.run(accounts.account, row.author)
        if account is not None and row.author != NOBODY:
            await self._store.run(sources.add_role, row.box, account.owner, account.login, MemberRole.TRUSTED)

    async def _deliver(self, row: Held, targets: Sequence[Target]) -> None:
        """At once; what does not come to its box now is in the spool."""
        facts = (await self._store.run(posts.facts, [row.post])).get(row.post)
        if facts is None:
            raise LostPost(f"post {post_id_text(row.post)} is lost")
        success = any(Notify.SUCCESS in wish.notify for wish in row.wishes)
        ticket = Ticket(len(targets), asyncio.get_running_loop().create_future())
        delivery = Delivery(row.post, facts.size, self._now(), 0, ())
        self._deliverer.put(
            Arrival(each.owner, each.box, delivery, (ticket,), told=success and not each.nested) for each in targets
        )
        await ticket.done

    # What is due

    async def once(self) -> int:
        """Tell of what nobody was told of, discard what has waited long enough or in vain; how many those were."""
        now, found = self._now(), 0
        for post in await self._store.run(held.untold, now - GRACE_S):
            await self.tell(post)
            found += 1
        for box in await self._store.run(held.boxes):
            if await self._store.run(provision.source, box) is None:
                await self._group_is_gone(box)
        for row in await self._store.run(held.expired, now):
            await self._drop(row, "5.4.7", "No moderator of the group has decided in time.")
            log.info("expired id=%s box=%d", post_id_text(row.post), row.box)
            found += 1
        return found

    async def _group_is_gone(self, box: BoxId) -> None:
        """What waits for a source that is removed goes nowhere, and its authors hear of it."""
        while rows := await self._store.run(held.waiting, box, held.AT_ONCE):
            for row in rows:
                await self._drop(row, "5.1.1", "The group is not there any more.")


def named_in(header: bytes) -> set[str]:
    """The addresses in To and Cc, in lower case."""
    fields = [each for each in header_fields(header) if each.name in (b"to", b"cc")]
    entries = [entry for each in fields for entry in addresses(each.value, MAX_NAMED)]
    return {
        (each.mailbox + b"@" + each.host).decode("utf-8", "replace").lower()
        for each in entries
        if each.mailbox and each.host
    }


def _name(by: Account | None) -> str:
    return by.login if by is not None else "administrator"


def _notice(row: Held, source: Source, facts: PostFacts, raw: bytes, to: str, token: str, *, whole: bool) -> Letter:
    """What a moderator gets: the post, and how to decide."""
    request = service_address(source.address, ServiceKind.REQUEST)
    who = "having logged in" if row.author != NOBODY else "not having logged in, so that it may be anybody"
    text = (
        f"A message to {source.address} waits for your decision.",
        "",
        f"  From:     {letters.shown(facts.sender)}",
        f"  Sender:   {letters.shown(row.origin.sender) or '<>'}, {who}",
        f"  Subject:  {letters.shown(facts.subject)}",
        f"  Size:     {facts.size} octets",
        "",
        "Answer this letter with one word, accept or discard, or use one of these addresses:",
        "",
        f"  <mailto:{request}?subject=accept%20{token}>",
        f"  <mailto:{request}?subject=discard%20{token}>",
        "",
        f"It is discarded if no moderator decides until {formatdate(row.expires)}.",
        "Its author is told what becomes of it." if row.author != NOBODY else "Nobody is told what becomes of it.",
        f"The answer counts from your own login only. The message goes along; its id is {post_id_text(row.post)}.",
    )
    subject = f"[{token}] Held for {source.address}: {letters.shown(facts.subject)}"
    return Letter(request, source.title, to, subject, text, raw, whole=whole)
