"""The index of what SEARCH looks in: which posts may hold a text, by its runs of three characters (trigrams).

It only narrows; ``search.matching`` looks into each post that is left, so that an index that is behind, or not there,
costs time and no result.  One index for all boxes: a post is in it once, whatever the number of its readers.

SQLite: FTS5, without the text and without positions, 0.4 of the text's size; one table for headers, one for texts, for
a word that stands in every text may be in few subjects.  It takes about 0.3 ms for each KB, so it is not made in the
transaction that a sender waits for: ``put`` notes the post in ``search_todo``, ``index_some`` follows.  A long text is
several documents, so that no step is long.

PostgreSQL: GIN of pg_trgm over ``post_search``, kept by the server, where the extension can be had.  It is nine tenths
of what accepting a message costs the database, and of what goes to its disk; so rows come into ``search_new``, which
has no such index, and ``index_some`` moves them, many at once.  A statement that looks into both sees each row.
"""

from collections.abc import Sequence
from dataclasses import fields

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from opostd.model.ids import PostId
from opostd.model.records import Sought
from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.dialect import among, insert_new
from opostd.store.run import Group, Tx, writes
from opostd.store.types import PostIdType, storable

INDEXES = ("post_search_trigrams",)
"""Those that the models do not name, for they are there or not."""

PIECE = 32 * 1024  # characters of one document: about 10 ms of the one writer
OVERLAP = 64  # characters that two documents of a text share, so that a needle of so many lies wholly in one
STEP = 4 * 1024  # characters indexed in one transaction, and what is left of the document that reaches it: some 20 ms
STEP_POSTS = 8  # who opens a box with pending posts waits for one step at most, for there is one writer
MOVED = 200  # rows that PostgreSQL moves at once, and how long their texts may be: some tenths of a second
MOVED_OCTETS = 512 * 1024
TRIGRAM = 3
MAX_TRIGRAMS = 12  # of a needle that are asked for: more narrow no further
MAX_HITS = 50_000  # documents: what so many have is found faster by looking

_search, _new, _todo = schema.post_search, schema.search_new, schema.search_todo
_FIELDS = tuple(field.name for field in fields(Sought))
_TEXTS = tuple(name for name in _FIELDS if name not in ("sent", "reply"))
# SQLite's own tables.  A document never gets the number of another one: what is left of that would be found with it.
_docs = sa.table("search_doc", sa.column("doc", sa.Integer), sa.column("id", PostIdType()))
_HAS_FTS = sa.text("SELECT 1 FROM sqlite_master WHERE name = 'search_text'")
HEAD, TEXT = "search_head", "search_text"
_HITS = {
    table: sa.text(
        f"SELECT d.id FROM {table} f CROSS JOIN search_doc d ON d.doc = f.rowid"  # noqa: S608
        f" WHERE f.{table} MATCH :query LIMIT :most"
    ).columns(id=PostIdType())
    for table in (HEAD, TEXT)
}
_ADD_DOC = sa.insert(_docs).values(id=sa.bindparam("id", type_=PostIdType())).returning(_docs.c.doc)
_ADD = {table: sa.text(f"INSERT INTO {table} (rowid, words) VALUES (:doc, :words)") for table in (HEAD, TEXT)}  # noqa: S608
_NEXT = sa.select(_todo.c.id).order_by(_todo.c.id).limit(sa.bindparam("most", type_=sa.Integer))
_HEAD_AND_TEXT = sa.select(_search.c.head, _search.c.text).where(_search.c.id == sa.bindparam("id"))
_DOCS = sa.select(sa.func.count()).select_from(_docs).where(_docs.c.id == sa.bindparam("id", type_=PostIdType()))
_DONE = sa.delete(_todo).where(_todo.c.id == sa.bindparam("id"))
_THERE = sa.union_all(*(sa.select(table.c.reply).where(table.c.id == sa.bindparam("id")) for table in (_search, _new)))
_WAITING = sa.select(_new.c.id, sa.func.octet_length(_new.c.head) + sa.func.octet_length(_new.c.text)).order_by(
    _new.c.id
).limit(sa.bindparam("most", type_=sa.Integer))  # fmt: skip
_NAMES = [column.name for column in _search.columns]
_MOVE = (
    postgresql.insert(_search)
    .from_select(
        _NAMES,
        sa.select(*(sa.type_coerce(column, sa.types.NULLTYPE) for column in _new.columns))
        .where(among(_new.c.id)["postgresql"])
        .order_by(_new.c.id),
    )
    .on_conflict_do_nothing()
)
_MOVED = sa.delete(_new).where(among(_new.c.id)["postgresql"])
# FTS5 that does not keep the text has to be told what it had.
_TAKE_OUT = {
    table: sa.text(f"INSERT INTO {table} ({table}, rowid, words) VALUES ('delete', :doc, :words)")  # noqa: S608
    for table in (HEAD, TEXT)
}


