"""What SEARCH asks of posts: which of these hold a text, exactly.

Texts are as i;unicode-casemap compares them on both sides (``mime.casemap``); a needle means only itself.  A reader
finds what is in his box, for only ids of his box are asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from opostd.model.ids import PostId
from opostd.model.records import Sought
from opostd.store import schema, search_index
from opostd.store.database import chunks
from opostd.store.dialect import among, among_rows, contains
from opostd.store.ready import PLANNED_ANEW
from opostd.store.run import Group, Tx, reads
from opostd.store.types import PostIdType, storable

_search, _new, _todo = schema.post_search, schema.search_new, schema.search_todo

AT_ONCE = 10_000  # ids in one array: PostgreSQL looks the needle up once for each


class Where(Enum):
    BODY = "body"
    TEXT = "text"  # the header too
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Needle:
    """What is looked for.  field: of HEADER, as compared; there an empty text asks whether the field is there."""

    text: str
    where: Where
    field: str = ""


@reads(Group.POST)
def may_hold(tx: Tx, ids: Sequence[PostId], needle: Needle) -> list[PostId] | None:
    """Those of the ids that the index does not rule out, or None where it cannot tell."""
    text = storable(needle.text)
    if len(text) < search_index.TRIGRAM:
        return None
    if tx.dialect == "postgresql":
        return _may_hold(tx, ids, text, needle.where)
    where = needle.where
    found = search_index.holding(tx, text, head=where is not Where.BODY, text=where is not Where.HEADER)
    return None if found is None else [id_ for id_ in ids if id_ in found]


def _may_hold(tx: Tx, ids: Sequence[PostId], text: str, where: Where) -> list[PostId]:
    """PostgreSQL: LIKE, which GIN answers where it is there; the rows of the box alone are looked into.

    Posts of a version without an index, which are still noted, are never ruled out.
    """
    pattern = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    found: set[bytes] = {row[0] for row in tx.rows(_NOTED, {})}
    for page in chunks(ids, AT_ONCE):
        found.update(row[0] for row in tx.rows(_POSTGRES_MAY_HOLD[where], {"ids": page, "pattern": pattern}))
    return [id_ for id_ in ids if id_ in found]


def _may_hold_statement(*columns: str) -> sa.Executable:
    """One over both tables, for a row may be moved from one to the other meanwhile.

    Planned for each pattern: by GIN or by the ids, whichever are fewer.
    """
    like = " OR ".join(f"{column} LIKE :pattern" for column in columns)
    return (
        sa.text(
            " UNION ALL ".join(
                f"SELECT uuid_send(id) FROM {table} WHERE id = ANY(CAST(:ids AS uuid[])) AND ({like})"  # noqa: S608
                for table in ("post_search", "search_new")
            )
        )
        .bindparams(sa.bindparam("ids", type_=postgresql.ARRAY(PostIdType())))
        .execution_options(**{PLANNED_ANEW: True})
    )


_NOTED = sa.select(_todo.c.id)
_POSTGRES_MAY_HOLD = {
    Where.BODY: _may_hold_statement("text"),
    Where.HEADER: _may_hold_statement("head"),
    Where.TEXT: _may_hold_statement("head", "text"),
}


@reads(Group.POST)
def matching(tx: Tx, ids: Sequence[PostId], needle: Needle) -> tuple[set[PostId], list[PostId]]:
    """Those of the posts that hold it, and those that have no row to look into.  At most 500 ids are one statement."""
    found: set[PostId] = set()
    rowless: list[PostId] = []
    text, field = storable(needle.text), f"\n{storable(needle.field)}:"
    field_alone = needle.where is Where.HEADER and not text
    statement = _MATCHING[needle.where, field_alone][tx.dialect]
    for page in chunks(ids):
        seen = set()
        for id_, held in among_rows(tx, statement, {"ids": list(page), "needle": field if field_alone else text}):
            seen.add(id_)
            if _in_field(held, field, text) if isinstance(held, str) else held:
                found.add(PostId(id_))
        rowless += [id_ for id_ in page if id_ not in seen]
    return found, rowless


def _statements(where: Where, field_alone: bool) -> dict[str, sa.Executable]:
    """By dialect: id, and whether it holds the needle; of HEADER the head that has it, to be looked into."""
    needle = sa.bindparam("needle", type_=sa.Text)

    def held(dialect: str, table: sa.Table) -> sa.ColumnElement[Any]:
        in_head, in_text = (contains(dialect, table.c[name], needle) for name in ("head", "text"))
        match where:
            case Where.BODY:
                return in_text
            case Where.TEXT:
                return sa.or_(in_head, in_text)
            case Where.HEADER if field_alone:
                return in_head
            case Where.HEADER:
                return sa.case((in_head, table.c.head))

    return _of_both(lambda dialect, table: (table.c.id, held(dialect, table)))


def _of_both(
    columns: Callable[[str, sa.Table], Sequence[sa.ColumnElement[Any]]],
) -> dict[str, sa.Executable]:
    """By dialect: columns of those rows that ``ids`` names; on PostgreSQL from both tables, in one statement."""
    made: dict[str, sa.Executable] = {}
    for dialect, tables in (("sqlite", (_search,)), ("postgresql", (_search, _new))):
        selects = [sa.select(*columns(dialect, table)).where(among(table.c.id)[dialect]) for table in tables]
        made[dialect] = selects[0] if len(selects) == 1 else sa.union_all(*selects)
    return made


_MATCHING = {(where, alone): _statements(where, alone) for where in Where for alone in (False, True)}


def _in_field(head: str, field: str, text: str) -> bool:
    """Whether the value of a field of that name holds the text.  field: with LF and colon."""
    at = head.find(field)
    while at >= 0:
        start = at + len(field) + 1
        end = head.find("\n", start)
        end = len(head) if end < 0 else end
        if head.find(text, start, end) >= 0:
            return True
        at = head.find(field, end)
    return False


_SORTED_BY = tuple(field.name for field in fields(Sought) if field.name != "head")
_SOUGHT = _of_both(lambda _, table: (table.c.id, *(table.c[name] for name in _SORTED_BY)))


@reads(Group.POST)
def sought(tx: Tx, ids: Sequence[PostId]) -> dict[PostId, Sought]:
    """What SORT and THREAD look at, by id, without the head; a post without a row is left out."""
    found: dict[PostId, Sought] = {}
    for page in chunks(ids):
        for row in among_rows(tx, _SOUGHT[tx.dialect], {"ids": list(page)}):
            found[PostId(row[0])] = Sought(*row[1:])
    return found
