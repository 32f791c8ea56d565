"""A process that dies at some statement: its transaction is rolled back, and nobody catches what it says."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from opostd.store.run import Tx


class Crash(BaseException):
    """Not an Exception: whoever handles errors of the database does not live to do it."""


class CrashingTx(Tx):
    """left: statements of all transactions until the death; None for ever."""

    left: int | None = None

    def _count(self) -> None:
        cls = CrashingTx
        if cls.left is None:
            return
        if cls.left == 0:
            cls.left = None
            raise Crash
        cls.left -= 1

    def execute(
        self, statement: sa.Executable, parameters: dict[str, Any] | Sequence[dict[str, Any]] | None = None
    ) -> "sa.CursorResult[*tuple[Any, ...]]":
        self._count()
        return super().execute(statement, parameters)

    def rows(self, statement: sa.Executable, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        self._count()
        return super().rows(statement, parameters)

    def count(self, statement: sa.Executable, parameters: Mapping[str, Any]) -> int:
        self._count()
        return super().count(statement, parameters)

    def count_many(self, statement: sa.Executable, parameters: Sequence[Mapping[str, Any]]) -> int:
        self._count()
        return super().count_many(statement, parameters)
