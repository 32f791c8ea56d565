"""What became of a job is kept: rows go, or wait for their next try, with one commit that also keeps the notifications.

RFC 3461 6, RFC 3464.  What must stay true: what another server has taken is settled however long the database is away,
while we are here; whoever sent it again would send it twice.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from opostd.intake.intake import Intake
from opostd.intake.report import Action
from opostd.intake.schedule import Schedule
from opostd.intake.verp import counts
from opostd.model.errors import Unavailable
from opostd.model.ids import post_id_text
from opostd.model.mailing import Mailing
from opostd.store import outgoing
from opostd.store.run import Store
from opostd.worker.answer import Outcome
from opostd.worker.job import Job
from opostd.worker.verdict import verdict

log = logging.getLogger("opostd.agent")

AGAIN_S = 5.0  # after the database was away


class Settler:
    """now: seconds since 1970.  chance: gives 0 to 1.  closing: the agent stops; nothing is tried again."""

    def __init__(
        self,
        store: Store,
        intake: Intake,
        schedule: Schedule,
        now: Callable[[], int],
        chance: Callable[[], float],
    ) -> None:
        self.closing = False
        self._store = store
        self._intake = intake
        self._schedule = schedule
        self._now = now
        self._chance = chance

    async def settle(self, job: Job, outcomes: Sequence[Outcome]) -> None:
        """One transaction: the rows, and what their sender is told.  Returns when that is kept, or at a stop."""
        now = self._now()
        for row, outcome in zip(job.rows, outcomes, strict=True):
            fate, id_, host = outcome.fate.value, post_id_text(row.post), outcome.host or "-"
            log.info("%s id=%s to=%s host=%s try=%d said=%s", fate, id_, row.address, host, row.attempts, outcome.text)
        attempts = list(zip(job.rows, outcomes, strict=True))
        made = verdict(attempts, self._schedule, now, [self._chance() for _ in attempts])
        while True:
            try:
                reports: list[Mailing] = []
                for statuses in made.statuses.values():
                    reports += await self._intake.teller.notification(
                        job.post, job.origin, job.rows[0].created, statuses
                    )
                if await self._store.run(outgoing.settle, made.done, made.later, reports, now):
                    self._intake.kept(reports)
                    if any(counts(each.status) for each in made.statuses.get(Action.FAILED, ())):
                        self._intake.bounced(job.origin.sender)
                return
            except Unavailable as error:
                # What was taken would be sent again by whoever finds the row: not while we are here to know better.
                log.warning("not settled id=%s error=%r", post_id_text(job.post), error)
                if self.closing:
                    return
            await asyncio.sleep(AGAIN_S)
