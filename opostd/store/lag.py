"""How far the agent is behind: of each source, what it still has for those who look at their mail these days.

Counted when somebody asks, and never on the way of a message.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from opostd.model.ids import SYSTEM_OWNER, BoxId
from opostd.store import schema
from opostd.store.run import Group, Tx, reads
from opostd.store.sourcing import tops

_dp, _sub, _active = schema.delivered_post, schema.subscription, schema.active


@dataclass(frozen=True, slots=True)
class Lag:
    """boxes: that are not up to date; posts: that the last of them waits for; oldest: when the first of these came."""

    source: BoxId
    boxes: int
    posts: int
    oldest: int


@reads(Group.OWNER)
def lag(tx: Tx, since: int) -> list[Lag]:
    """Of each source that has something for boxes of people who have looked since then; the longest wait first."""
    waiting: dict[BoxId, list[tuple[int, int]]] = {}
    for source, watermark, count in tx.execute(
        sa.select(_sub.c.source_box, _sub.c.watermark, sa.func.count())
        .select_from(_sub.join(_active, _active.c.owner_id == _sub.c.owner_id))
        .where(_active.c.seen >= since)
        .group_by(_sub.c.source_box, _sub.c.watermark)
    ):
        waiting.setdefault(BoxId(source), []).append((watermark, count))
    ends = tops(tx, {(SYSTEM_OWNER, source) for source in waiting})
    found: list[Lag] = []
    for source, standing in waiting.items():
        late = [each for each in standing if each[0] < ends.get((SYSTEM_OWNER, source), 0)]
        if not late:
            continue
        posts, oldest = tx.execute(
            sa.select(sa.func.count(), sa.func.min(_dp.c.savedate)).where(
                _dp.c.owner_id == SYSTEM_OWNER, _dp.c.box_id == source, _dp.c.uid > min(late)[0]
            )
        ).one()
        if posts:  # else what there was has left the source
            found.append(Lag(source, sum(count for _, count in late), posts, oldest))
    return sorted(found, key=lambda each: (each.oldest, each.source))