def create(connection: sa.Connection) -> None:
    """Makes the index, where this database can have it; for a migration."""
    if connection.dialect.name == "postgresql":
        if _trigrams_to_be_had(connection):
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
            connection.execute(
                sa.text(f"CREATE INDEX {INDEXES[0]} ON post_search USING gin (head gin_trgm_ops, text gin_trgm_ops)")
            )
        return
    options = {row[0] for row in connection.execute(sa.text("PRAGMA compile_options"))}
    version = connection.execute(sa.text("SELECT sqlite_version()")).scalar_one()
    if "ENABLE_FTS5" not in options or tuple(map(int, version.split("."))) < (3, 34):  # the first with trigrams
        return
    connection.execute(sa.text("CREATE TABLE search_doc (doc INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL)"))
    connection.execute(sa.text("CREATE INDEX search_doc_id ON search_doc (id)"))
    for table in (HEAD, TEXT):
        connection.execute(
            sa.text(
                f"CREATE VIRTUAL TABLE {table} USING fts5"
                " (words, content='', columnsize=0, detail=none, tokenize='trigram case_sensitive 1')"
            )
        )


def _trigrams_to_be_had(connection: sa.Connection) -> bool:
    """Whether pg_trgm is there, or may be made by this user: it is trusted since PostgreSQL 13."""
    if connection.execute(sa.text("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")).first() is not None:
        return True
    offered = sa.text(
        "SELECT bool_or(trusted AND has_database_privilege(current_database(), 'CREATE')"
        " OR current_setting('is_superuser') = 'on')"
        " FROM pg_available_extension_versions WHERE name = 'pg_trgm'"
    )
    return bool(connection.execute(offered).scalar())


# Writing


def put(tx: Tx, items: Sequence[tuple[PostId, Sought, str]]) -> None:
    """Keeps what is looked at in posts, at most 500; where it is there already it stays as it is."""
    insert_new(tx, _new if tx.dialect == "postgresql" else _search, [_row(*item) for item in items])
    if _by_us(tx):
        insert_new(tx, _todo, [{"id": id_} for id_, _, _ in items])


@writes(Group.POST)
def complete(tx: Tx, items: Sequence[tuple[PostId, Sought, str]]) -> None:
    """``put`` for posts that had no row."""
    for page in chunks(items):
        put(tx, page)


def _row(id_: PostId, sought: Sought, text: str) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(sought, name) for name in _FIELDS}
    for name in _TEXTS:
        row[name] = storable(getattr(sought, name))
    return {**row, "id": id_, "text": storable(text)}


def forget(tx: Tx, ids: Sequence[PostId]) -> None:
    """Takes posts out, at most 500: rows, index and all."""
    if _by_us(tx):
        for id_ in ids:
            _remove(tx, id_)
    for table in (_new, _search, _todo):  # in the order in which they are moved
        tx.execute(sa.delete(table).where(table.c.id.in_(ids)))


def _remove(tx: Tx, id_: PostId) -> None:
    docs = tx.execute(sa.select(_docs.c.doc).where(_docs.c.id == id_).order_by(_docs.c.doc)).scalars().all()
    if not docs:
        return
    for doc, (table, words) in zip(docs, _pieces(*_texts_of(tx, [id_])[id_]), strict=False):
        tx.execute(_TAKE_OUT[table], {"doc": doc, "words": words})
    tx.execute(sa.delete(_docs).where(_docs.c.id == id_))


