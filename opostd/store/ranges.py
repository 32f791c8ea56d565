"""Messages of one box by ranges of UIDs: the conditions that STORE, COPY, MOVE and EXPUNGE share.

One range is what clients nearly always send, and has its statements ready; many go into one statement page by page.
"""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from opostd.model.ids import BoxId, OwnerId
from opostd.store.database import chunks
from opostd.store.schema import delivered_post

Ranges = Sequence[tuple[int, int]]
"""Inclusive, of UIDs."""

RANGES_IN_STATEMENT = 200  # SQLite's expressions are at most 1,000 deep

_dp = delivered_post

IN_BOX = (
    _dp.c.owner_id == sa.bindparam("owner", type_=sa.BigInteger),
    _dp.c.box_id == sa.bindparam("box", type_=sa.BigInteger),
)
"""The box of the parameters ``owner`` and ``box``."""

ONE_RANGE = (
    *IN_BOX,
    _dp.c.uid.between(sa.bindparam("first", type_=sa.BigInteger), sa.bindparam("last", type_=sa.BigInteger)),
)
"""Of that box, the UIDs from ``first`` to ``last``."""


def in_box(owner: OwnerId, box: BoxId, ranges: Ranges) -> sa.ColumnElement[bool]:
    """Any of these ranges of the box; at most RANGES_IN_STATEMENT."""
    singles = [first for first, last in ranges if first == last]
    parts: list[sa.ColumnElement[bool]] = [_dp.c.uid.between(*pair) for pair in ranges if pair[0] != pair[1]]
    if singles:
        parts.append(_dp.c.uid.in_(singles))
    return sa.and_(_dp.c.owner_id == owner, _dp.c.box_id == box, sa.or_(sa.false(), *parts))


def pages(ranges: Ranges) -> Iterator[Ranges]:
    """As many ranges as one statement takes."""
    return chunks(ranges, RANGES_IN_STATEMENT)
