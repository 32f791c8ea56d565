"""What follows from an attempt: what goes out of the spool, what is tried when, and what its sender is told.

Pure.  RFC 5321 4.5.4.1, RFC 3461 5.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from opostd.intake.report import Action, Status
from opostd.intake.schedule import Schedule
from opostd.model.records import Notify
from opostd.store.outgoing import Key, Later, Leaving
from opostd.worker.answer import Fate, Outcome

EXPIRED = "5.4.7"  # RFC 3463 3.5: delivery time expired


@dataclass(slots=True)
class Verdict:
    """Of rows of one post and one sender."""

    done: list[Key] = field(default_factory=list)
    later: list[Later] = field(default_factory=list)
    statuses: dict[Action, list[Status]] = field(default_factory=dict)

    def tell(self, status: Status) -> None:
        self.statuses.setdefault(status.action, []).append(status)


def verdict(
    attempts: Sequence[tuple[Leaving, Outcome]], schedule: Schedule, now: int, chances: Sequence[float]
) -> Verdict:
    """chances: 0 to 1 for each attempt."""
    result = Verdict()
    for (row, outcome), chance in zip(attempts, chances, strict=True):
        if outcome.fate is Fate.TAKEN:
            result.done.append(row.key)
            if Notify.SUCCESS in row.notify and not outcome.reports:
                result.tell(Status(row.wish, Action.RELAYED, outcome.status, outcome.host, outcome.text))
            continue
        next_at = schedule.next_at(row.attempts, now, chance) if outcome.fate is Fate.LATER else None
        if next_at is None:
            result.done.append(row.key)
            status = outcome.status if outcome.fate is Fate.FAILED else EXPIRED
            result.tell(Status(row.wish, Action.FAILED, status, outcome.host, outcome.text))
            continue
        warned = not row.warned and now - row.created >= schedule.warn_after_s
        if warned:
            until = schedule.ends_at(row.attempts, now)
            result.tell(Status(row.wish, Action.DELAYED, outcome.status, outcome.host, outcome.text, until))
        error = f"{outcome.text} ({outcome.host})" if outcome.host else outcome.text
        result.later.append(Later(row.key, error, next_at, warned))
    return result
