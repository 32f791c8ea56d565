"""One way to PostgreSQL and back for several statements: what waits for no answer goes with what does.

Through the driver's cursors a statement costs five times what libpq needs for it, and each answer waits for the
interpreter's lock.  So the statements that are made once (``ready``) are prepared and sent by libpq's pipeline here:
BEGIN goes with the first that is asked for its rows, COMMIT with the last that is not.

What must stay true: statements run in the order given; an error is raised at the next answer, at the latest at that
of COMMIT, and nothing behind it has run; afterwards the connection is in no pipeline and may be rolled back.
"""

import select
from collections.abc import Sequence
from typing import Any, cast

import psycopg
from psycopg import abc, errors, pq
from psycopg.adapt import Transformer
from psycopg.pq.abc import PGresult

OK = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


class Call:
    """One run of a statement.  text: with ``$1`` for parameters, one object for ever; values: as libpq takes them.

    anew: it is not prepared, so that the values given are those it is planned for.
    """

    __slots__ = ("anew", "formats", "text", "values")

    def __init__(
        self,
        text: str,
        values: Sequence[bytes | None] | None = None,
        formats: Sequence[int] | None = None,
        anew: bool = False,
    ) -> None:
        self.text = text
        self.values = values
        self.formats = formats
        self.anew = anew


class Exchange:
    """Of one connection in autocommit, which one thread uses."""

    def __init__(self, driver: "psycopg.Connection[Any]") -> None:
        self._pgconn = driver.pgconn
        self._pgconn.nonblocking = 1
        self._encoding = driver.info.encoding
        self._readable, self._any = select.poll(), select.poll()
        self._readable.register(self._pgconn.socket, select.POLLIN)
        self._any.register(self._pgconn.socket, select.POLLIN | select.POLLOUT)
        self._names: dict[str, bytes] = {}
        self._made = 0
        self.trips = 0
        """Ways there and back so far."""
        self._waiting: list[Call] = []
        self._transformer = Transformer(driver)

    def later(self, call: Call) -> None:
        """To be run before whatever is asked next."""
        self._waiting.append(call)

    def flush(self) -> None:
        """Runs what waits."""
        if self._waiting:
            self._run()

    def forget(self) -> None:
        """What waits is not run."""
        self._waiting.clear()

    def rows(self, calls: Sequence[Call]) -> list[tuple[list[tuple[Any, ...]], int]]:
        """Of each statement the rows, and how many it has changed; after what waits."""
        if not calls:
            return []
        self._waiting += calls
        results = self._run()[-len(calls) :]
        return [(loaded(self._transformer, result), result.command_tuples or 0) for result in results]

    def changed(self, calls: Sequence[Call]) -> int:
        """How many rows these statements have changed in all; after what waits."""
        if not calls:
            return 0
        self._waiting += calls
        return sum(result.command_tuples or 0 for result in self._run()[-len(calls) :])

    def end(self, word: str) -> bytes:
        """Runs what waits, and COMMIT or ROLLBACK; what the database says that it has done."""
        self._waiting.append(Call(word))
        return self._run()[-1].command_status or b""

    def _run(self) -> list[PGresult]:
        """The results of what waits, one for each.  Raises psycopg's errors."""
        calls, self._waiting = self._waiting, []
        self.trips += 1
        pgconn, encoding = self._pgconn, self._encoding
        new: dict[str, bytes] = {}
        prepares: list[str | None] = []  # of each result: the text that it has prepared
        pgconn.enter_pipeline_mode()
        for call in calls:
            if call.anew:
                prepares.append(None)
                text = call.text.encode(encoding)
                pgconn.send_query_params(text, call.values, None, call.formats, pq.Format.BINARY)
                continue
            name = self._names.get(call.text) or new.get(call.text)
            if name is None:
                self._made += 1
                name = new[call.text] = b"opostd%d" % self._made
                prepares.append(call.text)
                pgconn.send_prepare(name, call.text.encode(encoding))
            prepares.append(None)
            pgconn.send_query_prepared(name, call.values, call.formats, pq.Format.BINARY)
        pgconn.pipeline_sync()
        results = self._results()
        pgconn.exit_pipeline_mode()
        found: list[PGresult] = []
        for prepared, result in zip(prepares, results, strict=True):
            if result.status not in OK:
                raise errors.error_from_result(cast(Any, result), encoding)
            if prepared is None:
                found.append(result)
            else:
                self._names[prepared] = new[prepared]
        return found

    def _results(self) -> list[PGresult]:
        """All up to the end of the pipeline.  Raises OperationalError when the connection breaks."""
        pgconn = self._pgconn
        found: list[PGresult] = []
        try:
            while pgconn.flush():  # what the server says meanwhile must be read, or neither goes on
                if any(event & select.POLLIN for _, event in self._any.poll()):
                    pgconn.consume_input()
            between = False
            while True:
                while pgconn.is_busy():
                    self._readable.poll()
                    pgconn.consume_input()
                result = pgconn.get_result()
                if result is None:  # between two statements; and for ever where nothing comes any more
                    if between:
                        raise psycopg.OperationalError("the connection is lost")
                    between = True
                elif result.status == pq.ExecStatus.PIPELINE_SYNC:
                    return found
                else:
                    found.append(result)
                    between = False
        except psycopg.OperationalError as error:
            said = next((each for each in found if each.status == pq.ExecStatus.FATAL_ERROR), None)
            if said is None:
                raise
            raise errors.error_from_result(cast(Any, said), self._encoding) from error  # why it was closed


def loaded(transformer: abc.Transformer, result: PGresult) -> list[tuple[Any, ...]]:
    """The rows of a result, as the driver makes them.  transformer: of its connection."""
    if not result.ntuples:
        return []
    transformer.set_pgresult(cast(Any, result))
    rows: list[tuple[Any, ...]] = transformer.load_rows(0, result.ntuples, tuple)
    transformer.set_pgresult(None)  # a result may be large, and the next may not come for long
    return rows
