"""The first statements of a process, run before anybody asks: what SELECT, STATUS and FETCH read.

A connection that is opened, a schema that is read and statements that are compiled take some 20 ms, which the first
client after a restart would wait for.  Nothing is read but rows that are not there.
"""

import asyncio
import contextlib

from opostd.model.errors import NoSuchBox, OpostError
from opostd.model.ids import SYSTEM_OWNER, BoxId, PostId
from opostd.store import boxes, listing, posts
from opostd.store.locks import read_box
from opostd.store.names import INBOX
from opostd.store.run import Group, Store, Tx, reads
from opostd.store.sourcing import of_target, tops

NOBODY = BoxId(0)
TIMES = 2  # the second time a statement goes to the driver as it is (store.ready)
THREADS = 2  # that read


async def warm(store: Store) -> None:
    """Whatever the store says: who comes first will hear it, too."""
    with contextlib.suppress(OpostError):
        for _ in range(TIMES):
            await store.glance(_looks)
            await asyncio.gather(*(store.run(_reads) for _ in range(THREADS)))
            await asyncio.gather(*(store.run(_posts) for _ in range(THREADS)))


@reads(Group.OWNER)
def _looks(tx: Tx) -> None:
    of_target(tx, SYSTEM_OWNER, NOBODY)
    tops(tx, {(SYSTEM_OWNER, NOBODY)})
    with contextlib.suppress(NoSuchBox):
        read_box(tx, SYSTEM_OWNER, NOBODY)
    with contextlib.suppress(NoSuchBox):
        boxes.box_named(tx, SYSTEM_OWNER, INBOX)


@reads(Group.OWNER)
def _reads(tx: Tx) -> None:
    _looks(tx)
    listing.rows(tx, SYSTEM_OWNER, NOBODY)


@reads(Group.POST)
def _posts(tx: Tx) -> None:
    nothing = [PostId(bytes(16))]
    posts.headers(tx, nothing)
    posts.facts(tx, nothing)
