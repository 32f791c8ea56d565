"""Posts: put in once with the spool rows of where they go, read many times, never changed.

Everything here is of the post group.  ``accept`` is commit 1 of design.md 4: after it 250 may be said.
"""

import json
from collections.abc import Sequence, Set
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from opostd.model.columns import POST_ID_OCTETS
from opostd.model.errors import LostPost
from opostd.model.ids import PostId, post_id_text
from opostd.model.mailing import Mailing
from opostd.model.records import PostFacts
from opostd.store import schema, search_index
from opostd.store.database import chunks
from opostd.store.dialect import among, among_rows, insert_new, inserted, places
from opostd.store.run import Group, Tx, reads, writes
from opostd.store.spooling import spool
from opostd.store.types import storable

_FIELDS = tuple(field.name for field in fields(PostFacts))
_post, _body = schema.post, schema.post_body
_FACTS = {
    dialect: sa.select(*(_post.c[name] for name in _FIELDS)).where(ids) for dialect, ids in among(_post.c.id).items()
}
_HEADERS = sa.select(_post.c.id, _post.c.header).where(among(_post.c.id)["postgresql"])
# One row for all: SQLite works on without the interpreter's lock, which it would wait for once for each row, while the
# loop puts together what came before.
_HEADERS_TOGETHER = sa.text("""
    SELECT CAST(group_concat(post.id, '') AS BLOB), json_group_array(length(header)),
        CAST(group_concat(header, '') AS BLOB)
    FROM json_each(:places) AS k CROSS JOIN post WHERE post.id = substr(:ids, k.value, 16)""")
_RAW = sa.select(_body.c.raw).where(_body.c.id == sa.bindparam("id"))
_RAWS = sa.select(_body.c.id, _body.c.raw).where(among(_body.c.id)["postgresql"])
_SLICE = sa.select(
    sa.func.substr(_body.c.raw, sa.bindparam("start", type_=sa.Integer), sa.bindparam("length", type_=sa.Integer))
).where(_body.c.id == sa.bindparam("id"))


@writes(Group.POST)
def accept(
    tx: Tx,
    mailings: Sequence[Mailing],
    now: int,
    *,
    delivered: Set[PostId] = frozenset(),
    again: Set[PostId] = frozenset(),
) -> None:
    """Keeps posts, and that each is still to reach its recipients.  May be repeated: what is there stays.

    delivered: those that the same transaction puts into all their boxes.  again: those that an earlier transaction may
    have kept, and whoever tried could not say: all that one has written is left as it has become since.
    """
    for page in chunks(mailings):
        kept: list[PostId] = []
        coming: list[Mailing] = []
        for mailing in page:
            id_ = mailing.post.facts.id
            if (tx.again or id_ in again) and not inserted(tx, _post, _facts_row(mailing.post.facts)):
                kept.append(id_)
            else:
                coming.append(mailing)
        new = [mailing.post for mailing in coming]
        insert_new(tx, _post, [_facts_row(each.facts) for each in new])
        insert_new(tx, _body, [{"id": each.facts.id, "raw": each.raw} for each in new])
        search_index.put(tx, [(each.facts.id, each.sought, each.text) for each in new])
        if kept:
            # Its COMMIT has gone through, and nothing here was written.  A COMMIT of nothing does not wait for the
            # standby, so 250 might be said of what only a lost machine had.
            tx.execute(sa.update(_post).where(_post.c.id.in_(kept)).values(size=_post.c.size))
        spool(tx, coming, now, delivered)


def _facts_row(facts: PostFacts) -> dict[str, Any]:
    row = {name: getattr(facts, name) for name in _FIELDS}
    for name in ("sender", "subject", "message_id"):
        row[name] = storable(row[name])
    if facts.preview is not None:
        row["preview"] = storable(facts.preview)
    return row


@reads(Group.POST)
def facts(tx: Tx, ids: Sequence[PostId]) -> dict[PostId, PostFacts]:
    """What was computed at acceptance, by id; an id that is not there is left out."""
    found: dict[PostId, PostFacts] = {}
    for page in chunks(ids):
        for row in among_rows(tx, _FACTS[tx.dialect], {"ids": list(page)}):
            found[PostId(row[0])] = PostFacts(*row)
    return found


@reads(Group.POST)
def headers(tx: Tx, ids: Sequence[PostId]) -> dict[PostId, bytes]:
    """The header block of each of these posts, some hundred; one that is not there is left out."""
    if tx.dialect == "postgresql":
        return {PostId(id_): bytes(header) for id_, header in tx.rows(_HEADERS, {"ids": list(ids)})}
    if not ids:
        return {}
    octets = POST_ID_OCTETS
    ((found, lengths, blocks),) = tx.rows(_HEADERS_TOGETHER, {"ids": b"".join(ids), "places": places(len(ids))})
    headers: dict[PostId, bytes] = {}
    end = 0
    for at, length in enumerate(json.loads(lengths)):
        start, end = end, end + length
        headers[PostId(found[at * octets : (at + 1) * octets])] = blocks[start:end]
    return headers


@reads(Group.POST)
def raw(tx: Tx, id_: PostId) -> bytes:
    """The octets of a post.  Raises LostPost."""
    rows = tx.rows(_RAW, {"id": id_})
    if not rows:
        raise LostPost(f"post {post_id_text(id_)} is lost")
    return bytes(rows[0][0])


@reads(Group.POST)
def raws(tx: Tx, ids: Sequence[PostId]) -> dict[PostId, bytes]:
    """The octets of several posts, by id; one that is not there is left out.  The caller bounds their size."""
    if tx.dialect == "postgresql":
        return {PostId(id_): bytes(octets) for id_, octets in tx.rows(_RAWS, {"ids": list(ids)})}
    # In this process a look-up by key costs less than its place in a list of parameters
    return {id_: bytes(rows[0][0]) for id_ in ids if (rows := tx.rows(_RAW, {"id": id_}))}


@reads(Group.POST)
def raw_slice(tx: Tx, id_: PostId, start: int, length: int) -> bytes:
    """Octets of a post from ``start``, at most ``length`` of them; the rest is not read.  Raises LostPost."""
    rows = tx.rows(_SLICE, {"id": id_, "start": start + 1, "length": length})
    if not rows:
        raise LostPost(f"post {post_id_text(id_)} is lost")
    return bytes(rows[0][0])
