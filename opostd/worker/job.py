"""What the delivery agent works on: jobs, and the destinations to which they go over the same connections."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from opostd.model.ids import PostId
from opostd.model.mailing import Origin
from opostd.store.outgoing import Key, Leaving


@dataclass(frozen=True, slots=True)
class Job:
    """One transaction: rows of one post and one sender.  via: the group whose copy it is, or empty."""

    post: PostId
    origin: Origin
    rows: tuple[Leaving, ...]
    via: str = ""

    @property
    def keys(self) -> list[Key]:
        return [row.key for row in self.rows]


@dataclass(slots=True)
class Destination:
    """Where jobs go over the same connections."""

    name: str
    jobs: "deque[Job]" = field(default_factory=deque)
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    idle: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    down_until: int = 0
