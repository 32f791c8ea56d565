"""From the numbers of a command to messages of the selected box; shared by the handlers that have numbers."""

from opostd.imap.session import Selected, Session
from opostd.imap.state.numbers import by_saved, by_seq
from opostd.imap.state.numbers import by_uid as ranges_by_uid
from opostd.imap.state.view import View
from opostd.imap.values.sets import Numbers, SavedResult
from opostd.model.errors import NotAllowed
from opostd.model.ids import Uid

Ranges = list[tuple[int, int]]
"""Places as the client counts, from 0, half open, ascending, apart from each other."""


def chosen(box: Selected, numbers: Numbers, *, by_uid: bool) -> Ranges:
    """The places that a set names.  A number over the count is BadSyntax, a UID that is not there is nothing.

    ``$`` names the same messages in both kinds of command (RFC 5182 2.1).
    """
    uids = box.view.uids
    if isinstance(numbers, SavedResult):
        return by_saved(box.saved, uids)
    return ranges_by_uid(numbers, uids) if by_uid else by_seq(numbers, len(uids))


def uids_of(view: View, ranges: Ranges) -> list[Uid]:
    return [Uid(uid) for start, stop in ranges for uid in view.uids[start:stop]]


def uid_ranges(view: View, ranges: Ranges) -> list[tuple[int, int]]:
    """Inclusive ranges of UIDs.  Between two that the client knows there is none that it does not: UIDs ascend."""
    return [(view.uids[start], view.uids[stop - 1]) for start, stop in ranges if stop > start]


def indexes(box: Selected, ranges: Ranges) -> list[int]:
    """Where these stand in the snapshot; those that are gone meanwhile are left out."""
    view, snapshot = box.view, box.snapshot
    if view.uids is snapshot.uids:
        return [place for start, stop in ranges for place in range(start, stop)]
    found = (view.index(snapshot, place) for start, stop in ranges for place in range(start, stop))
    return [index for index in found if index is not None]


def count(ranges: Ranges) -> int:
    return sum(stop - start for start, stop in ranges)


def writable(session: Session) -> Selected:
    """The selected box, if it may be changed."""
    if session.box.read_only:
        raise NotAllowed("the mailbox is open for reading only")
    return session.box
