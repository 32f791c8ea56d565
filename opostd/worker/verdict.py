"""What follows from an attempt: what goes out of the spool, what is tried when, and what its sender is told.

Pure.  RFC 5321 4.5.4.1, RFC 3461 5.2, RFC 2852 4 (a time by which a message is to be delivered).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from opostd.intake.report import Action, Status
from opostd.intake.schedule import Schedule
from opostd.model.mailing import Notify
from opostd.store.outgoing import Key, Later, Leaving
from opostd.worker.answer import EXPIRED, Fate, Outcome

LATE = "4.4.7"  # RFC 2852 4.1: not by the time its sender has set, and tried further


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
        terms = row.origin.terms
        if outcome.fate is Fate.TAKEN:
            result.done.append(row.key)
            if Notify.SUCCESS in row.notify and not outcome.reports:
                result.tell(Status(row.wish, Action.RELAYED, outcome.status, outcome.host, outcome.text))
            elif terms.traced or (terms.by_mode and not outcome.timed):
                # RFC 2852: each step is to be told, or that nobody looks at the time any more.
                result.tell(Status(row.wish, Action.RELAYED, outcome.status, outcome.host, outcome.text, asked=True))
            continue
        next_at = schedule.next_at(row.attempts, now, chance) if outcome.fate is Fate.LATER else None
        if next_at is not None and terms.by_mode and now < terms.deliver_by:
            next_at = min(next_at, terms.deliver_by)
        elif terms.returned_after:
            next_at = None
        if next_at is None:
            result.done.append(row.key)
            status = outcome.status if outcome.fate is Fate.FAILED else EXPIRED
            result.tell(Status(row.wish, Action.FAILED, status, outcome.host, outcome.text))
            continue
        late = terms.by_mode.startswith("N") and now >= terms.deliver_by
        if late:
            until = schedule.ends_at(row.attempts, now)
            result.tell(Status(row.wish, Action.DELAYED, LATE, outcome.host, outcome.text, until, asked=True))
        warned = not late and not row.warned and now - row.created >= schedule.warn_after_s
        if warned:
            until = schedule.ends_at(row.attempts, now)
            result.tell(Status(row.wish, Action.DELAYED, outcome.status, outcome.host, outcome.text, until))
        error = f"{outcome.text} ({outcome.host})" if outcome.host else outcome.text
        by_mode = terms.by_mode.replace("N", "n") if late else ""
        result.later.append(Later(row.key, error, next_at, warned, by_mode=by_mode))
    return result
