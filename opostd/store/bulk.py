"""Statements over many boxes at once: few of them, whatever the number of boxes.

PostgreSQL takes an array for each column, so that a hundred boxes cost one way there and back.  SQLite is no way
away: one ready statement for each box is mostly the fastest there; where rows come back, one for all is.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import sqlalchemy as sa

from opostd.model.errors import LimitReached
from opostd.model.flags import UNCHARGED
from opostd.model.ids import BoxId, ModSeq, OwnerId, PostId, Uid
from opostd.model.records import Box
from opostd.store import schema
from opostd.store.by_post import BEGIN, begins
from opostd.store.dialect import insert_delivered, places
from opostd.store.locks import ADVANCE, LAST_UID, NO_UIDS, box_of
from opostd.store.run import Tx

Key = tuple[OwnerId, BoxId]
Placed = tuple[PostId, int, int]
"""A post, its octets, its INTERNALDATE."""

FEW = 3  # boxes that are done one by one on PostgreSQL, too: a single statement for them is no faster

_dp, _sub, _box = schema.delivered_post, schema.subscription, schema.box
_POSTGRES_ADVANCE = sa.text("""
    UPDATE box SET uidnext = box.uidnext + :uids, highestmodseq = box.highestmodseq + :modseqs
    FROM unnest(CAST(:owners AS bigint[]), CAST(:boxes AS bigint[])) AS k (owner_id, box_id)
    WHERE box.owner_id = k.owner_id AND box.box_id = k.box_id
    RETURNING box.owner_id, box.box_id, box.name, box.role, box.uidvalidity, box.uidnext, box.highestmodseq""")
_POSTGRES_TAKE = sa.text(_POSTGRES_ADVANCE.text.partition("RETURNING")[0])
# A pair of lists in one: the key is looked for as a whole, and RETURNING is set up once
_SQLITE_LOCK = sa.text("""
    UPDATE box SET highestmodseq = highestmodseq + 1
    WHERE (owner_id, box_id) IN (
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:keys)
    )
    RETURNING owner_id, box_id, name, role, uidvalidity, uidnext, highestmodseq""")
_TAKE = (
    sa.update(_box)
    .where(_box.c.owner_id == sa.bindparam("b_owner"), _box.c.box_id == sa.bindparam("b_box"))
    .values(
        uidnext=_box.c.uidnext + sa.bindparam("b_uids"), highestmodseq=_box.c.highestmodseq + sa.bindparam("b_modseqs")
    )
)
_POSTGRES_INSERT = sa.text("""
    INSERT INTO delivered_post
        (owner_id, box_id, modseq, savedate, uid, internaldate, size, bits, post_id, keywords)
    SELECT b.owner_id, b.box_id, b.modseq, CAST(:savedate AS bigint), b.uid + p.number, p.internaldate, p.size,
        CAST(:bits AS smallint), p.post_id, ''
    FROM unnest(CAST(:owners AS bigint[]), CAST(:boxes AS bigint[]), CAST(:modseqs AS bigint[]),
            CAST(:uids AS bigint[])) AS b (owner_id, box_id, modseq, uid),
        unnest(CAST(:posts AS uuid[]), CAST(:sizes AS integer[]), CAST(:internaldates AS bigint[]),
            CAST(:numbers AS bigint[])) AS p (post_id, size, internaldate, number)
    ORDER BY b.owner_id, b.box_id, p.number""")
_SQLITE_INSERT = sa.text("""
    INSERT INTO delivered_post
        (owner_id, box_id, modseq, savedate, uid, internaldate, size, bits, post_id, keywords)
    SELECT json_extract(k.value, '$[0]'), json_extract(k.value, '$[1]'), json_extract(k.value, '$[2]'), :savedate,
        json_extract(k.value, '$[3]') + :number, :internaldate, :size, :bits, :post, ''
    FROM json_each(:rows) AS k""")
# Both columns of the key in one list, not in two: two lists are 250,000 looks for 500 boxes.
_POSTGRES_MODSEQS = sa.text("""
    SELECT box.owner_id, box.box_id, box.highestmodseq
    FROM unnest(CAST(:owners AS bigint[]), CAST(:boxes AS bigint[])) AS k (owner_id, box_id)
    JOIN box ON true WHERE box.owner_id = k.owner_id AND box.box_id = k.box_id""")
_SQLITE_MODSEQS = sa.text("""
    SELECT box.owner_id, box.box_id, box.highestmodseq
    FROM json_each(:keys) AS k CROSS JOIN box
    WHERE box.owner_id = json_extract(k.value, '$[0]') AND box.box_id = json_extract(k.value, '$[1]')""")
_POSTGRES_KNOWN = sa.text(f"""
    SELECT owner_id, box_id, uuid_send(post_id) FROM delivered_post
    WHERE post_id = ANY(CAST(:ids AS uuid[])) AND owner_id = ANY(CAST(:owners AS bigint[]))
        AND {BEGIN.format("post_id")} = ANY(CAST(:begins AS bytea[]))""")  # noqa: S608
_SQLITE_KNOWN = sa.text("""
    SELECT d.owner_id, d.box_id, d.post_id FROM json_each(:places) AS k CROSS JOIN delivered_post AS d
    WHERE d.post_id = substr(:ids, k.value, 16) AND d.owner_id IN (SELECT value FROM json_each(:owners))""")
_MARK = (
    sa.update(_sub)
    .where(
        _sub.c.owner_id == sa.bindparam("s_owner"),
        _sub.c.target_box == sa.bindparam("s_target"),
        _sub.c.source_box == sa.bindparam("s_source"),
    )
    .values(watermark=sa.bindparam("s_watermark"))
)
_POSTGRES_MARK = sa.text("""
    UPDATE subscription SET watermark = :watermark
    FROM unnest(CAST(:owners AS bigint[]), CAST(:boxes AS bigint[])) AS k (owner_id, box_id)
    WHERE subscription.owner_id = k.owner_id AND subscription.target_box = k.box_id
        AND subscription.source_box = :source""")
_OF_OWNERS = {
    "postgresql": sa.text("""
        SELECT owner_id, target_box, source_box, joined, watermark FROM subscription
        WHERE owner_id = ANY(CAST(:owners AS bigint[])) ORDER BY owner_id, target_box, source_box"""),
    "sqlite": sa.text("""
        SELECT owner_id, target_box, source_box, joined, watermark FROM subscription
        WHERE owner_id IN (SELECT value FROM json_each(:owners)) ORDER BY owner_id, target_box, source_box"""),
}


def lock_all(tx: Tx, keys: Sequence[Key]) -> dict[Key, Box]:
    """The locks of these boxes, ascending and each once, with a modseq taken of each; one that is gone is left out.

    On PostgreSQL the locks may be taken in another order where the planner thinks so: two who then wait for each other
    are told apart by the database, and one of them runs again.
    """
    if tx.dialect == "postgresql" and len(keys) > FEW:
        rows = tx.rows(_POSTGRES_ADVANCE, {"uids": 0, "modseqs": 1, **_columns(keys)})
    elif len(keys) > FEW:
        rows = tx.rows(_SQLITE_LOCK, {"keys": json.dumps(keys)})
    else:
        rows = []
        for owner, box in keys:
            rows += tx.rows(ADVANCE, {"b_owner": owner, "b_box": box, "b_uids": 0, "b_modseqs": 1})
    return {(each.owner, each.box): each for each in map(box_of, rows)}


def take(tx: Tx, boxes: Sequence[Box], *, uids: int = 0, modseqs: int = 0) -> list[Box]:
    """So many UIDs and modseqs of each of these boxes, which are locked: the boxes afterwards.  Raises LimitReached."""
    if uids and any(box.uidnext + uids > LAST_UID for box in boxes):
        raise LimitReached(NO_UIDS)
    keys = [(box.owner, box.box) for box in boxes]
    if tx.dialect == "postgresql" and len(keys) > FEW:
        tx.count(_POSTGRES_TAKE, {"uids": uids, "modseqs": modseqs, **_columns(keys)})
    else:
        same = {"b_uids": uids, "b_modseqs": modseqs}
        tx.count_many(_TAKE, [{"b_owner": owner, "b_box": box, **same} for owner, box in keys])
    return [
        replace(box, uidnext=Uid(box.uidnext + uids), highestmodseq=ModSeq(box.highestmodseq + modseqs))
        for box in boxes
    ]  # fmt: skip


def subscriptions_of(tx: Tx, owners: Iterable[OwnerId]) -> list[tuple[int, ...]]:
    """All columns of the owners' subscriptions, by owner, target and source."""
    return tx.rows(_OF_OWNERS[tx.dialect], {"owners": _list(tx, sorted(set(owners)))})


