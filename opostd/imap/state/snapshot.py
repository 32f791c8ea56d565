"""One box at one moment, as flat arrays: shared by all connections to it, replaced when it changes, never altered.

10,000 messages cost about 410 kB.  A row's modseq may be above the snapshot's own: the box row is read before the
rows, so a change that came between is read again with the next step, and nothing is missed.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from opostd.model.flags import FlagAction
from opostd.model.ids import ModSeq, PostId, Uid
from opostd.model.records import Box, DeliveredPost

POST_ID_OCTETS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Columns of equal length, by ascending UID; posts: the ids end to end, 16 octets each.

    keywords: by UID, only of messages that have any.  expunges: how often messages have left since the first
    snapshot of this box: where two snapshots have the same count, the earlier one's UIDs begin the later one's.
    """

    box: Box
    uids: "array[int]"
    bits: "array[int]"
    modseqs: "array[int]"
    posts: bytes
    sizes: "array[int]"
    internaldates: "array[int]"
    keywords: Mapping[int, tuple[str, ...]]
    expunges: int = 0

    @property
    def modseq(self) -> ModSeq:
        return self.box.highestmodseq

    def __len__(self) -> int:
        return len(self.uids)

    def index(self, uid: int) -> int | None:
        """The place of a UID, from 0, or None where the box has it not."""
        at = bisect_left(self.uids, uid)
        return at if at < len(self.uids) and self.uids[at] == uid else None

    def post(self, index: int) -> PostId:
        return PostId(self.posts[index * POST_ID_OCTETS : (index + 1) * POST_ID_OCTETS])

    def places(self, post: PostId) -> set[int]:
        """Where a post stands: once, or more often where COPY made several messages of it."""
        found: set[int] = set()
        at = self.posts.find(post)
        while at >= 0:
            if at % POST_ID_OCTETS == 0:
                found.add(at // POST_ID_OCTETS)
            at = self.posts.find(post, at + 1)
        return found

    def keywords_in_use(self) -> tuple[str, ...]:
        """All keywords that occur, sorted."""
        return tuple(sorted({keyword for words in self.keywords.values() for keyword in words}))


def changed(old: Snapshot, box: Box, rows: Sequence[DeliveredPost], gone: Sequence[Uid]) -> Snapshot:
    """The next snapshot: rows are new or changed messages by ascending UID, gone those that have left.

    A UID in both has left: it was read as changed a moment before.
    """
    if not rows and not gone:
        return old if box == old.box else _with_box(old, box)
    columns = _Columns(old)
    for row in rows:
        columns.put(row)
    left = columns.remove(gone)
    return columns.snapshot(box, old.expunges + (1 if left else 0))


def appended(old: Snapshot, box: Box, posts: Sequence[tuple[PostId, int, int]], bits: int) -> Snapshot | None:
    """The next snapshot after new messages at the end, without a look at the store.

    box: as it is with them.  posts: id, octets and INTERNALDATE of each, with these bits.  None where another change
    came between.
    """
    first = box.uidnext - len(posts)
    same = (old.box.uidvalidity, old.box.uidnext, old.modseq + 1) == (box.uidvalidity, first, box.highestmodseq)
    if not same or (old.uids and old.uids[-1] >= first):  # a row that was read ahead of its box
        return None
    ids, sizes, internaldates = zip(*posts, strict=True)
    return Snapshot(
        box,
        old.uids + array("I", range(first, box.uidnext)),
        old.bits + array("B", [bits]) * len(posts),
        old.modseqs + array("Q", [box.highestmodseq]) * len(posts),
        old.posts + b"".join(ids),
        old.sizes + array("I", sizes),
        old.internaldates + array("q", internaldates),
        old.keywords,
        old.expunges,
    )


def flagged(
    old: Snapshot,
    spans: Sequence[tuple[int, int]],
    action: FlagAction,
    bits: int,
    modseq: ModSeq,
    unchangedsince: ModSeq | None,
) -> tuple[Snapshot, int] | None:
    """The next snapshot after a STORE of system flags, without a look at the store; how many messages it changed.

    spans: inclusive, of UIDs.  modseq: what the change was given.  None where another change came between, or where
    this one is not computed here.
    """
    if old.modseq + 1 != modseq or action not in (FlagAction.ADD, FlagAction.REMOVE):
        return None
    add = action is FlagAction.ADD
    table = bytes(before | bits if add else before & ~bits for before in range(256))
    new, modseqs, count = old.bits[:], old.modseqs[:], 0
    for first, last in spans:
        start, stop = bisect_left(old.uids, first), bisect_right(old.uids, last)
        before = new[start:stop].tobytes()
        after = before.translate(table)
        if before == after:
            continue
        changed_here = [at for at in range(start, stop) if before[at - start] != after[at - start]]
        if unchangedsince is not None:
            changed_here = [at for at in changed_here if old.modseqs[at] <= unchangedsince]
        if any(old.modseqs[at] > old.modseq for at in changed_here):
            return None  # a row that was read ahead of its box, after this change perhaps
        if len(changed_here) == stop - start:
            new[start:stop] = array("B", after)
            modseqs[start:stop] = array("Q", [modseq]) * (stop - start)
        else:
            for at in changed_here:
                new[at] = after[at - start]
                modseqs[at] = modseq
        count += len(changed_here)
    return replace(old, box=replace(old.box, highestmodseq=modseq), bits=new, modseqs=modseqs), count


def _with_box(old: Snapshot, box: Box) -> Snapshot:
    return Snapshot(
        box, old.uids, old.bits, old.modseqs, old.posts, old.sizes, old.internaldates, old.keywords, old.expunges
    )


class _Columns:
    """Copies of a snapshot's columns, to be altered once."""

    def __init__(self, old: Snapshot) -> None:
        self.uids = old.uids[:]
        self.bits = old.bits[:]
        self.modseqs = old.modseqs[:]
        self.posts = bytearray(old.posts)
        self.sizes = old.sizes[:]
        self.internaldates = old.internaldates[:]
        self.keywords = dict(old.keywords)

    def put(self, row: DeliveredPost) -> None:
        at = bisect_left(self.uids, row.uid)
        if at == len(self.uids):
            self.uids.append(row.uid)
            self.bits.append(row.bits)
            self.modseqs.append(row.modseq)
            self.posts += row.post
            self.sizes.append(row.size)
            self.internaldates.append(row.internaldate)
        elif self.uids[at] == row.uid:
            self.bits[at] = row.bits
            self.modseqs[at] = row.modseq
        else:  # UIDs become visible in ascending order (promise 2), so this would be a fault of the store
            raise ValueError(f"UID {row.uid} appeared below {self.uids[-1]}")
        if row.keywords:
            self.keywords[row.uid] = row.keywords
        else:
            self.keywords.pop(row.uid, None)

    def remove(self, gone: Sequence[Uid]) -> bool:
        """Whether any of these was here.  Few are deleted one by one, many by building the columns anew."""
        leaving = {uid for uid in gone if self._has(uid)}
        if not leaving:
            return False
        if len(leaving) <= 16:
            for uid in leaving:
                at = bisect_left(self.uids, uid)
                for column in (self.uids, self.bits, self.modseqs, self.sizes, self.internaldates):
                    del column[at]
                del self.posts[at * POST_ID_OCTETS : (at + 1) * POST_ID_OCTETS]
        else:
            kept = [at for at, uid in enumerate(self.uids) if uid not in leaving]
            posts = self.posts
            self.posts = bytearray().join(posts[at * POST_ID_OCTETS : (at + 1) * POST_ID_OCTETS] for at in kept)
            for name in ("uids", "bits", "modseqs", "sizes", "internaldates"):
                column = getattr(self, name)
                setattr(self, name, array(column.typecode, [column[at] for at in kept]))
        for uid in leaving:
            self.keywords.pop(uid, None)
        return True

    def _has(self, uid: int) -> bool:
        at = bisect_left(self.uids, uid)
        return at < len(self.uids) and self.uids[at] == uid

    def snapshot(self, box: Box, expunges: int) -> Snapshot:
        return Snapshot(
            box,
            self.uids,
            self.bits,
            self.modseqs,
            bytes(self.posts),
            self.sizes,
            self.internaldates,
            self.keywords,
            expunges,
        )
