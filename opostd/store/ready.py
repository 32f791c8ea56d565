"""Statements that never change, handed to the driver as they are: compiled once, run many times.

SQLAlchemy's own cache still costs ten times what SQLite needs for a row by its key.  The first run of each statement
on a connection goes through SQLAlchemy all the same, so that whoever listens to its events sees the statement.
PostgreSQL's statements go by ``exchange``.
"""

import operator
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import psycopg
import sqlalchemy as sa

from opostd.store.exchange import Call, Exchange
from opostd.store.types import PostIdType

PLANNED_ANEW = "planned_anew"
"""The execution option of a statement that PostgreSQL plans at each run: the values decide how it is done best."""

_KNOWN = "opostd ready"
_EXCHANGE = "opostd exchange"

Rows = list[tuple[Any, ...]]


class Ready(Protocol):
    """One statement on one connection."""

    def run(self, parameters: Mapping[str, Any]) -> tuple[Rows, int]:
        """The rows that come, and how many were changed."""

    def run_many(self, parameters: Sequence[Mapping[str, Any]]) -> int:
        """Once for each of the parameters, without waiting between them; how many rows were changed in all."""

    def later(self, parameters: Sequence[Mapping[str, Any]]) -> None:
        """As ``run_many``, at the latest at the next answer."""


class _Compiled:
    """A statement as a dialect writes it, and its parameters as the driver takes them."""

    def __init__(self, statement: sa.Executable, dialect: sa.Dialect) -> None:
        assert isinstance(statement, sa.ClauseElement)
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, sa.sql.compiler.SQLCompiler)
        self.text = str(compiled)
        self.order = compiled.positiontup if compiled.positional else None
        self._given = [name for name, bind in compiled.binds.items() if bind.required]
        self._fixed = dict(compiled.params)
        self._convert: dict[str, Callable[[Any], Any]] = {}
        for name, bind in compiled.binds.items():
            processor = _processor(bind.type, dialect)
            if processor is None:
                continue
            if bind.required:
                self._convert[name] = processor
            else:
                self._fixed[name] = processor(self._fixed[name])

    @property
    def plain(self) -> bool:
        """Whether what is given is all that it takes, as it is."""
        return not self._convert and self._fixed.keys() <= set(self._given)

    def bound(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        bound = {**self._fixed, **{name: parameters[name] for name in self._given}}
        for name, processor in self._convert.items():
            bound[name] = processor(bound[name])
        return bound


def _processor(type_: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    """What makes of a value what the database takes; octets are given as they are."""
    if isinstance(type_, sa.LargeBinary):
        return None
    if isinstance(type_, sa.ARRAY):
        if isinstance(type_.item_type, PostIdType) and dialect.name == "postgresql":
            return PostIds
        of_item = _processor(type_.item_type, dialect)
        return None if of_item is None else lambda items: [None if item is None else of_item(item) for item in items]
    return type_.dialect_impl(dialect).bind_processor(dialect)


class _SQLite:
    def __init__(self, statement: sa.Executable, connection: sa.Connection) -> None:
        self._compiled = _Compiled(statement, connection.dialect)
        self._driver: Any = connection.connection.dbapi_connection

        order = self._compiled.order
        # Of most statements every parameter is given, and taken as it is: then nothing of ours runs for each
        if order is not None and len(order) > 1 and self._compiled.plain:
            self._bound: Callable[[Mapping[str, Any]], Any] = operator.itemgetter(*order)
        else:
            self._bound = self._converted

    def _converted(self, parameters: Mapping[str, Any]) -> Any:
        bound, order = self._compiled.bound(parameters), self._compiled.order
        return bound if order is None else [bound[name] for name in order]

    def run(self, parameters: Mapping[str, Any]) -> tuple[Rows, int]:
        cursor = self._driver.execute(self._compiled.text, self._bound(parameters))
        try:
            return (cursor.fetchall() if cursor.description is not None else []), cursor.rowcount
        finally:
            cursor.close()

    def run_many(self, parameters: Sequence[Mapping[str, Any]]) -> int:
        cursor = self._driver.cursor()
        try:
            cursor.executemany(self._compiled.text, [self._bound(each) for each in parameters])
            changed: int = cursor.rowcount
            return changed
        finally:
            cursor.close()

    def later(self, parameters: Sequence[Mapping[str, Any]]) -> None:
        self.run_many(parameters)


class PostgresText:
    """A statement as libpq takes it."""

    def __init__(self, statement: sa.Executable, dialect: sa.Dialect) -> None:
        self._compiled = _Compiled(statement, dialect)
        self._plain = self._compiled.plain
        self._names: list[str] = []
        self._text = _PLACE.sub(self._numbered, self._compiled.text).replace("%%", "%")
        self._anew = bool(statement.get_execution_options().get(PLANNED_ANEW))

    def _numbered(self, found: re.Match[str]) -> str:
        if found[1] not in self._names:
            self._names.append(found[1])
        return f"${self._names.index(found[1]) + 1}"

    def call(self, parameters: Mapping[str, Any]) -> Call:
        """One run of it."""
        bound = parameters if self._plain else self._compiled.bound(parameters)
        values, formats = [], []
        for name in self._names:
            value, format_ = dumped(bound[name])
            values.append(value)
            formats.append(format_)
        return Call(self._text, values, formats, self._anew)


class ReadyPostgres(PostgresText):
    def __init__(self, statement: sa.Executable, connection: sa.Connection, exchange: Exchange) -> None:
        super().__init__(statement, connection.dialect)
        self._exchange = exchange

    def run(self, parameters: Mapping[str, Any]) -> tuple[Rows, int]:
        return self._exchange.rows([self.call(parameters)])[0]

    def run_many(self, parameters: Sequence[Mapping[str, Any]]) -> int:
        return self._exchange.changed([self.call(each) for each in parameters])

    def later(self, parameters: Sequence[Mapping[str, Any]]) -> None:
        for each in parameters:
            self._exchange.later(self.call(each))


_PLACE = re.compile(r"%\((\w+)\)s")
_TEXT, _BINARY = 0, 1
_BYTEA, _UUID = 17, 2950  # their numbers among PostgreSQL's types, for ever
_ARRAY = struct.Struct(">iiIii")  # dimensions, whether there are NULLs, type, length, first index
_LENGTH = struct.Struct(">i")
_SIXTEEN = _LENGTH.pack(16)
_SPECIAL = re.compile(r'["\\]')


class PostIds(tuple[bytes, ...]):
    """A list of 16 octets each."""


def dumped(value: object) -> tuple[bytes | None, int]:
    """A value as PostgreSQL reads it, and in which format.  Its type is what the statement says.

    Octets, and lists of them, are binary; all else is text.  Raises DataError for text with NUL in it.
    """
    if isinstance(value, bool):
        return (b"t" if value else b"f"), _TEXT
    if isinstance(value, int):
        return b"%d" % value, _TEXT
    if isinstance(value, str):
        return _text(value), _TEXT
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value), _BINARY
    if value is None:
        return None, _TEXT
    if isinstance(value, PostIds):
        if not value:
            return b"{}", _TEXT
        return _ARRAY.pack(1, 0, _UUID, len(value), 1) + _SIXTEEN.join((b"", *value)), _BINARY
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], bytes):
            octets = b"".join(_LENGTH.pack(len(each)) + each for each in value)
            return _ARRAY.pack(1, 0, _BYTEA, len(value), 1) + octets, _BINARY
        return _text("{" + ",".join(map(_element, value)) + "}"), _TEXT
    raise TypeError(f"{type(value).__name__} is no parameter")