def known_posts(tx: Tx, keys: Sequence[Key], ids: Sequence[PostId]) -> dict[Key, set[PostId]]:
    """Those of the posts that each of the boxes has; to be read under their locks."""
    wanted, found = set(keys), dict[Key, set[PostId]]()
    owners = sorted({owner for owner, _ in keys})
    if tx.dialect == "postgresql":
        hexes = [id_.hex() for id_ in ids]
        there = tx.rows(_POSTGRES_KNOWN, {"owners": owners, "ids": hexes, "begins": begins(ids)})
        rows = [(owner, box, PostId(post)) for owner, box, post in there]
    else:
        together = {"ids": b"".join(ids), "places": places(len(ids)), "owners": json.dumps(owners)}
        rows = [(owner, box, PostId(post)) for owner, box, post in tx.rows(_SQLITE_KNOWN, together)]
    for owner, box, post in rows:
        if (owner, box) in wanted:
            found.setdefault((OwnerId(owner), BoxId(box)), set()).add(post)
    return found


def insert_for_all(tx: Tx, boxes: Sequence[Box], savedate: int, posts: Sequence[Placed]) -> None:
    """Rows of the same posts in each of these boxes, unread, charged to nobody.

    boxes: as they are afterwards: their highestmodseq is the rows', their last ``len(posts)`` UIDs are for them.
    """
    count = len(posts)
    if len(boxes) == 1:
        box = boxes[0]
        rows = [
            (uid, internaldate, size, UNCHARGED, post, "")
            for uid, (post, size, internaldate) in enumerate(posts, box.uidnext - count)
        ]
        insert_delivered(tx, box.owner, box.box, ModSeq(box.highestmodseq), savedate, rows)
    elif tx.dialect == "postgresql":
        ids, sizes, internaldates = map(list, zip(*posts, strict=True))
        firsts = {"modseqs": [box.highestmodseq for box in boxes], "uids": [box.uidnext - count for box in boxes]}
        new = {"sizes": sizes, "internaldates": internaldates, "numbers": list(range(count))}
        keys = [(box.owner, box.box) for box in boxes]
        hexes = [id_.hex() for id_ in ids]
        tx.count(
            _POSTGRES_INSERT,
            {"savedate": savedate, "bits": UNCHARGED, **_columns(keys), **firsts, **new, "posts": hexes},
        )
    else:
        text = json.dumps([(box.owner, box.box, box.highestmodseq, box.uidnext - count) for box in boxes])
        for number, (post, size, internaldate) in enumerate(posts):
            one = {"number": number, "internaldate": internaldate, "size": size, "post": post, "bits": UNCHARGED}
            tx.count(_SQLITE_INSERT, {"rows": text, "savedate": savedate, **one})


