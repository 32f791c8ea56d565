"""The few statements that the two databases spell differently."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from opostd.store.run import Tx


def insert_new(tx: Tx, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts rows; one whose key is there already is left as it is.  At most 500 rows."""
    if rows:
        tx.execute(_ignoring(tx, table), rows)


def inserted(tx: Tx, table: sa.Table, row: dict[str, Any]) -> bool:
    """Inserts a row; whether it is new."""
    returned = next(iter(table.primary_key.columns))
    statement: sa.Executable = _ignoring(tx, table).returning(returned)
    return tx.execute(statement, row).first() is not None


def _ignoring(tx: Tx, table: sa.Table) -> Any:
    insert = postgresql.insert if tx.dialect == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing()


def contains(tx: Tx, text: sa.ColumnElement[str], needle: str) -> sa.ColumnElement[bool]:
    """The needle as it is stands in the text: no wildcards."""
    find = sa.func.strpos if tx.dialect == "postgresql" else sa.func.instr
    return find(text, needle) > 0
