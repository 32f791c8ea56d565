"""The background work of the store: what is due is done, whoever looks at a box or not.

Several processes may do this at once: each step is idempotent, and what two do together is done once.
"""

import logging
import random
from collections.abc import Callable

from opostd.config import QueueSettings
from opostd.intake.retry import FIRST_PAUSE_S
from opostd.intake.rounds import Loop
from opostd.intake.schedule import Schedule
from opostd.model.errors import NoSuchBox, Unavailable
from opostd.model.ids import post_id_text
from opostd.store import set_aside, withdraw
from opostd.store.run import Store
from opostd.store.set_aside import SetAside
from opostd.store.spooling import HELD_AT

log = logging.getLogger("opostd.agent")

LOOK_S = 5.0  # between looks: a post that has come to its end leaves its boxes within this
LEASE_S = 120  # as the spool's: four times the store's own patience
LEASE_ROWS = 100


class Agent:
    """One task, from ``start`` to ``close``.

    now: seconds since 1970.  retries: of what is set aside.  chance: gives 0 to 1.
    """

    def __init__(
        self,
        store: Store,
        now: Callable[[], int],
        retries: QueueSettings | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        retries = retries or QueueSettings()
        self._store = store
        self._schedule = Schedule(retries.local_tries, FIRST_PAUSE_S, retries.longest_pause_s, retries.warn_after_s)
        self._now = now
        self._chance = chance
        self._loop = Loop("the agent", self.once, LOOK_S, log)

    def start(self) -> None:
        self._loop.start()

    async def close(self) -> None:
        await self._loop.close()

    async def once(self) -> int:
        """All that is due now; how many posts were swept or tried again.  Raises Unavailable."""
        now, done = self._now(), 0
        while due := await self._store.run(withdraw.due, now):
            for post in due:
                found = await withdraw.sweep(self._store, post, now)
                log.debug("swept id=%s removed=%d", post_id_text(post), found.removed)
                done += 1
        while leased := await self._store.run(set_aside.lease, now, LEASE_S, LEASE_ROWS):
            for row in leased:
                await self._put_in(row, now)
            done += len(leased)
        return done

    async def _put_in(self, row: SetAside, now: int) -> None:
        """One post that its box has refused, once more; when it is tried next, if it is refused again."""
        try:
            if await self._store.run(set_aside.put_in, *row.key, now):
                id_ = post_id_text(row.post)
                log.info("put in id=%s owner=%d box=%d after %d tries", id_, row.owner, row.box, row.attempts)
        except Unavailable:
            raise
        except NoSuchBox:  # and its rows with it, but for one that came at that moment
            await self._store.run(set_aside.forget, row.key)
        except Exception as error:
            next_at = self._schedule.next_at(row.attempts, now, self._chance())
            text = set_aside.error_text(error)
            if next_at is None:
                id_ = post_id_text(row.post)
                log.error("held id=%s owner=%d box=%d: tried %d times: %s", id_, *row.key[:2], row.attempts, text)
            await self._store.run(set_aside.later, row.key, text, HELD_AT if next_at is None else next_at)
