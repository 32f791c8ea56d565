"""What one client believes about its selected box, and how it is brought up to date (RFC 9051 7.5.1, 7.4).

Only ``catch_up`` changes a view.  A naive client that applies our untagged lines holds exactly ``View.uids``.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection
from dataclasses import dataclass

from opostd.imap.state.snapshot import Snapshot
from opostd.imap.values.responses import Condition, Exists, Expunge, FlagsChanged, Response, State, Vanished
from opostd.model.ids import ModSeq


@dataclass(frozen=True, slots=True)
class Manner:
    """How a client wants to be told of changes.

    modseqs: MODSEQ with all flags, after a CONDSTORE-enabling command (RFC 7162 3.1, 3.2.4).  vanished: VANISHED in
    place of EXPUNGE, after ENABLE QRESYNC (RFC 7162 3.2.10).  uid_only: no message numbers (RFC 9586).
    """

    modseqs: bool = False
    vanished: bool = False
    uid_only: bool = False


PLAIN = Manner()
STRETCH = 512  # UIDs that are looked for together


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """uids: the messages the client counts, in order: those gone of which it has not been told are still among them.

    modseq: it knows all flags up to this change.  expunges: the snapshot's count when it last knew of all that left;
    whole: it knows all that happened up to this change, what left included.
    Where nothing is untold, uids is the snapshot's own array, not a copy.
    """

    uids: "array[int]"
    modseq: ModSeq
    expunges: int
    whole: ModSeq

    def index(self, snapshot: Snapshot, place: int) -> int | None:
        """Where the message at a client's place (from 0) stands in the snapshot; None when it is gone."""
        if self.uids is snapshot.uids:
            return place
        return snapshot.index(self.uids[place])

    def place(self, uid: int) -> int | None:
        """The client's place of a UID, from 0; None where the client does not count it."""
        at = bisect_left(self.uids, uid)
        return at if at < len(self.uids) and self.uids[at] == uid else None


def opened(snapshot: Snapshot) -> View:
    """What a client believes right after SELECT."""
    return View(snapshot.uids, snapshot.modseq, snapshot.expunges, snapshot.modseq)


def catch_up(
    view: View, snapshot: Snapshot, *, may_expunge: bool, own: Collection[ModSeq] = (), manner: Manner = PLAIN
) -> tuple[View, list[Response]]:
    """The view after the client has been told, and the untagged responses that tell it.

    may_expunge: EXPUNGE is allowed here (not during FETCH, STORE, SEARCH by number: RFC 9051 7.5.1).
    own: changes whose flags the client knows already, because its own command made and showed them.
    """
    if view.modseq == snapshot.modseq and view.uids is snapshot.uids:
        return view, []
    told: list[Response] = []
    last = view.uids[-1] if view.uids else 0
    fresh = bisect_right(snapshot.uids, last)
    if view.expunges == snapshot.expunges:
        uids, expunges = snapshot.uids, snapshot.expunges
    elif may_expunge:
        left = _missing(view.uids, snapshot)
        if manner.vanished and left:
            told.append(Vanished(tuple([view.uids[place] for place in left])))
        elif left:
            # From the last to the first, so that each number is right whatever went before.
            told += [Expunge(place + 1) for place in reversed(left)]
        uids, expunges = snapshot.uids, snapshot.expunges
    else:
        uids, expunges = view.uids + snapshot.uids[fresh:], view.expunges
    if fresh < len(snapshot.uids):
        told.append(Exists(len(uids)))
    if snapshot.modseq != view.modseq:
        told += _flags(view, snapshot, uids, fresh, own, manner)
    whole = snapshot.modseq if expunges == snapshot.expunges else view.whole
    if manner.modseqs and (view.whole < view.modseq or whole < snapshot.modseq):
        # A client takes the highest MODSEQ it sees for its own, and would never hear of a message that left before:
        # it is told how far it really is, and again when it has caught up (RFC 7162 3.2, 6).
        told.append(State(Condition.OK, "so far", b"HIGHESTMODSEQ %d" % whole))
    return View(uids, snapshot.modseq, expunges, whole), told


def _missing(uids: "array[int]", snapshot: Snapshot) -> list[int]:
    """The places of what has left.  What the box has below the client's last UID is known to it, for UIDs ascend: where
    a stretch has as many as the client knows, they are the same.
    """
    left: list[int] = []
    stop = 0
    for start in range(0, len(uids), STRETCH):
        known = uids[start : start + STRETCH]
        begin, stop = stop, bisect_right(snapshot.uids, known[-1], stop)
        if stop - begin < len(known):
            present = set(snapshot.uids[begin:stop])
            left += [place for place, uid in enumerate(known, start) if uid not in present]
    return left


def _flags(
    view: View, snapshot: Snapshot, uids: "array[int]", fresh: int, own: Collection[ModSeq], manner: Manner
) -> list[FlagsChanged]:
    """Of messages the client knew; it asks for those of new ones itself."""
    since = view.modseq
    if 0 < snapshot.modseq - since <= len(own) and all(each in own for each in range(since + 1, snapshot.modseq + 1)):
        return []  # STORE 1:* of a client that is alone: its 10,000 messages need not be looked at
    modseqs = snapshot.modseqs
    same = uids is snapshot.uids
    told = []
    for index in snapshot.changed_since(since, fresh):
        if modseqs[index] in own:
            continue
        uid = snapshot.uids[index]
        place = index if same else bisect_left(uids, uid)
        modseq = modseqs[index] if manner.modseqs else None
        number = None if manner.uid_only else place + 1
        told.append(FlagsChanged(number, uid, snapshot.bits[index], snapshot.keywords.get(uid, ()), modseq))
    return told
