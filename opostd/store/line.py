"""One connection to PostgreSQL that the loop itself drives: questions go out as they come, answers come in their order.

What must stay true: nothing here waits; each question ends with a Sync of its own, so that the error of one is not
another's; whatever breaks, each question is answered, with an error.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import psycopg
from psycopg import errors, pq
from psycopg.adapt import Transformer
from psycopg.pq.abc import PGresult

from opostd.store.exchange import OK, Call, loaded
from opostd.store.ready import Rows


class _Question:
    __slots__ = ("future", "prepares", "results", "since")

    def __init__(self, future: "asyncio.Future[list[Rows]]", since: float) -> None:
        self.future = future
        self.since = since
        self.prepares: list[tuple[str, bytes] | None] = []  # of each result: the text that it prepares, and its name
        self.results: list[PGresult] = []


class Line:
    """driver: in autocommit, and nobody else's.  broken: called once, when it is of no more use."""

    def __init__(
        self, driver: "psycopg.Connection[Any]", loop: asyncio.AbstractEventLoop, broken: Callable[[], None]
    ) -> None:
        self._driver, self._pgconn, self._loop, self._broken = driver, driver.pgconn, loop, broken
        self._encoding = driver.info.encoding
        self._transformer = Transformer(driver)
        self._names: dict[str, bytes] = {}
        self._made = 0
        self._waiting: deque[_Question] = deque()
        self._between = False  # two statements: libpq says None there once
        self._writing = False
        self._closed = False
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()
        self._socket = self._pgconn.socket
        loop.add_reader(self._socket, self._readable)

    @property
    def waiting(self) -> int:
        """How many questions have no answer yet."""
        return len(self._waiting)

    @property
    def since(self) -> float:
        """When the oldest of them was asked, by the loop's clock; now, where there is none."""
        return self._waiting[0].since if self._waiting else self._loop.time()

    def ask(self, calls: Sequence[Call]) -> "asyncio.Future[list[Rows]]":
        """The rows of each of these statements; one way there and back.  Its errors are psycopg's."""
        question = _Question(self._loop.create_future(), self._loop.time())
        self._waiting.append(question)
        try:
            self._send(question, calls)
        except psycopg.OperationalError as error:
            self.close(error)
        return question.future

    def _send(self, question: _Question, calls: Sequence[Call]) -> None:
        pgconn = self._pgconn
        for call in calls:
            if call.anew:
                question.prepares.append(None)
                text = call.text.encode(self._encoding)
                pgconn.send_query_params(text, call.values, None, call.formats, pq.Format.BINARY)
                continue
            name = self._names.get(call.text)
            if name is None:
                self._made += 1
                name = b"opostd%d" % self._made
                question.prepares.append((call.text, name))
                pgconn.send_prepare(name, call.text.encode(self._encoding))
            question.prepares.append(None)
            pgconn.send_query_prepared(name, call.values, call.formats, pq.Format.BINARY)
        pgconn.pipeline_sync()
        self._flush()

    def _flush(self) -> None:
        rest = self._pgconn.flush() == 1
        if rest and not self._writing:
            self._loop.add_writer(self._socket, self._writable)
        elif self._writing and not rest:
            self._loop.remove_writer(self._socket)
        self._writing = rest

    def _writable(self) -> None:
        try:
            self._flush()
        except psycopg.OperationalError as error:
            self.close(error)

    def _readable(self) -> None:
        try:
            self._pgconn.consume_input()
            if self._writing:  # the server may have waited for us to read
                self._flush()
            self._take()
        except Exception as error:
            self.close(error)

    def _take(self) -> None:
        pgconn = self._pgconn
        while not self._closed and self._waiting and not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:
                if self._between:
                    raise psycopg.OperationalError("the connection is lost")
                self._between = True
                continue
            self._between = False
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                self._settle(self._waiting.popleft())
            else:
                self._waiting[0].results.append(result)

    def _settle(self, question: _Question) -> None:
        found: list[Rows] = []
        for prepares, result in zip(question.prepares, question.results, strict=True):
            if result.status not in OK:
                self._answer(question, errors.error_from_result(cast(Any, result), self._encoding))
                return
            if prepares is not None:
                self._names[prepares[0]] = prepares[1]
            elif not question.future.done():
                found.append(loaded(self._transformer, result))
        self._answer(question, found)

    def _answer(self, question: _Question, answer: list[Rows] | Exception) -> None:
        if question.future.done():  # who asked has gone
            return
        if isinstance(answer, Exception):
            question.future.set_exception(answer)
        else:
            question.future.set_result(answer)

    def close(self, error: Exception | None = None) -> None:
        """All who wait are told.  May be called again; on the loop, or when that has ended."""
        if self._closed:
            return
        self._closed = True
        if not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
            if self._writing:
                self._loop.remove_writer(self._socket)
        with contextlib.suppress(psycopg.Error):
            self._driver.close()
        waiting, self._waiting = self._waiting, deque()
        if not self._loop.is_closed():
            lost = psycopg.OperationalError(str(error or "the connection was closed"))
            for question in waiting:
                self._answer(question, lost)
        self._broken()