@writes(Group.POST, may_be_lost=True)  # what is not in the index stays noted
def index_some(tx: Tx) -> tuple[int, list[PostId]]:
    """One step of the index.  How many posts were looked at, and which of them have no row and need one (``complete``).

    (0, []) when nothing is left.
    """
    ids = [PostId(row[0]) for row in tx.rows(_NEXT, {"most": STEP_POSTS})]
    if tx.dialect == "postgresql":
        return _move_some(tx) if not ids else _look(tx, ids)
    if not ids:
        return 0, []
    by_us = _by_us(tx)
    done: list[PostId] = []
    rowless: list[PostId] = []
    left = STEP if by_us else 0
    for id_ in ids:
        texts = tx.rows(_HEAD_AND_TEXT, {"id": id_})
        if not texts:
            rowless.append(id_)
            continue
        if by_us:
            head, text = texts[0]
            left, whole = _add(tx, id_, head, text, left)
            if not whole:
                break
        done.append(id_)
    tx.count_many(_DONE, [{"id": id_} for id_ in done])
    return len(ids), rowless


def _look(tx: Tx, ids: Sequence[PostId]) -> tuple[int, list[PostId]]:
    """PostgreSQL: of posts that an older version has kept, those that have no row yet."""
    rowless = [id_ for id_ in ids if not tx.rows(_THERE, {"id": id_})]
    tx.later(_DONE, *({"id": id_} for id_ in ids if id_ not in rowless))
    return len(ids), rowless


def _move_some(tx: Tx) -> tuple[int, list[PostId]]:
    """PostgreSQL: rows to where the index is.  Another process may do the same: then one of them finds them moved."""
    ids: list[PostId] = []
    left = MOVED_OCTETS
    for id_, octets in tx.rows(_WAITING, {"most": MOVED}):
        if left <= 0:
            break
        ids.append(PostId(id_))
        left -= octets
    if ids:
        tx.later(_MOVE, {"ids": ids})
        if tx.count(_MOVED, {"ids": ids}) < len(ids):  # moved, or taken out, by another: that must not come back
            tx.nothing_changed()
    return len(ids), []


def _add(tx: Tx, id_: PostId, head: str, text: str, left: int) -> tuple[int, bool]:
    """Adds documents of a post while characters are left; how many are, and whether the post is wholly in."""
    ((begun,),) = tx.rows(_DOCS, {"id": id_})
    for table, words in _pieces(head, text)[begun:]:
        if left <= 0:
            return left, False
        ((doc,),) = tx.rows(_ADD_DOC, {"id": id_})
        tx.count(_ADD[table], {"doc": doc, "words": words})
        left -= len(words)
    return left, True


def _pieces(head: str, text: str) -> list[tuple[str, str]]:
    """The documents of a post: table and words."""
    return [
        (table, whole[at : at + PIECE + OVERLAP])
        for table, whole in ((HEAD, head), (TEXT, text))
        for at in range(0, max(1, len(whole) - OVERLAP), PIECE)
    ]


def _texts_of(tx: Tx, ids: Sequence[PostId]) -> dict[bytes, tuple[str, str]]:
    rows = tx.execute(sa.select(_search.c.id, _search.c.head, _search.c.text).where(_search.c.id.in_(ids)))
    return {row[0]: (row[1], row[2]) for row in rows}


def _by_us(tx: Tx) -> bool:
    """Whether the index is ours to keep."""
    return tx.dialect == "sqlite" and bool(tx.rows(_HAS_FTS, {}))


# Reading


def holding(tx: Tx, needle: str, *, head: bool, text: bool) -> set[bytes] | None:
    """SQLite: ids of all posts whose header or text may hold the needle, with those that are not indexed yet.

    None where the index cannot tell: there is none, the needle is shorter than a trigram, or too many posts hold it.
    """
    if len(needle) < TRIGRAM or not _by_us(tx):
        return None
    holders: set[bytes] = set()
    for table in ([HEAD] if head else []) + ([TEXT] if text else []):
        found = tx.execute(_HITS[table], {"query": _query(needle), "most": MAX_HITS + 1}).scalars().all()
        if len(found) > MAX_HITS:
            return None
        holders.update(found)
    return holders.union(tx.execute(sa.select(_todo.c.id)).scalars())


def _query(needle: str) -> str:
    """FTS5's words for "all of these trigrams": of the needle's first OVERLAP characters, evenly spread."""
    window = needle[:OVERLAP]
    all_of_them = list(dict.fromkeys(window[at : at + TRIGRAM] for at in range(len(window) - TRIGRAM + 1)))
    step = max(1, -(-len(all_of_them) // MAX_TRIGRAMS))
    return " AND ".join('"' + trigram.replace('"', '""') + '"' for trigram in all_of_them[::step])
