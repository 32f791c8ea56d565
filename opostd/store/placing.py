"""The rows of deliveries into many boxes at once: what is charged, what is there already, what is new.

PostgreSQL takes arrays: a hundred boxes are one UPDATE, one SELECT that goes with it, and one INSERT.  SQLite is no
way away: one ready statement for each box is the fastest there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from opostd.model.errors import NoSuchBox
from opostd.model.ids import BoxId, ModSeq, OwnerId, PostId, Uid
from opostd.model.records import Box
from opostd.store import schema
from opostd.store.by_post import BEGIN, among, is_among
from opostd.store.database import chunks
from opostd.store.dialect import NewRow, insert_rows, unindexed
from opostd.store.locks import CHARGE, GIVE_BACK, box_of, charge, checked_uids
from opostd.store.run import Tx

Key = tuple[OwnerId, BoxId]


@dataclass(frozen=True, slots=True)
class Charge:
    """So much more of a box, or less; ids: posts that may be in it, and are looked for."""

    key: Key
    octets: int
    messages: int
    uids: int
    modseqs: int
    ids: Sequence[PostId] = ()


@dataclass(frozen=True, slots=True)
class Charged:
    """The box afterwards, the account's own two limits, and the UIDs of those of the posts that it has."""

    box: Box
    limits: tuple[int | None, int | None]
    known: dict[PostId, Uid]


_dp = schema.delivered_post
_KNOWN_ONE = sa.select(_dp.c.post_id, _dp.c.uid).where(
    _dp.c.owner_id == sa.bindparam("owner"), _dp.c.box_id == sa.bindparam("box"), _dp.c.post_id == sa.bindparam("id")
)
# PostgreSQL is not to search for the box, or it would rather read all of it: it takes owner and box for independent.
_KNOWN = {
    dialect: sa.select(_dp.c.post_id, _dp.c.uid).where(
        _dp.c.owner_id == sa.bindparam("owner", type_=sa.BigInteger),
        (unindexed(_dp.c.box_id) if dialect == "postgresql" else _dp.c.box_id)
        == sa.bindparam("box", type_=sa.BigInteger),
        ids,
    )
    for dialect, ids in is_among().items()
}
FEW_BOXES = 3  # that are charged one by one on PostgreSQL, too
FEW = 8  # posts that SQLite finds one by one sooner than as a list
# The keys stand in order, in a query of their own: a nested loop over it, and nothing else, locks rows in that order.
_ONE_BY_ONE = sa.text(
    "SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),"
    " set_config('enable_seqscan', 'off', true)"
)
_POSTGRES_CHARGE = sa.text("""
    UPDATE box SET uidnext = box.uidnext + k.uids, highestmodseq = box.highestmodseq + k.modseqs,
        charged_octets = box.charged_octets + k.octets, charged_messages = box.charged_messages + k.messages
    FROM (
        SELECT * FROM unnest(CAST(:owners AS bigint[]), CAST(:boxes AS bigint[]), CAST(:uids AS bigint[]),
            CAST(:modseqs AS bigint[]), CAST(:octets AS bigint[]), CAST(:messages AS bigint[]))
            AS given (owner_id, box_id, uids, modseqs, octets, messages)
        ORDER BY owner_id, box_id
    ) AS k
    WHERE box.owner_id = k.owner_id AND box.box_id = k.box_id
    RETURNING box.owner_id, box.box_id, box.name, box.role, box.uidvalidity, box.uidnext, box.highestmodseq,
        (SELECT a.quota_octets FROM account a WHERE a.owner_id = box.owner_id),
        (SELECT a.quota_messages FROM account a WHERE a.owner_id = box.owner_id)""")
_POSTGRES_KNOWN = sa.text(f"""
    SELECT d.owner_id, d.box_id, uuid_send(d.post_id), min(d.uid)
    FROM unnest(CAST(:owners AS bigint[]), CAST(:boxes AS bigint[]), CAST(:ids AS uuid[]))
        AS k (owner_id, box_id, post_id)
    JOIN delivered_post d ON true
    WHERE d.owner_id = k.owner_id AND d.box_id + 0 = k.box_id AND d.post_id = k.post_id
        AND {BEGIN.format("d.post_id")} = {BEGIN.format("k.post_id")}
    GROUP BY d.owner_id, d.box_id, d.post_id""")  # noqa: S608
_POSTGRES_INSERT = sa.text("""
    INSERT INTO delivered_post
        (owner_id, box_id, modseq, uid, internaldate, size, bits, post_id, keywords, savedate)
    SELECT row.*, CAST(:savedate AS bigint)
    FROM unnest(
        CAST(:owners AS bigint[]), CAST(:boxes AS bigint[]), CAST(:modseqs AS bigint[]), CAST(:uids AS bigint[]),
        CAST(:internaldates AS bigint[]), CAST(:sizes AS integer[]), CAST(:bits AS smallint[]),
        CAST(:posts AS uuid[]), CAST(:keywords AS text[])
    ) AS row""")


