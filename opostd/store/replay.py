"""A function of the store run without waiting: up to its first question, and again with the answer.

Functions of the store may run more than once and have no effect outside, so whoever cannot wait in the middle of one
runs it anew when more answers are there: a look of one question is two runs, of some microseconds each.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import sqlalchemy as sa

from opostd.store.exchange import Call
from opostd.store.ready import PostgresText, Rows
from opostd.store.tx import Tx


class Unanswered(BaseException):  # no function of the store catches it
    """These questions have no answer yet."""

    def __init__(self, calls: Sequence[Call]) -> None:
        super().__init__()
        self.calls = calls


class Unfit(BaseException):
    """This must be run by a thread: a statement that is not made once, or one that was never run before."""


class Questions:
    """The statements that are known, for all of a database's replays.

    The first run of each goes through SQLAlchemy, so that whoever listens to its events sees the statement.
    """

    def __init__(self, dialect: sa.Dialect) -> None:
        self._dialect = dialect
        self._known: dict[sa.Executable, PostgresText] = {}
        self._seen: set[sa.Executable] = set()

    def calls(self, asked: Sequence[tuple[sa.Executable, Mapping[str, Any]]]) -> list[Call]:
        """One run of each.  Raises Unfit where one of them is new."""
        known = self._known
        new = {statement for statement, _ in asked} - known.keys()
        if new:
            if not new <= self._seen:
                self._seen |= new
                raise Unfit
            known |= {statement: PostgresText(statement, self._dialect) for statement in new}
        return [known[statement].call(parameters) for statement, parameters in asked]


class Replay(Tx):
    """answers: of the function's questions so far, in order: the rows of each statement of one."""

    __slots__ = ("_answers", "_at", "_questions")

    def __init__(self, questions: Questions, answers: Sequence[list[Rows]]) -> None:
        self.again = False
        self.dialect = "postgresql"
        self.hints = []
        self.idle = False
        self._questions = questions
        self._answers = answers
        self._at = 0

    def rows(self, statement: sa.Executable, parameters: Mapping[str, Any]) -> Rows:
        return self.rows_of((statement, parameters))[0]

    def rows_of(self, *asked: tuple[sa.Executable, Mapping[str, Any]]) -> list[Rows]:
        if self._at == len(self._answers):
            raise Unanswered(self._questions.calls(asked))
        self._at += 1
        return self._answers[self._at - 1]

    def _flush(self) -> NoReturn:  # before all that goes by SQLAlchemy
        raise Unfit

    def count(self, statement: sa.Executable, parameters: Mapping[str, Any]) -> NoReturn:
        raise Unfit

    def count_many(self, statement: sa.Executable, parameters: Sequence[Mapping[str, Any]]) -> NoReturn:
        raise Unfit

    def later(self, statement: sa.Executable, *parameters: Mapping[str, Any]) -> NoReturn:
        raise Unfit
