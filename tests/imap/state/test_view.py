"""The view of a client (RFC 9051 7.4, 7.5): a naive client that applies our lines holds exactly the new view."""

from array import array
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.state.snapshot import Snapshot, changed
from opostd.imap.state.view import View, catch_up, opened
from opostd.imap.values.responses import Exists, Expunge, FlagsChanged, Response
from opostd.model.columns import Columns
from opostd.model.flags import ALL_FLAGS
from opostd.model.ids import BoxId, ModSeq, OwnerId, PostId, Uid
from opostd.model.records import Box, DeliveredPost


def box(uidnext: int, modseq: int) -> Box:
    return Box(OwnerId(7), BoxId(9), "x", "", 1, Uid(uidnext), ModSeq(modseq))


def row(uid: int, modseq: int, bits: int = 0, keywords: tuple[str, ...] = ()) -> DeliveredPost:
    return DeliveredPost(Uid(uid), ModSeq(modseq), PostId(uid.to_bytes(16, "big")), bits, keywords, 0, 0, 10)


EMPTY = Snapshot(box(1, 1), Columns(array("I"), array("B"), (), {}, block_rows=4))


@dataclass
class NaiveClient:
    """Believes what it is told.  uids: None where it has not asked yet."""

    bits: list[int | None] = field(default_factory=list)

    def hear(self, responses: list[Response]) -> None:
        for response in responses:
            match response:
                case Expunge(number):
                    assert 1 <= number <= len(self.bits)
                    del self.bits[number - 1]
                case Exists(count):
                    assert count > len(self.bits)
                    self.bits += [None] * (count - len(self.bits))
                case FlagsChanged(number, _, bits, _):
                    assert 1 <= number <= len(self.bits)
                    self.bits[number - 1] = bits
                case _:
                    raise AssertionError(response)


class Server:
    """A box whose changes are chosen by the test, and one client's view of it."""

    def __init__(self) -> None:
        self.snapshot = EMPTY
        self.view: View = opened(EMPTY)
        self.client = NaiveClient()
        self.uidnext = 1
        self.modseq = 1

    def change(self, new: int, flagged: list[tuple[int, int]], gone: list[int]) -> None:
        """new: how many arrive; flagged: (which, bits); gone: which; ``which`` counts round the messages there."""
        self.modseq += 1
        uids = list(self.snapshot.uids)
        leaving = {uids[which % len(uids)] for which in gone} if uids else set()
        rows = {}
        for which, bits in flagged if uids else []:
            uid = uids[which % len(uids)]
            if uid not in leaving:
                rows[uid] = row(uid, self.modseq, bits, ("k",) if bits & 1 else ())
        for _ in range(new):
            rows[self.uidnext] = row(self.uidnext, self.modseq)
            self.uidnext += 1
        here = box(self.uidnext, self.modseq)
        self.snapshot = changed(self.snapshot, here, [rows[uid] for uid in sorted(rows)], [Uid(uid) for uid in leaving])

    def tell(self, *, may_expunge: bool) -> list[Response]:
        before = list(self.view.uids)
        self.view, told = catch_up(self.view, self.snapshot, may_expunge=may_expunge)
        if not may_expunge:
            assert not any(isinstance(each, Expunge) for each in told)
            assert list(self.view.uids)[: len(before)] == before
        self.client.hear(told)
        return told


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.integers(0, 3),
            st.lists(st.tuples(st.integers(0, 50), st.integers(0, ALL_FLAGS)), max_size=3),
            st.lists(st.integers(0, 50), max_size=3),
        ),
        st.booleans(),
    ),
    max_size=25,
)


@given(STEPS)
def test_a_naive_client_holds_the_view(steps: list[tuple[int, list[tuple[int, int]], list[int]] | bool]) -> None:
    server = Server()
    server.change(5, [], [])
    for step in steps:
        if isinstance(step, bool):
            server.tell(may_expunge=step)
            assert len(server.client.bits) == len(server.view.uids)
        else:
            server.change(*step)
    server.tell(may_expunge=True)
    assert list(server.view.uids) == list(server.snapshot.uids)
    assert len(server.client.bits) == len(server.snapshot)
    for known, bits in zip(server.client.bits, server.snapshot.bits, strict=True):
        assert known is None or known == bits
    assert server.tell(may_expunge=True) == []


@given(st.integers(1, 60), st.sets(st.integers(0, 59)), st.integers(0, 5))
def test_snapshots_keep_their_columns_in_step(count: int, gone: set[int], flagged: int) -> None:
    """Few messages leave one by one, many by building the columns anew: the same in the end."""
    server = Server()
    server.change(count, [], [])
    server.change(0, [(flagged, 5)], [])
    server.change(2, [], [which for which in gone if which < count])
    snapshot = server.snapshot
    stay = [uid for uid in range(1, count + 3) if uid - 1 not in gone or uid > count]
    assert list(snapshot.uids) == stay
    columns = (snapshot.bits, snapshot.modseqs, snapshot.sizes, snapshot.internaldates)
    assert {len(column) for column in columns} == {len(stay)}
    assert [int.from_bytes(snapshot.post(index), "big") for index in range(len(stay))] == stay
    assert set(snapshot.keywords) <= set(stay)
    assert all(snapshot.index(uid) == index for index, uid in enumerate(stay))
    assert snapshot.index(count + 3) is None


def test_own_changes_are_not_told_again() -> None:
    server = Server()
    server.change(2, [], [])
    server.tell(may_expunge=True)
    server.change(0, [(0, 1)], [])
    view, told = catch_up(server.view, server.snapshot, may_expunge=True, own={server.snapshot.modseq})
    assert told == []
    assert view.modseq == server.snapshot.modseq


def test_own_changes_are_not_even_looked_for() -> None:
    """But where one came between, or a row was read ahead of its box, that is told, now or with the next look."""

    class Unseen(Snapshot):
        def changed_since(self, modseq: int, stop: int) -> list[int]:
            raise AssertionError("looked at every message")

    server = Server()
    server.change(3, [], [])
    server.tell(may_expunge=True)
    before = server.view
    first = changed(
        server.snapshot, box(4, server.modseq + 2), [row(1, server.modseq + 1), row(2, server.modseq + 3)], ()
    )
    own = {ModSeq(server.modseq + 1), ModSeq(server.modseq + 2)}
    unseen = Unseen(first.box, first.columns, first.expunges)
    view, told = catch_up(before, unseen, may_expunge=True, own=own)
    assert told == []
    later = changed(first, box(4, server.modseq + 3), [], ())
    assert catch_up(view, later, may_expunge=True)[1] == [FlagsChanged(2, 2, 0, ())]
    for one in own:
        _, told = catch_up(before, first, may_expunge=True, own={one})
        assert FlagsChanged(2, 2, 0, ()) in told
        assert (FlagsChanged(1, 1, 0, ()) in told) == (one != server.modseq + 1)


def test_expunges_from_the_last_to_the_first() -> None:
    server = Server()
    server.change(4, [], [])
    server.tell(may_expunge=True)
    server.change(1, [], [0, 2])
    assert server.tell(may_expunge=False) == [Exists(5)]
    assert server.tell(may_expunge=True) == [Expunge(3), Expunge(1)]