def charge_all(tx: Tx, charges: Sequence[Charge]) -> dict[Key, Charged]:
    """Takes the locks of these boxes, each once and ascending, and charges them; one that is gone is left out.

    Raises LimitReached rather than begin the UIDs anew.
    """
    found: dict[Key, Charged] = {}
    if tx.dialect != "postgresql":
        for each in charges:
            try:
                box, *limits = charge(tx, *each.key, each.octets, each.messages, uids=each.uids, modseqs=each.modseqs)
            except NoSuchBox:
                continue
            known = known_uids(tx, *each.key, each.ids) if each.ids else {}
            found[each.key] = Charged(box, (limits[0], limits[1]), known)
        return found
    if not charges:
        return found
    pairs = [(*each.key, id_.hex()) for each in charges for id_ in each.ids]
    owners, boxes, ids = map(list, zip(*pairs, strict=True)) if pairs else ([], [], [])
    # What is there sees what was committed before it is looked for, which is after the locks were taken.
    asked = (_POSTGRES_KNOWN, {"owners": owners, "boxes": boxes, "ids": ids})
    if len(charges) <= FEW_BOXES:
        *locked, known_rows = tx.rows_of(*((CHARGE, _row(each)) for each in charges), asked)
        charged = [row for rows in locked for row in rows]
    else:
        tx.later(_ONE_BY_ONE, {})
        charged, known_rows = tx.rows_of((_POSTGRES_CHARGE, _columns(charges)), asked)
    there: dict[Key, dict[PostId, Uid]] = {}
    for owner, box_id, post, uid in known_rows:
        there.setdefault((owner, box_id), {})[PostId(post)] = Uid(uid)
    amounts = {each.key: each.uids for each in charges}
    for *row, octets, messages in charged:
        box = box_of(row)
        key = box.owner, box.box
        found[key] = Charged(checked_uids(box, amounts[key]), (octets, messages), there.get(key, {}))
    return found


def give_back(tx: Tx, charges: Sequence[Charge]) -> None:
    """Charges boxes that are locked; nothing is asked."""
    tx.later(GIVE_BACK, *map(_row, charges))


def _row(each: Charge) -> dict[str, int]:
    owner, box = each.key
    return {
        "b_owner": owner, "b_box": box, "b_uids": each.uids, "b_modseqs": each.modseqs, "b_octets": each.octets,
        "b_messages": each.messages,
    }  # fmt: skip


def _columns(charges: Sequence[Charge]) -> dict[str, list[int]]:
    return {
        "owners": [each.key[0] for each in charges],
        "boxes": [each.key[1] for each in charges],
        **{name: [getattr(each, name) for each in charges] for name in ("uids", "modseqs", "octets", "messages")},
    }


def known_uids(tx: Tx, owner: OwnerId, box: BoxId, ids: Sequence[PostId]) -> dict[PostId, Uid]:
    """The UIDs of those posts that the box has, the lowest of each; to be read under its lock."""
    found: dict[PostId, Uid] = {}
    if tx.dialect == "sqlite" and len(ids) <= FEW:
        rows = [row for id_ in ids for row in tx.rows(_KNOWN_ONE, {"owner": owner, "box": box, "id": id_})]
        for id_, uid in sorted(rows, key=lambda row: -row[1]):
            found[PostId(id_)] = Uid(uid)
        return found
    for page in chunks(ids):
        for row in tx.execute(_KNOWN[tx.dialect], {"owner": owner, "box": box, **among(tx.dialect, page)}):
            post, uid = PostId(row[0]), Uid(row[1])
            found[post] = min(uid, found.get(post, uid))
    return found


def insert_all(tx: Tx, savedate: int, rows: Sequence[tuple[Key, ModSeq, NewRow]]) -> None:
    """New rows of boxes that are locked."""
    if tx.dialect != "postgresql":
        insert_rows(tx, savedate, rows)
        return
    for page in chunks(rows):
        columns: dict[str, Any] = {
            "savedate": savedate,
            "owners": [key[0] for key, _, _ in page],
            "boxes": [key[1] for key, _, _ in page],
            "modseqs": [modseq for _, modseq, _ in page],
        }
        names = ("uids", "internaldates", "sizes", "bits", "posts", "keywords")
        columns |= dict(zip(names, map(list, zip(*(row for _, _, row in page), strict=True)), strict=True))
        columns["posts"] = [post.hex() for post in columns["posts"]]
        tx.later(_POSTGRES_INSERT, columns)
