"""Statements that never change, handed to the driver as they are: compiled once, run many times.

SQLAlchemy's own cache still costs ten times what SQLite needs for a row by its key.  The first run of each statement
on a connection goes through SQLAlchemy all the same, so that whoever listens to its events sees the statement.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

_KNOWN = "opostd ready"


class Ready:
    """One statement on one connection."""

    def __init__(self, statement: sa.Executable, connection: sa.Connection) -> None:
        dialect = connection.dialect
        assert isinstance(statement, sa.ClauseElement)
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, sa.sql.compiler.SQLCompiler)
        self._text = str(compiled)
        self._driver: Any = connection.connection.dbapi_connection
        # psycopg hands out octets as they are, not through hexadecimal; sqlite3 always does
        self._options = {} if dialect.name == "sqlite" else {"binary": True}
        self._order = compiled.positiontup if compiled.positional else None
        self._given = [name for name, bind in compiled.binds.items() if bind.required]
        self._fixed = dict(compiled.params)
        self._convert: dict[str, Callable[[Any], Any]] = {}
        for name, bind in compiled.binds.items():
            processor = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if processor is not None and bind.required:
                self._convert[name] = processor
            elif processor is not None:
                self._fixed[name] = processor(self._fixed[name])

    def _bound(self, parameters: Mapping[str, Any]) -> Any:
        bound = {**self._fixed, **{name: parameters[name] for name in self._given}}
        for name, processor in self._convert.items():
            bound[name] = processor(bound[name])
        return bound if self._order is None else [bound[name] for name in self._order]

    def run(self, parameters: Mapping[str, Any]) -> tuple[list[tuple[Any, ...]], int]:
        """The rows that come, and how many were changed."""
        cursor = self._driver.execute(self._text, self._bound(parameters), **self._options)
        try:
            return (cursor.fetchall() if cursor.description is not None else []), cursor.rowcount
        finally:
            cursor.close()

    def run_many(self, parameters: Sequence[Mapping[str, Any]]) -> int:
        """Once for each of the parameters, without waiting between them; how many rows were changed in all."""
        cursor = self._driver.cursor()
        try:
            cursor.executemany(self._text, [self._bound(each) for each in parameters])
            changed: int = cursor.rowcount
            return changed
        finally:
            cursor.close()


def ready(statement: sa.Executable, connection: sa.Connection) -> Ready | None:
    """The statement, ready to run; None where this connection has not run it before: run it with SQLAlchemy.

    statement: one object for ever, or the cache grows; without ``IN`` lists.
    """
    known: dict[sa.Executable, Ready | None] = connection.info.setdefault(_KNOWN, {})
    found = known.get(statement)
    if found is None:
        if statement in known:
            found = known[statement] = Ready(statement, connection)
        else:
            known[statement] = None
    return found
