"""A transaction on one group of tables, as the functions of the store are handed it."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from opostd.model.ids import BoxId, ModSeq, OwnerId
from opostd.model.records import BoxHint
from opostd.store.ready import Ready, ReadyPostgres, exchange_of, known_of, ready


class Tx:
    """A transaction on one group of tables, handed to the functions of the store."""

    __slots__ = ("_connection", "_exchange", "_known", "again", "dialect", "hints", "idle")

    def __init__(self, connection: sa.Connection, again: bool = False) -> None:
        self._connection = connection
        self._exchange = exchange_of(connection)
        self._known = known_of(connection)
        self.again = again  # this is not the first try: an earlier one may have been committed
        self.dialect = connection.dialect.name
        self.hints: list[BoxHint] = []
        self.idle = False

    def execute(
        self, statement: sa.Executable, parameters: dict[str, Any] | Sequence[dict[str, Any]] | None = None
    ) -> "sa.CursorResult[*tuple[Any, ...]]":
        """Runs one statement."""
        self._flush()
        result = self._connection.execute(statement, parameters)
        assert isinstance(result, sa.CursorResult)
        return result

    def rows(self, statement: sa.Executable, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """What a statement that is made once, at import, returns: the driver's own tuples.

        A third of the time of ``execute``, for the few statements that every command runs.  No list parameters, no
        column whose values SQLAlchemy would convert; a driver's own errors, which ``retry`` knows as well.
        """
        if (known := self._ready(statement)) is not None:
            return known.run(parameters)[0]
        return [tuple(row) for row in self.execute(statement, dict(parameters))]

    def rows_of(self, *asked: tuple[sa.Executable, Mapping[str, Any]]) -> list[list[tuple[Any, ...]]]:
        """As ``rows``, of several statements in order: on PostgreSQL one way there and back.

        Each sees what was committed before it began, the second what was when the first had its locks.
        """
        if self._exchange is not None:
            known = [self._ready(statement) for statement, _ in asked]
            calls = [
                each.call(parameters)
                for each, (_, parameters) in zip(known, asked, strict=True)
                if isinstance(each, ReadyPostgres)
            ]
            if len(calls) == len(asked):
                return [rows for rows, _ in self._exchange.rows(calls)]
            return [
                [tuple(row) for row in self.execute(statement, dict(parameters))]
                if each is None
                else each.run(parameters)[0]
                for each, (statement, parameters) in zip(known, asked, strict=True)
            ]
        return [self.rows(statement, parameters) for statement, parameters in asked]

    def count(self, statement: sa.Executable, parameters: Mapping[str, Any]) -> int:
        """As ``rows``, for a statement without rows: how many it has changed."""
        if (known := self._ready(statement)) is not None:
            return known.run(parameters)[1]
        return self.execute(statement, dict(parameters)).rowcount

    def count_many(self, statement: sa.Executable, parameters: Sequence[Mapping[str, Any]]) -> int:
        """As ``count``, once for each of the parameters."""
        changed = 0
        while parameters and (known := self._ready(statement)) is None:
            changed += self.execute(statement, dict(parameters[0])).rowcount
            parameters = parameters[1:]
        return changed + (known.run_many(parameters) if parameters and known is not None else 0)

    def later(self, statement: sa.Executable, *parameters: Mapping[str, Any]) -> None:
        """As ``count_many`` for whoever asks nothing: on PostgreSQL with the next statement that has an answer.

        An error of it is raised there, or by COMMIT.
        """
        while parameters and (known := self._ready(statement)) is None:
            self.execute(statement, dict(parameters[0])).close()
            parameters = parameters[1:]
        if parameters and known is not None:
            known.later(parameters)

    def _ready(self, statement: sa.Executable) -> Ready | None:
        return self._known.get(statement) or ready(statement, self._connection, self._known)

    def _flush(self) -> None:
        if self._exchange is not None:
            self._exchange.flush()

    def has_table(self, name: str) -> bool:
        """Whether the database has this table."""
        self._flush()
        return sa.inspect(self._connection).has_table(name)

    def hint(self, owner: OwnerId, box: BoxId, modseq: int) -> None:
        """Say after COMMIT that this box has changed; with box 0 the account has."""
        self.hints.append(BoxHint(owner, box, ModSeq(modseq)))

    def nothing_changed(self) -> None:
        """What was written is taken back, without waiting for the disk.  Nothing may have been hinted.

        Not in a run that follows another, whose COMMIT may have gone through without its answer: a COMMIT of nothing
        would not wait for the standby.
        """
        self.idle = not self.again
