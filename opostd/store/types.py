"""The one column type of our own, and text as databases take it.

A post id is 16 octets in Python whatever the database keeps.

PostgreSQL keeps a uuid, which is 16 octets without a length; ``uuid_send`` hands it out as octets, so that 10,000
rows do not make 10,000 UUID objects.  SQLite keeps a BLOB.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import DDLCompiler, SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import UserDefinedType

from opostd.model.ids import PostId


def storable(text: str) -> str:
    """The text as both databases take it: NUL and lone surrogates become U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return text


class PostIdType(UserDefinedType[PostId]):
    """``uuid`` on PostgreSQL, ``BLOB`` on SQLite, 16 octets here."""

    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], Any] | None:
        return bytes.hex if dialect.name == "postgresql" else None

    def column_expression(self, colexpr: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return _Octets(colexpr)

    @property
    def python_type(self) -> type[bytes]:
        return bytes


class _Octets(FunctionElement[PostId]):
    """A post id as the driver returns octets."""

    inherit_cache = True
    name = "octets"
    type = PostIdType()


@compiles(PostIdType, "postgresql")
def _uuid(type_: PostIdType, compiler: DDLCompiler, **kw: Any) -> str:
    return "UUID"


@compiles(PostIdType)
def _blob(type_: PostIdType, compiler: DDLCompiler, **kw: Any) -> str:
    return "BLOB"


@compiles(_Octets, "postgresql")
def _sent(element: _Octets, compiler: SQLCompiler, **kw: Any) -> str:
    return f"uuid_send({compiler.process(element.clauses, **kw)})"


@compiles(_Octets)
def _plain(element: _Octets, compiler: SQLCompiler, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))