def move_watermarks(tx: Tx, keys: Sequence[Key], source: BoxId, watermark: int) -> None:
    """What of a source has been carried into each of these boxes; under their locks."""
    if tx.dialect == "postgresql" and len(keys) > FEW:
        tx.count(_POSTGRES_MARK, {"watermark": watermark, "source": source, **_columns(keys)})
    else:
        same = {"s_source": source, "s_watermark": watermark}
        tx.count_many(_MARK, [{**same, "s_owner": owner, "s_target": box} for owner, box in keys])


def modseq_rows(tx: Tx, keys: Sequence[Key]) -> list[tuple[int, ...]]:
    """Owner, id and highestmodseq of those of the boxes that are there."""
    if tx.dialect == "postgresql":
        return tx.rows(_POSTGRES_MODSEQS, _columns(keys))
    return tx.rows(_SQLITE_MODSEQS, {"keys": json.dumps(keys)})


def _columns(keys: Sequence[Key]) -> dict[str, list[int]]:
    return {"owners": [owner for owner, _ in keys], "boxes": [box for _, box in keys]}


def _list(tx: Tx, numbers: list[OwnerId]) -> list[OwnerId] | str:
    """A list as a parameter: SQLite has no arrays, but JSON."""
    return numbers if tx.dialect == "postgresql" else json.dumps(numbers)
