"""A whole box at once, as columns: what a SELECT reads when nobody has the box open.

The database puts the records of a page together itself, and one row comes for thousands of messages: a driver's row
for each took twice as long, and took the interpreter's lock a million times for a million of them, so that every other
connection of the process waited.  Memory is bounded by the page.
"""

import ctypes
import json
from array import array

import sqlalchemy as sa

from opostd.model.columns import BLOCK_ROWS, Block, Columns, read_lists, read_records
from opostd.model.ids import BoxId, OwnerId
from opostd.model.records import Box
from opostd.store.locks import read_box
from opostd.store.run import Group, Tx, reads

_KEYWORDS = "CASE WHEN keywords <> '' THEN CAST(uid AS text) || ' ' || keywords END"
_PAGE = """FROM (
    SELECT uid, size, modseq, bits, internaldate, post_id, keywords FROM delivered_post
    WHERE owner_id = :owner AND box_id = :box AND uid > :after ORDER BY uid LIMIT :count) AS page"""
_RECORDS = sa.text(f"""
    SELECT count(*), max(uid), string_agg(int8send(uid << 32 | size) || int8send(modseq << 8 | bits)
        || int8send(internaldate) || uuid_send(post_id), ''), string_agg({_KEYWORDS}, chr(10)) {_PAGE}""")
"""PostgreSQL; RECORD_OCTETS says what stands where."""
_LISTS = sa.text(f"""
    SELECT count(*), max(uid), json_group_array(uid), json_group_array(size), json_group_array(modseq),
        json_group_array(bits), json_group_array(internaldate), CAST(group_concat(post_id, '') AS BLOB),
        group_concat({_KEYWORDS}, char(10)) {_PAGE}""")
"""SQLite, which has no numbers in octets: printing them as digits of a fixed width took twice as long."""


@reads(Group.OWNER)
def columns(tx: Tx, owner: OwnerId, box: BoxId, block_rows: int = BLOCK_ROWS) -> tuple[Box, Columns]:
    """The box, and all that is in it.  Raises NoSuchBox.

    On PostgreSQL each page is read at its own moment.  What comes or changes meanwhile has a modseq above that of the
    box, which was read first, and is read again with the next look; what leaves meanwhile is named by it.
    """
    return read_box(tx, owner, box), rows(tx, owner, box, block_rows)


def rows(tx: Tx, owner: OwnerId, box: BoxId, block_rows: int = BLOCK_ROWS) -> Columns:
    """All that is in a box; of one that is gone nothing."""
    uids, bits, keywords = array("I"), array("B"), dict[int, tuple[str, ...]]()
    blocks: list[Block] = []
    after, more = 0, True
    while more:
        given = {"owner": owner, "box": box, "after": after, "count": block_rows}
        if tx.dialect == "postgresql":
            ((count, after, records, words),) = tx.rows(_RECORDS, given)
            if count:
                blocks.append(read_records(records, uids, bits))
        else:
            ((count, after, *lists, posts, words),) = tx.rows(_LISTS, given)
            if count:
                blocks.append(read_lists([json.loads(each) for each in lists], posts, uids, bits))
        if words:
            for line in words.split("\n"):
                uid, *its = line.split()
                keywords[int(uid)] = tuple(its)
        more = count == block_rows
    if len(blocks) > 1:
        if tx.dialect == "sqlite":
            tx.execute(_SHRINK)
        _give_back()
    return Columns(uids, bits, tuple(blocks), keywords, block_rows)


_SHRINK = sa.text("PRAGMA shrink_memory")
"""A large box goes through the connection's cache once, and would stay there: 8 MiB that nobody reads again."""
_LIBC = ctypes.CDLL(None)


def _give_back() -> None:
    """To the system, what the pages took: glibc would keep 12 MiB for a box of a million.  It takes 2 ms."""
    if (trim := getattr(_LIBC, "malloc_trim", None)) is not None:  # other libraries have none
        trim(0)
