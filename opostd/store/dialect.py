"""The few statements that the two databases spell differently."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from opostd.model.columns import POST_ID_OCTETS
from opostd.model.ids import BoxId, ModSeq, OwnerId, PostId
from opostd.store import schema
from opostd.store.run import Tx
from opostd.store.types import PostIdType

_INSERT: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def insert_new(tx: Tx, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts rows; one whose key is there already is left as it is.  At most 500 rows."""
    if not rows:
        return
    names = tuple(rows[0])
    if tx.dialect == "postgresql" and len(rows) > 1:
        tx.later(_insert_arrays(table, names), {name: [row[name] for row in rows] for name in names})
    else:
        tx.later(_insert_new(tx.dialect, table, names), *rows)


@cache
def _insert_arrays(table: sa.Table, names: tuple[str, ...]) -> sa.Executable:
    """PostgreSQL: an array for each column: one statement, whatever the number of rows."""
    arrays = {name: postgresql.ARRAY(table.c[name].type) for name in names}
    unnested = (
        sa.func.unnest(*(sa.cast(sa.bindparam(name, type_=array), array) for name, array in arrays.items()))
        .table_valued(*names)
        .render_derived()
    )
    insert = postgresql.insert(table).from_select(names, sa.select(*unnested.c))
    ignoring: sa.Executable = insert.on_conflict_do_nothing()
    return ignoring


@cache
def _insert_new(dialect: str, table: sa.Table, names: tuple[str, ...]) -> sa.Executable:
    insert = _INSERT[dialect](table).values({name: sa.bindparam(name) for name in names})
    ignoring: sa.Executable = insert.on_conflict_do_nothing()
    return ignoring


def among(column: sa.Column[PostId]) -> dict[str, sa.ColumnElement[bool]]:
    """By dialect: the column is one of the parameter ``ids``, a list.

    On PostgreSQL as one array: a list of 500 parameters is planned anew each time, which takes longer than the search.
    """
    array = sa.bindparam("ids", type_=postgresql.ARRAY(PostIdType()))
    return {
        "postgresql": column == sa.func.any(sa.cast(array, postgresql.ARRAY(PostIdType()))),
        "sqlite": column.in_(sa.bindparam("ids", expanding=True)),
    }


def among_rows(tx: Tx, statement: sa.Executable, parameters: dict[str, Any]) -> Iterable[Sequence[Any]]:
    """The rows of a statement with ``among``, made once: on PostgreSQL, where it has no list, by ``Tx.rows``."""
    return tx.rows(statement, parameters) if tx.dialect == "postgresql" else tx.execute(statement, parameters)


def places(count: int) -> str:
    """SQLite: where each of so many post ids begins, for ``substr`` of all of them as one parameter; a JSON array."""
    return json.dumps(list(range(1, POST_ID_OCTETS * count, POST_ID_OCTETS)))


NewRow = tuple[int, int, int, int, PostId, str]
"""Of delivered_post: uid, internaldate, size, bits, post, keywords."""

_dp = schema.delivered_post
_DELIVERED = sa.insert(_dp).values(
    {
        name: sa.bindparam(name)
        for name in (
            "owner_id", "box_id", "modseq", "savedate", "uid", "internaldate", "size", "bits", "post_id", "keywords"
        )
    }
)  # fmt: skip
_DELIVERED_ARRAYS = sa.text("""
    INSERT INTO delivered_post
        (owner_id, box_id, modseq, savedate, uid, internaldate, size, bits, post_id, keywords)
    SELECT CAST(:owner AS bigint), CAST(:box AS bigint), CAST(:modseq AS bigint), CAST(:savedate AS bigint), row.*
    FROM unnest(
        CAST(:uids AS bigint[]), CAST(:internaldates AS bigint[]), CAST(:sizes AS integer[]),
        CAST(:bits AS smallint[]), CAST(:posts AS uuid[]), CAST(:keywords AS text[])
    ) AS row""")


def insert_delivered(
    tx: Tx, owner: OwnerId, box: BoxId, modseq: ModSeq, savedate: int, rows: Sequence[NewRow]
) -> None:  # fmt: skip
    """New rows of one box.  On PostgreSQL an array for each column: one statement, whatever the number of rows."""
    if tx.dialect == "postgresql":
        uids, internaldates, sizes, bits, posts, keywords = map(list, zip(*rows, strict=True))
        columns = {"uids": uids, "internaldates": internaldates, "sizes": sizes, "bits": bits, "keywords": keywords}
        posts = [post.hex() for post in posts]
        here = {"owner": owner, "box": box, "modseq": modseq, "savedate": savedate}
        tx.count(_DELIVERED_ARRAYS, {**here, **columns, "posts": posts})
    else:
        insert_rows(tx, savedate, [((owner, box), modseq, row) for row in rows])


def insert_rows(tx: Tx, savedate: int, rows: Iterable[tuple[tuple[OwnerId, BoxId], ModSeq, NewRow]]) -> None:
    """SQLite: new rows of any boxes, with the modseq of each: one statement, run for each of them."""
    tx.count_many(
        _DELIVERED,
        [
            {
                "owner_id": owner, "box_id": box, "modseq": modseq, "savedate": savedate, "uid": uid,
                "internaldate": internaldate, "size": size, "bits": bits, "post_id": post, "keywords": keywords,
            }
            for (owner, box), modseq, (uid, internaldate, size, bits, post, keywords) in rows
        ],
    )  # fmt: skip


def inserted(tx: Tx, table: sa.Table, row: dict[str, Any]) -> bool:
    """Inserts a row; whether it is new."""
    returned = next(iter(table.primary_key.columns))
    statement: sa.Executable = _INSERT[tx.dialect](table).on_conflict_do_nothing().returning(returned)
    return tx.execute(statement, row).first() is not None


def unindexed(column: sa.Column[int]) -> sa.ColumnElement[int]:
    """The column where only what stands before it in a key should be searched for.

    With two lists SQLite looks for each pair of them: 250,000 times for 500 boxes of as many owners.
    """
    return column + 0


def contains(dialect: str, text: sa.ColumnElement[str], needle: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """The needle as it is stands in the text: no wildcards."""
    find = sa.func.strpos if dialect == "postgresql" else sa.func.instr
    return find(text, needle) > 0
