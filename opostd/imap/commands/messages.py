"""From the numbers of a command to messages of the selected box; shared by the handlers that have numbers."""

from bisect import bisect_right
from collections.abc import Sequence

from opostd.imap.session import Selected, Session
from opostd.imap.state.numbers import by_saved, by_seq, within
from opostd.imap.state.numbers import by_uid as ranges_by_uid
from opostd.imap.state.snapshot import Snapshot
from opostd.imap.state.view import View
from opostd.imap.values.responses import Vanished
from opostd.imap.values.sets import Numbers, SavedResult, SequenceSet
from opostd.model.errors import LacksRight, NotAllowed
from opostd.model.ids import ModSeq, Uid
from opostd.model.rights import NO_RIGHTS, Rights
from opostd.store import changes

Ranges = list[tuple[int, int]]
"""Places as the client counts, from 0, half open, ascending, apart from each other."""


def chosen(box: Selected, numbers: Numbers, *, by_uid: bool, clamped: bool = False) -> Ranges:
    """The places that a set names.  A number over the count is BadSyntax, a UID that is not there is nothing.

    clamped: such a number is nothing too (RFC 7377 2).
    ``$`` names the same messages in both kinds of command (RFC 5182 2.1).
    """
    uids = box.view.uids
    if isinstance(numbers, SavedResult):
        return by_saved(box.saved, uids)
    return ranges_by_uid(numbers, uids) if by_uid else by_seq(numbers, len(uids), clamped=clamped)


def uids_of(view: View, ranges: Ranges) -> list[Uid]:
    return [Uid(uid) for start, stop in ranges for uid in view.uids[start:stop]]


def uid_ranges(view: View, ranges: Ranges) -> list[tuple[int, int]]:
    """Inclusive ranges of UIDs.  Between two that the client knows there is none that it does not: UIDs ascend."""
    return [(view.uids[start], view.uids[stop - 1]) for start, stop in ranges if stop > start]


def uid_spans(snapshot: Snapshot, found: Sequence[int]) -> list[tuple[int, int]]:
    """Inclusive ranges of UIDs for places in a snapshot, ascending: between two that are neighbours there is none."""
    spans: list[list[int]] = []
    for index in found:
        if spans and index == spans[-1][1] + 1:
            spans[-1][1] = index
        else:
            spans.append([index, index])
    return [(snapshot.uids[first], snapshot.uids[last]) for first, last in spans]


def indexes(box: Selected, ranges: Ranges) -> Sequence[int]:
    """Where these stand in the snapshot; those that are gone meanwhile are left out."""
    view, snapshot = box.view, box.snapshot
    if view.uids is snapshot.uids:
        if len(ranges) == 1:  # of a million, no list of a million numbers
            return range(*ranges[0])
        return [place for start, stop in ranges for place in range(start, stop)]
    found = (view.index(snapshot, place) for start, stop in ranges for place in range(start, stop))
    return [index for index in found if index is not None]


def count(ranges: Ranges) -> int:
    return sum(stop - start for start, stop in ranges)


def writable(session: Session, needed: Rights = NO_RIGHTS) -> Selected:
    """The selected box, if it may be changed so.  Raises NotAllowed under EXAMINE, LacksRight."""
    if session.box.read_only:
        raise NotAllowed("the mailbox is open for reading only")
    if needed not in session.box.rights:
        raise LacksRight("no right to do this here")
    return session.box


def changed_since(box: Selected, modseq: ModSeq, known: SequenceSet | None) -> list[int]:
    """Where the messages stand in the snapshot that have changed since, of those that the client counts.

    known: UIDs to look at; None is all.
    """
    view, snapshot = box.view, box.snapshot
    last = view.uids[-1] if view.uids else 0
    fresh = bisect_right(snapshot.uids, last)
    found = snapshot.changed_since(modseq, fresh)
    if known is None or not found:
        return found
    wanted = set(within(known, [snapshot.uids[index] for index in found], last))
    return [index for index in found if snapshot.uids[index] in wanted]


async def vanished_since(session: Session, modseq: ModSeq, known: Numbers | None) -> list[Vanished]:
    """What has left the selected box since, but for messages that the client still counts: those it is told later.

    known: the UIDs the client asks about, ``*`` the last that the box has given; None is all (RFC 7162 3.2.5.1).
    What has left is no part of a saved result (RFC 5182 2.1).
    """
    box = session.box
    if isinstance(known, SavedResult):
        return []
    gone = await session.services.store.run(changes.gone, *box.live.key, modseq)
    last = box.snapshot.box.uidnext - 1
    counted = {*box.view.uids, *box.snapshot.uids}
    gone = [uid for uid in gone if uid <= last and uid not in counted]
    uids = tuple(gone) if known is None else within(known, gone, last)
    return [Vanished(uids, earlier=True)] if uids else []