def _text(text: str) -> bytes:
    encoded = text.encode()
    if 0 in encoded:  # it would end there
        raise psycopg.DataError("PostgreSQL text has no NUL")
    return encoded


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return '"' + _SPECIAL.sub(r"\\\g<0>", value) + '"'
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, int):
        return str(int(value))
    raise TypeError(f"{type(value).__name__} is no element of a list")


def exchange_of(connection: sa.Connection) -> Exchange | None:
    """What carries this connection's statements; None on SQLite."""
    info = connection.info
    if connection.dialect.name == "sqlite":
        return None
    found: Exchange | None = info.get(_EXCHANGE)
    if found is None:
        driver = connection.connection.dbapi_connection
        assert isinstance(driver, psycopg.Connection)
        found = info[_EXCHANGE] = Exchange(driver)
    return found


Known = dict[sa.Executable, Ready | None]
"""The statements that a connection has run; None: once, by SQLAlchemy."""


def known_of(connection: sa.Connection) -> Known:
    """Those of this connection."""
    found: Known = connection.info.setdefault(_KNOWN, {})
    return found


def ready(statement: sa.Executable, connection: sa.Connection, known: Known) -> Ready | None:
    """The statement, ready to run; None where this connection has not run it before: run it with SQLAlchemy.

    statement: one object for ever, or the cache grows; without ``IN`` lists.  known: ``known_of`` the connection.
    """
    found = known.get(statement)
    if found is None:
        if statement in known:
            exchange = exchange_of(connection)
            found = known[statement] = (
                _SQLite(statement, connection) if exchange is None else ReadyPostgres(statement, connection, exchange)
            )
        else:
            known[statement] = None
    return found
