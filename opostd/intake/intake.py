"""What arrives becomes a post: checked, completed, rendered, analysed once, kept, delivered, or left to the agent.

The way of a message is design.md 4.  What must stay true: ``submit`` and ``append`` return after the commit that keeps
the post, and after one try to put it into its boxes, so that whoever looks after 250 or OK finds it; a caller who is
cancelled takes back nothing that has begun; the octets kept are never changed afterwards.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from opostd.config import GroupSettings, LimitSettings, Markdown, QueueSettings
from opostd.intake import lists
from opostd.intake import markdown as md
from opostd.intake.append import Appender, NewMessage, off_loop
from opostd.intake.arrivals import arrivals
from opostd.intake.bounces import Bounces
from opostd.intake.commit import GroupCommit
from opostd.intake.deliver import Arrival, Deliverer
from opostd.intake.doubtful import Doubtful, Said, said
from opostd.intake.examine import Examine
from opostd.intake.expiry import expires_at, with_expires
from opostd.intake.fullness import Fullness
from opostd.intake.groups import Groups
from opostd.intake.indexing import Indexing
from opostd.intake.message import Message, read
from opostd.intake.retry import FIRST_PAUSE_S, Retry
from opostd.intake.route import NOTHING, Known, Router, once_each
from opostd.intake.schedule import Schedule
from opostd.intake.senders import check_authors
from opostd.intake.tell import Teller
from opostd.intake.trace import Trace, completed, received, return_path, without_forgeries
from opostd.intake.verp import failed_paths, token_of
from opostd.mime.facts import new_post
from opostd.model.clock import wall_clock
from opostd.model.errors import NoSuchAddress, NotAllowed, OverQuota, Unavailable
from opostd.model.ids import NOBODY, BoxId, OwnerId, PostId, Uid, post_id_text
from opostd.model.mailing import NO_TERMS, Mailing, Origin, Outside, Place, Recipient, Service, Target, Terms, Wish
from opostd.model.new_ids import new_post_id
from opostd.model.records import UNLIMITED, Account, Quota
from opostd.render.pool import RenderPool
from opostd.store import withdraw
from opostd.store.run import Store

__all__ = ["Intake", "NewMessage", "Trace"]

T = TypeVar("T")
log = logging.getLogger("opostd.intake")

DELIVERY_PATIENCE_S = 5.0  # the post is kept: a box that cannot be reached now keeps nobody from the 250
GROUPS = GroupSettings()
CLOSE_PATIENCE_S = 4.0  # of the 10 s that a stop may take, should the database be away


class Intake:
    """One for all doors of a process.  Works from the first call; ``start`` adds the care for what is left over.

    hostname: in Received and Message-ID.  domains: ours, the first completes an address without one.  relay: whether
    mail may leave.  web: where browsers have the pages, or empty.
    """

    def __init__(
        self,
        store: Store,
        renderer: RenderPool,
        *,
        limits: LimitSettings,
        hostname: str,
        domains: tuple[str, ...],
        relay: bool = False,
        retries: QueueSettings | None = None,
        groups: GroupSettings = GROUPS,
        quota: Quota = UNLIMITED,
        web: str = "",
        now: Callable[[], int] = wall_clock,
    ) -> None:
        self.domains = domains
        self._web = web
        self.relay = relay
        self._store = store
        self._renderer = renderer
        self._limits = limits
        self._hostname = hostname
        self._now = now
        retries = retries or QueueSettings()
        self._router = Router(store, domains, relay)
        self.teller = Teller(
            store, self._router, hostname=hostname, domains=domains, now=now, language=retries.language
        )
        self._commit = GroupCommit(store, now=now, on_the_way=lambda key: self._deliverer.has(key), quota=quota)
        self._deliverer = Deliverer(
            store, now=now, settled=self._commit.forget, failed=self._failed, ended=self._ended, quota=quota
        )
        self._retry = Retry(
            store,
            self._deliverer,
            schedule=Schedule(retries.local_tries, FIRST_PAUSE_S, retries.longest_pause_s, retries.warn_after_s),
            teller=self.teller,
            kept=self.kept,
            now=now,
        )
        self._bounces = Bounces(
            store,
            self._router,
            hostname=hostname,
            now=now,
            kept=self.kept,
            pause_after=groups.pause_after_bounces,
        )
        self._groups = Groups(
            store,
            self._router,
            self.teller,
            self._deliverer,
            settings=groups,
            hostname=hostname,
            kept=self.kept,
            leaving=lambda: self._leaving(),
            begin=self._begin,
            now=now,
        )
        self.moderators = self._groups.moderators
        self.membership, self.recalling = self._groups.membership, self._groups.recalling
        self._indexing = Indexing(store)
        self._appender = Appender(store, self._commit, self._deliverer, limits, kept=self._indexing.wake, quota=quota)
        self._fullness, self._doubtful = Fullness(store, quota), Doubtful()
        self._leaving: Callable[[], None] = lambda: None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    async def start(self) -> None:
        """Deliver what an earlier process left, then keep looking for what could not be delivered."""
        await self._retry.start()
        self._indexing.start()
        self._groups.rounds.start()

    async def close(self) -> None:
        """What was accepted is answered first, within some seconds; what is not in its box by then is in the spool."""
        self._closed = True
        await self._retry.close()
        await self._groups.rounds.close()
        await self._indexing.close()
        self._fullness.close()
        try:
            async with asyncio.timeout(CLOSE_PATIENCE_S):
                for _ in range(2):  # what is there may have to be told of
                    await self._idle.wait()
                    await self._deliverer.finish()
                await self._commit.finish()
        except TimeoutError:
            log.warning("closed with deliveries under way: they stay in the spool")
        await self._deliverer.cancel()
        await self._commit.cancel()

    async def ahead(self, addresses: Sequence[str]) -> Known:
        """What ``route`` and ``check_room`` will ask of these, asked at once.  Raises Unavailable."""
        known = await self._router.ahead(addresses)
        await self._fullness.ahead({row.owner for row in known.values() if row is not None})
        return known

    async def route(self, address: str, account: Account | None, known: Known = NOTHING) -> tuple[Place, ...]:
        """The places that an address leads to, each once.  account: who sends, None for somebody from outside.

        known: of ``ahead``, just now.  Raises NoSuchAddress, NotAllowed, BadAddress, LimitReached, Unavailable.
        """
        return await self._router.route(address, account, known)

    async def recipient(self, address: str, account: Account | None) -> Recipient:
        """``route``, as a recipient of whom nothing else was said."""
        return Recipient(Wish(address), await self._router.route(address, account))

    async def check_room(self, places: Sequence[Place], octets: int | None) -> None:
        """Raises OverQuota where none of the places has room for a message; octets: of it, as far as that is known."""
        await self._fullness.check(places, octets)

    def now(self) -> int:
        """Seconds since 1970."""
        return self._now()

    def on_leaving(self, callback: Callable[[], None]) -> None:
        """Call this whenever something was kept that leaves."""
        self._leaving = callback

    def kept(self, mailings: Sequence[Mailing]) -> None:
        """These were kept by somebody else's commit: see to their delivery.  Returns at once."""
        for mailing in mailings:
            self._deliverer.put(arrivals(mailing, self._now())[1])
            self._see_to_the_rest(mailing)

    async def owns(self, address: str, account: Account) -> bool:
        """Whether the account may write this address as a sender: its own with any +tag, or an alias that leads to it.

        Being an administrator does not help.  Raises Unavailable.
        """
        return await self._router.owns(address, account)

    async def submit(
        self,
        raw: bytes,
        *,
        mail_from: str,
        recipients: Sequence[Recipient],
        account: Account | None,
        markdown: Markdown | bool,
        trace: Trace,
        envid: str = "",
        ret: str = "",
        terms: Terms = NO_TERMS,
        examine: Examine | None = None,
    ) -> PostId:
        """Keep a message and deliver it; its id.

        raw: with CRLF line ends.  mail_from: of the envelope, empty for ``<>``.  recipients: from ``recipient`` or
        with the places of ``route``, 1 or more places in all.  account: whose submission it is, None for mail from
        other servers, which gets trace fields only.  markdown: which text is rendered; true is "plain", false "off".
        envid, ret, terms: as MAIL had them (RFC 3461).  examine: what the door asks of it; its errors are raised here.

        Raises TooBig, BadMessage, NotAllowed, NoSuchAddress, Unavailable.
        """
        places = dict.fromkeys(place for each in recipients for place in each.places)
        if not places:
            raise NoSuchAddress("no recipient")
        with self._busy():
            id_, now = new_post_id(), self._now()
            key = partial(said, raw, mail_from, recipients, account, envid, ret, terms)
            if (known := self._doubtful.find(key)) is not None:  # its sender was told "later"
                await self._to_the_end(self._keep_and_deliver(known, now, key))
                return known.post.facts.id
            mode: Markdown = markdown if isinstance(markdown, str) else "plain" if markdown else "off"
            message = await off_loop(len(raw), partial(read, raw, self._limits))
            if account is not None:
                await check_authors(message, lambda address: self._router.owns(address, account))
                message = completed(
                    message, mail_from=mail_from or account.login, hostname=self._hostname, post=id_, now=now
                )
            clean = without_forgeries(message, hostname=self._hostname, domains=self.domains)
            if examine is not None:
                examined = await examine(id_, message, clean)
                clean = examined.message
                if examined.junk:
                    recipients = [await self._router.to_junk(each) for each in recipients]
                    places = dict.fromkeys(place for each in recipients for place in each.places)
            message = clean
            unique = once_each([place for place in places if isinstance(place, Target)])
            sources = await self._router.sources(unique)
            if account is None:
                lists.refuse_loop(message, sources)
            message = lists.addressed(message, sources, id_, self._web)
            end = expires_at(message, sources, own=account is not None, now=now)
            if end is not None:
                message = with_expires(message, end)
            if account is not None:
                message = await self._rendered(message, mode, id_)
            top = [received(trace, hostname=self._hostname, post=id_, now=now)]
            if account is None:
                top.insert(0, return_path(mail_from))
            whole = message.topped(top)
            octets = await off_loop(len(whole.rest), lambda: whole.octets)
            post = await off_loop(len(octets), partial(new_post, octets, id=id_, now=now))
            services = [place for place in places if isinstance(place, Service)]
            asked = terms.hold_until or terms.require_tls or terms.returned_after
            if asked and (services or any(each.held for each in unique)):
                # What acts on a letter does so now, and what waits for a moderator comes when they say.
                raise NotAllowed("no future release, no REQUIRETLS and no BY for this address")
            if services:
                await self._groups.desk.serve(services, message, post.facts, mail_from=mail_from, account=account)
                if len(services) == len(places):  # it has done all that it was sent for
                    return id_
            await self._groups.brake.check(sources, message, post.facts, mail_from, account)
            await self.moderators.check_room([each for each in unique if each.held])
            if end is not None:  # first: a post that is kept without its end would stay for ever
                await self._store.run(withdraw.set_end, id_, end)
            author = NOBODY if account is None else account.owner
            mailing = Mailing(
                post, tuple(recipients), Origin(mail_from, envid, ret, terms), author, self.moderators.held_until(now)
            )
            await self._to_the_end(self._keep_and_deliver(mailing, now, key))
            if not mail_from and account is None:
                for path in failed_paths((each.wish.address for each in recipients), raw):
                    self.bounced(path)
            return id_

    def bounced(self, return_path: str) -> None:
        """Mail under this return path failed; of a group's member that is counted.  Returns at once."""
        if token_of(return_path) is not None:
            self._begin(self._bounces.count(return_path))

    async def append(self, messages: Sequence[NewMessage], owner: OwnerId, box: BoxId) -> tuple[int, tuple[Uid, ...]]:
        """Put messages into a box as they are, all of them or none; the box's uidvalidity and their uids, in order.

        messages: 1 to 500.  They have no spool rows: what is not in its box at the answer was never promised, and a
        client that is told no comes again.  Raises TooBig, BadMessage, NoSuchBox, Unavailable.
        """
        with self._busy():
            now = self._now()
            rows = await self._appender.made(messages, now)
            return await self._to_the_end(self._appender.append(rows, owner, box, now))

    async def replace(
        self, message: NewMessage, owner: OwnerId, box: BoxId, source: tuple[OwnerId, BoxId], uid: Uid
    ) -> tuple[int, Uid]:
        """As ``append``, and the message ``uid`` leaves the box ``source``: both or neither.

        Raises NoSuchMessage too.
        """
        with self._busy():
            now = self._now()
            ((post, delivery),) = await self._appender.made([message], now)
            return await self._to_the_end(self._appender.replace(post, delivery, owner, box, source, uid, now))

    async def _rendered(self, message: Message, mode: Markdown, id_: PostId) -> Message:
        """With an HTML part beside its Markdown, if it is such a message."""
        if mode == "off":
            return message
        source = await off_loop(len(message.rest), partial(md.find, message, mode))
        if source is None:
            return message
        html = await self._renderer.render(source.text)
        return md.built(message, source, html, b"=_" + post_id_text(id_).encode())

    async def _keep_and_deliver(self, mailing: Mailing, now: int, key: Said) -> None:
        with self._doubtful.kept(key, mailing) as again:
            ticket, coming = arrivals(mailing, now, again=again)
            along = await self._commit.keep(mailing, coming, again=again)
        if not along:
            self._deliverer.put(coming)
        self._see_to_the_rest(mailing)
        if ticket.left:
            await asyncio.wait([ticket.done], timeout=DELIVERY_PATIENCE_S)

    def _see_to_the_rest(self, mailing: Mailing) -> None:
        """Of what was kept: the index, the agent where something leaves, moderators where something is held."""
        self._indexing.wake()
        places = [place for recipient in mailing.recipients for place in recipient.places]
        if any(isinstance(place, Outside) for place in places):
            self._leaving()
        if any(isinstance(place, Target) and place.held for place in places):
            self._begin(self.moderators.tell(mailing.post.facts.id))

    def _failed(self, arrival: Arrival, error: Exception) -> None:
        if not isinstance(error, OverQuota):  # which no hurry mends
            self._retry.hurry()

    def _ended(self, arrival: Arrival, error: Exception | None) -> None:
        """Somebody is told of it; the spool keeps the row until that is kept, so that it is told for certain, once."""
        self._begin(self._tell(arrival, error))

    async def _tell(self, arrival: Arrival, error: Exception | None) -> None:
        key = (arrival.delivery.post, arrival.owner, arrival.box)
        try:
            self.kept(await self.teller.ended(key, error))
        except Unavailable as fault:
            log.warning("not told id=%s error=%r", post_id_text(arrival.delivery.post), fault)  # the spool still has it

    # What close() waits for

    @contextlib.contextmanager
    def _busy(self) -> Iterator[None]:
        if self._closed:
            raise Unavailable("the server stops")
        self._under_way += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            self._look_idle()

    def _look_idle(self) -> None:
        if not self._under_way and not self._tasks:
            self._idle.set()

    async def _to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """What has begun goes on without its caller, who may be cancelled: a client that is gone."""
        return await asyncio.shield(self._begin(work))

    def _begin(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        self._idle.clear()
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        self._look_idle()
        if not task.cancelled():
            task.exception()  # looked at: its caller may be gone, and the log has it
