"""The delivery agent: leases what leaves, carries it over a few connections to each destination, settles it.

What must stay true: several agents share one spool, for each works on what it has leased, and renews that while it
works; a row goes with one commit that also keeps what its sender is told; a destination that is away or slow holds up
no other; after a crash nothing is lost, and nothing is sent twice but what was answered while we died (RFC 5321 6.1).
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence

from opostd.config import QueueSettings, RelaySettings
from opostd.intake.intake import Intake
from opostd.intake.schedule import Schedule
from opostd.model.clock import wall_clock
from opostd.model.errors import LostPost, Unavailable
from opostd.model.ids import PostId, post_id_text
from opostd.model.mailing import Origin
from opostd.store import outgoing, posts
from opostd.store.outgoing import Key, Later, Leaving
from opostd.store.run import Store
from opostd.store.spooling import HELD_AT
from opostd.worker.answer import EXPIRED, Fate, Outcome
from opostd.worker.calling import Caller
from opostd.worker.connection import Timeouts
from opostd.worker.host import NoService, NoSuchDomain
from opostd.worker.hosts import Hosts
from opostd.worker.job import Destination, Job
from opostd.worker.message import parcel
from opostd.worker.rewrite import Rewriter
from opostd.worker.session import Envelope, Session
from opostd.worker.settling import Settler

log = logging.getLogger("opostd.agent")

LOOK_S = 5.0  # between looks: what another process accepts has no other way to tell us
MAX_ROWS = 1000  # in memory
MAX_ROWS_OF_DOMAIN = 250
MAX_RECIPIENTS = 100  # of one transaction: what RFC 5321 4.5.3.1.8 lets us count on
DOWN_S = 60  # a destination that cannot be reached is left alone for so long
LINGER_S = 2.0  # a connection waits for the next message
CLOSE_S = 3.0  # for what is on its way at a stop


class DeliveryAgent:
    """One for a process.  rewriter: of copies for members of groups.  sign: puts signatures on what leaves.

    now: seconds since 1970.  chance: gives 0 to 1.
    """

    def __init__(
        self,
        store: Store,
        intake: Intake,
        hosts: Hosts,
        *,
        relay: RelaySettings,
        queue: QueueSettings,
        hostname: str,
        now: Callable[[], int] = wall_clock,
        chance: Callable[[], float] = random.random,
        timeouts: Timeouts | None = None,
        rewriter: Rewriter | None = None,
        sign: Callable[[bytes], bytes] = lambda raw: raw,
        linger_s: float = LINGER_S,
    ) -> None:
        self._store = store
        self._hosts = hosts
        self._relay = relay
        self._lease_s = queue.lease_s
        schedule = Schedule(queue.tries, queue.first_pause_s, queue.longest_pause_s, queue.warn_after_s)
        self._settler = Settler(store, intake, schedule, now, chance)
        self._caller = Caller(hosts, hostname, timeouts or Timeouts())
        self._now = now
        self._chance = chance
        self._rewriter = rewriter
        self._sign = sign
        self._linger_s = linger_s
        self._destinations: dict[str, Destination] = {}
        self._held: dict[Key, int] = {}  # what is leased, and until when
        self._hurry = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        intake.on_leaving(self._hurry.set)

    async def start(self) -> None:
        """Look for mail again and again, in tasks of its own."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run()), loop.create_task(self._keep_leases())]

    async def close(self) -> None:
        """What is on its way may come to its end for some seconds; the rest goes back into the spool."""
        self._closing = self._settler.closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        back = [key for each in self._destinations.values() for job in each.jobs for key in job.keys]
        for each in self._destinations.values():
            each.jobs.clear()
            each.news.set()
        working = [task for each in self._destinations.values() for task in each.tasks]
        if working:
            _, late = await asyncio.wait(working, timeout=CLOSE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._give_back(back, self._now(), "stopped before it was tried")

    async def drain(self) -> int:
        """Try all that is due now; how many rows that was.  Raises Unavailable."""
        rows = 0
        while found := await self._look():
            rows += found
            while working := [task for each in self._destinations.values() for task in each.tasks]:
                await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
        return rows

    async def _run(self) -> None:
        while True:
            self._hurry.clear()
            try:
                while await self._look():
                    pass
            except Exception as error:
                unknown = None if isinstance(error, Unavailable) else error
                log.warning("the queue cannot be looked at error=%r", error, exc_info=unknown)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S * (1 + self._chance() / 2)):
                    await self._hurry.wait()

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            keys, now = list(self._held), self._now()
            if not keys:
                continue
            try:
                renewed = await self._store.run(outgoing.renew, keys, now, self._lease_s)
            except Exception as error:
                log.warning("leases not renewed rows=%d error=%r", len(keys), error)
                continue
            for key in renewed:
                if key in self._held:
                    self._held[key] = now + self._lease_s

    # -- from the spool to the destinations ----------------------------------------------------------------------

    async def _look(self) -> int:
        """Lease what is due and there is room for, and set it on its way; how many rows that was."""
        room = MAX_ROWS - len(self._held)
        if room <= 0 or self._closing:
            return 0
        now = self._now()
        for each in list(self._destinations.values()):
            if not each.tasks and not each.jobs and each.down_until <= now:
                del self._destinations[each.name]
        counts: dict[str, int] = {}
        for each in self._destinations.values():
            for job in each.jobs:
                for row in job.rows:
                    counts[row.domain] = counts.get(row.domain, 0) + 1
        busy = [domain for domain, count in counts.items() if count >= MAX_ROWS_OF_DOMAIN]
        # What we had already is on its way, or taken and not yet settled, because the database was away for longer than
        # the lease: whoever sent it again would send it twice.
        ours = set(self._held)
        leased = await self._store.run(outgoing.lease, now, self._lease_s, min(room, MAX_ROWS_OF_DOMAIN), busy)
        rows = [row for row in leased if row.key not in ours]
        for key in (row.key for row in leased):
            if key in self._held or key not in ours:
                self._held[key] = now + self._lease_s
        groups: dict[tuple[str, PostId, Origin, str], list[Leaving]] = {}
        for row in rows:
            groups.setdefault((self._hosts.destination(row.domain), row.post, row.origin, row.via), []).append(row)
        for (name, post, origin, via), those in groups.items():
            destination = self._destinations.setdefault(name, Destination(name))
            if destination.down_until > now:
                await self._give_back([row.key for row in those], destination.down_until, f"{name} was away just now")
                continue
            for at in range(0, len(those), MAX_RECIPIENTS):
                self._set_out(destination, Job(post, origin, tuple(those[at : at + MAX_RECIPIENTS]), via))
        return len(rows)

    def _set_out(self, destination: Destination, job: Job) -> None:
        jobs, priority = destination.jobs, job.origin.terms.priority
        at = len(jobs)
        while at and jobs[at - 1].origin.terms.priority < priority:  # RFC 6710 5.1
            at -= 1
        jobs.insert(at, job)
        destination.news.set()
        self._staff(destination)

    def _staff(self, destination: Destination) -> None:
        """One connection more, where it helps and may be."""
        if destination.idle < len(destination.jobs) and len(destination.tasks) < self._relay.connections:
            task = asyncio.get_running_loop().create_task(self._carry(destination))
            destination.tasks.add(task)
            task.add_done_callback(lambda done: self._carried(destination, done))

    def _carried(self, destination: Destination, task: "asyncio.Task[None]") -> None:
        destination.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a connection failed destination=%s", destination.name, exc_info=task.exception())
        if destination.jobs and not self._closing:  # they came while it said goodbye
            self._staff(destination)

    async def _give_back(self, keys: Sequence[Key], next_at: int, why: str) -> None:
        """Rows that were not tried after all: for somebody else, or later."""
        if not keys:
            return
        later = [Later(key, why, next_at, counted=False) for key in keys]
        await self._store.run(outgoing.settle, [], later, [], self._now())
        self._let_go(keys)

    def _let_go(self, keys: Sequence[Key]) -> None:
        for key in keys:
            self._held.pop(key, None)

    # -- one connection ------------------------------------------------------------------------------------------

    async def _carry(self, destination: Destination) -> None:
        """Jobs over one connection after the other, while there are some."""
        session: Session | None = None
        try:
            while (job := await self._next(destination, session)) is not None:
                try:
                    session = await self._one(destination, job, session)
                except Exception as error:
                    log.error("not settled id=%s", post_id_text(job.post), exc_info=error)
                finally:
                    # Settled, or left to its lease, which then ends by itself.
                    self._let_go(job.keys)
        finally:
            if session is not None:
                if self._closing:
                    session.abort()
                await session.quit()

    async def _next(self, destination: Destination, session: Session | None) -> Job | None:
        if not destination.jobs and session is not None and session.alive and not self._closing:
            destination.news.clear()
            destination.idle += 1
            try:
                async with asyncio.timeout(self._linger_s):
                    await destination.news.wait()
            except TimeoutError:
                pass
            finally:
                destination.idle -= 1
        return destination.jobs.popleft() if destination.jobs else None

    async def _one(self, destination: Destination, job: Job, session: Session | None) -> Session | None:
        """One job, settled; the session that may carry the next."""
        if not self._ours(job):
            return session
        if 0 < job.origin.terms.returned_after <= self._now():
            expired = Outcome(Fate.FAILED, EXPIRED, "not delivered by the time that its sender has set")
            await self._settler.settle(job, [expired] * len(job.rows))
            return session
        try:
            raw = await self._store.run(posts.raw, job.post)
        except LostPost as error:
            log.error("held id=%s: the post is lost", post_id_text(job.post))
            later = [Later(row.key, f"LostPost: {error}", HELD_AT) for row in job.rows]
            await self._store.run(outgoing.settle, [], later, [], self._now())
            return session
        if job.via and self._rewriter is not None:
            raw = await self._rewriter.copy(raw, job.via)
        ready = await asyncio.to_thread(parcel, raw, self._sign)
        care = job.origin.terms.require_tls
        if session is not None and (
            not session.alive or session.sent >= self._relay.messages_per_connection or (care and not session.keeps_tls)
        ):
            await session.quit()
            session = None
        fresh = session is None
        try:
            if session is None:
                session = await self._caller.connect(destination.name, care)
            outcomes = await session.send(self._envelope(job), ready, lambda: self._ours(job))
            if not fresh and not session.heard:
                # It had closed the idle connection meanwhile: that says nothing of this message.
                session = await self._caller.connect(destination.name, care)
                outcomes = await session.send(self._envelope(job), ready, lambda: self._ours(job))
        except NoService as error:
            outcome = Outcome(Fate.LATER, error.status, str(error))
            if error.reached:  # one was there, though not for this message
                await self._settler.settle(job, [outcome] * len(job.rows))
            else:
                await self._away(destination, job, outcome)
            return None
        except NoSuchDomain as error:
            await self._settler.settle(job, [Outcome(Fate.FAILED, error.status, str(error))] * len(job.rows))
            return None
        if outcomes is None:
            log.warning("left id=%s: its lease had ended", post_id_text(job.post))
            return None
        await self._settler.settle(job, outcomes)
        return session

    def _envelope(self, job: Job) -> Envelope:
        wishes = tuple(row.wish for row in job.rows)
        by_s = job.origin.terms.deliver_by - self._now()
        return Envelope(job.origin.sender, wishes, job.origin.envid, job.origin.ret, job.origin.terms, by_s)

    def _ours(self, job: Job) -> bool:
        now = self._now()
        return all(self._held.get(row.key, 0) > now for row in job.rows)

    async def _away(self, destination: Destination, job: Job, outcome: Outcome) -> None:
        """Nobody took us: this job has been tried, and those that wait with it."""
        log.warning("away destination=%s error=%s", destination.name, outcome.text)
        destination.down_until = self._now() + DOWN_S
        jobs = [job, *destination.jobs]
        destination.jobs.clear()
        for each in jobs:
            try:
                await self._settler.settle(each, [outcome] * len(each.rows))
            finally:
                self._let_go(each.keys)
