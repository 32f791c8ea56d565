"""Rows of delivered_post by their post: what the index for it has, and conditions that it answers.

There is a row of a broadcast for each of 100,000 readers, and a delivery asks for one box whether it has the post, so
the owner stands in the index beside the post.  On SQLite these are the two columns.  On PostgreSQL an entry of 16 and
8 octets costs 50 to 70 a row, more than half of the row itself: its B-tree leaves pages nine tenths full where they
grow in order, but not for keys wider than two bigint.  So seven octets stand there for the post: 40 bits of the
milliseconds, and 12 of what is beside them in a UUIDv7 (RFC 9562 5.7), in the order of time, so that mail that
arrives writes to the index's last pages.  With the owner that is 31 octets a row.

What must stay true: seven octets say where to look, and never which post it is.  Posts that share them cost time and
nothing else, for the whole id stands in each condition, too; whoever asks by post asks with one of these.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from opostd.model.ids import PostId
from opostd.store.schema import delivered_post
from opostd.store.types import PostIdType

INDEX = "delivered_post_post"
"""Made by the migrations alone: the two databases have different ones."""

BEGIN = "substring(uuid_send({}) FROM 2 FOR 7)"
"""What PostgreSQL's index has of a post, as the statements must say it."""

_ids = delivered_post.c.post_id


def is_post(post: PostId | sa.BindParameter[Any]) -> sa.ColumnElement[bool]:
    """The row is of this post, or of that of a parameter."""
    value = post if isinstance(post, sa.BindParameter) else sa.bindparam(None, post, PostIdType(), unique=True)
    return sa.and_(_ids == value, _BeginsLike(_ids, value))


def is_among() -> dict[str, sa.ColumnElement[bool]]:
    """By dialect: the row is of one of the posts of ``among``."""
    array = sa.bindparam("ids", type_=postgresql.ARRAY(PostIdType()))
    return {
        "postgresql": sa.and_(
            _ids == sa.func.any(sa.cast(array, postgresql.ARRAY(PostIdType()))),
            _BeginsLikeAny(_ids, sa.bindparam("begins")),
        ),
        "sqlite": _ids.in_(sa.bindparam("ids", expanding=True)),
    }


def among(dialect: str, ids: Sequence[PostId]) -> dict[str, Any]:
    """The parameters of ``is_among``."""
    return {"ids": list(ids), "begins": begins(ids)} if dialect == "postgresql" else {"ids": list(ids)}


def begins(ids: Sequence[PostId]) -> list[bytes]:
    """What PostgreSQL's index has of these posts."""
    return [id_[1:8] for id_ in ids]


class _BeginsLike(FunctionElement[bool]):
    """Column and value: what finds the rows in the index, where the index has not the whole post."""

    inherit_cache = True
    name = "begins_like"
    type = sa.Boolean()


class _BeginsLikeAny(FunctionElement[bool]):
    """Column and ``begins`` of many posts; PostgreSQL only."""

    inherit_cache = True
    name = "begins_like_any"
    type = sa.Boolean()


@compiles(_BeginsLike, "postgresql")
def _begins_like(element: _BeginsLike, compiler: SQLCompiler, **kw: Any) -> str:
    column, value = (compiler.process(each, **kw) for each in element.clauses)
    return f"{BEGIN.format(column)} = {BEGIN.format(value)}"


@compiles(_BeginsLike)
def _always(element: _BeginsLike, compiler: SQLCompiler, **kw: Any) -> str:
    return "true"


@compiles(_BeginsLikeAny)
def _begins_like_any(element: _BeginsLikeAny, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(each, **kw) for each in element.clauses)
    return f"{BEGIN.format(column)} = ANY(CAST({values} AS bytea[]))"
