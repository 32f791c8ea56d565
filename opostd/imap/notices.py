"""What one connection is told without having asked, after NOTIFY (RFC 5465): the selected mailbox, others, their names.

Hints say what to look at, as for IDLE (``live``); what is looked at is counted, and told where it differs from what
was told last.  What must stay true: a connection that has not said NOTIFY pays nothing; what piles up for a client that
does not read is a set of mailboxes and no list of events; nothing is forgotten where the store could not be asked; of
what the client itself has done it is told nothing, where that can be known.
"""

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import replace

from opostd.imap.access import others
from opostd.imap.commands.fetch import lines
from opostd.imap.commands.status import counted, status_data, statuses
from opostd.imap.faults import TooMuchToNotify
from opostd.imap.limits import MAX_NOTIFY_BOXES
from opostd.imap.live import Key
from opostd.imap.session import Selected, Session
from opostd.imap.state.match import described
from opostd.imap.state.view import catch_up
from opostd.imap.state.wishes import Marks, Tree, Wishes, affected, annotated
from opostd.imap.values.commands import StatusItem
from opostd.imap.values.notify import MESSAGE_EVENTS, Event
from opostd.imap.values.responses import FlagsChanged, Listed, Response
from opostd.model.errors import LimitReached
from opostd.model.ids import BoxId, ModSeq
from opostd.model.rights import Rights
from opostd.store import annotations, boxes
from opostd.store.boxes import Status
from opostd.store.names import is_shared

COUNTS = (StatusItem.MESSAGES, StatusItem.UIDNEXT, StatusItem.UIDVALIDITY)


class Notices:
    """The watch of one connection.  ``news`` tells what is due; ``wake`` is called when something may be."""

    def __init__(self, session: Session, wishes: Wishes, wake: Callable[[], None]) -> None:
        self._owner = session.user.owner
        self.wishes = wishes
        self.keys: tuple[Key, ...] = ()
        self._session = session
        self._wake = wake
        self._tree = Tree({}, frozenset())
        self._tree_due = False
        self._fresh = True  # NOTIFY SET is a NOOP as well, and tells all that there is (RFC 5465 3.1)
        self._own_names: set[str] = set()
        self._marks: Marks = {}
        self._own_marks: set[tuple[BoxId, str]] = set()
        self._marks_due = False
        self._watched: dict[BoxId, frozenset[Event]] = {}
        self._known: dict[BoxId, Status] = {}  # what was told last
        self._dirty: set[BoxId] = set()
        self._held: set[BoxId] = set()  # dirty too, but selected
        self._followed: Selected | None = None
        self._made: dict[Key, set[int]] = {}  # what this client has put there, by UID
        self._unfetched: list[int] = []  # new messages in the selected mailbox whose data is still to be told

    async def start(self) -> list[Response]:
        """Begins to watch; a STATUS for each mailbox that is, as it is now.  Raises TooMuchToNotify."""
        self._tree = await self._read_tree()
        self._choose()
        self._dirty.clear()  # they are counted now; what happens from here on is noted anew
        self._marks = await self._read_marks()
        first = self._by_name(self._watched.keys() - {self._selected_id})
        self._known = await self._statuses(first, carried=False)
        return [self._status(id_) for id_ in first if id_ in self._known]

    def close(self) -> None:
        """Watches nothing more."""
        self._unfollow()

    # What the hub says

    def hint(self, box: BoxId, modseq: int) -> None:
        """A box of the user has changed, up to this modseq if it is not 0; with box 0 the tree of boxes has.

        With box 0 and a modseq the annotations have changed (``annotations.ANNOTATED``).
        """
        if not box:
            self._tree_due = True
            self._marks_due = self._marks_due or bool(modseq)
        elif box in self._watched:
            known = self._known.get(box)
            if known is not None and 0 < modseq <= known.highestmodseq:
                return
            self._dirty.add(box)
        else:
            return
        self._wake()

    def compare(self, modseqs: Mapping[Key, ModSeq], *, names: bool) -> None:
        """Finds what no hint has told of.  modseqs: of ``keys``; names: the tree may have changed too."""
        for owner, box in self.keys:
            modseq = modseqs.get((owner, box), ModSeq(0))
            known = self._known.get(box)
            if box != self._selected_id and (known is None or known.highestmodseq != modseq):
                self.hint(box, modseq)
        if names:
            self.hint(BoxId(0), annotations.ANNOTATED)

    # What the handlers say

    def renamed(self, *names: str) -> None:
        """The client has made, removed, renamed or subscribed to these itself."""
        for name in names:
            while name:
                self._own_names.add(name)
                name = name.rpartition("/")[0]
        self._tree_due = True

    def annotated(self, name: str, entries: Collection[str]) -> None:
        """The client has set these annotations itself.  name: of a mailbox, empty for the server."""
        ids = [id_ for id_, (each, _) in self._tree.boxes.items() if each == name] if name else [BoxId(0)]
        self._own_marks.update((id_, entry) for id_ in ids for entry in entries)
        self._tree_due = self._marks_due = True

    def put(self, box: Key, uids: Sequence[int]) -> None:
        """The client has put these messages into a box itself."""
        selected, wanted = self._session.selected, self.wishes.selected
        if selected is not None and selected.live.key == box:
            tracked = wanted is not None and bool(wanted.items)
        else:
            tracked = box in self.keys
        if tracked:
            self._made.setdefault(box, set()).update(uids)

    # What the client is told

    @property
    def due(self) -> bool:
        """Whether there may be something to tell."""
        if self._session.selected is not self._followed or self._tree_due or self._dirty or self._unfetched:
            return True
        box = self._followed
        return (
            box is not None
            and self.wishes.selected is not None
            and (box.live.deleted or box.view.modseq != box.snapshot.modseq or box.view.uids is not box.snapshot.uids)
        )

    async def news(self, *, may_expunge: bool) -> AsyncIterator[Response | list[bytes]]:
        """All that is due: names, other mailboxes, the selected one.

        may_expunge: messages that have left the selected one may be told.  Raises OpostError where the store could not
        be asked: then the rest is still due; TooMuchToNotify.
        """
        async for each in self.of_selected(may_expunge=may_expunge, everything=False):
            yield each
        if self._tree_due:
            for told in await self._names():
                yield told
        if self._dirty:
            for status in await self._counts():
                yield status

    async def of_selected(self, *, may_expunge: bool, everything: bool) -> AsyncIterator[Response | list[bytes]]:
        """What has happened in the selected mailbox, as far as it is wanted; with the data of new messages.

        everything: a command has run whose effect is told by it, so that it is told to who wants nothing, too.
        """
        self._follow()
        box, wanted = self._session.selected, self.wishes.selected
        fresh, self._fresh = self._fresh, False
        if box is None or (wanted is None and not everything):
            return
        flags = fresh or wanted is None or Event.FLAG_CHANGE in wanted.events
        last = box.view.uids[-1] if box.view.uids else 0
        box.view, changes = catch_up(
            box.view, box.snapshot, may_expunge=may_expunge, own=box.own, manner=self._session.manner
        )
        box.own.clear()
        for each in changes:
            if flags or not isinstance(each, FlagsChanged):
                yield each
        made = self._made.pop(box.live.key, set())
        if wanted is None or not wanted.items:
            return
        uids = box.view.uids
        self._unfetched += [uid for uid in uids[bisect_right(uids, last) :] if uid not in made]
        if self._unfetched:
            places = [box.snapshot.index(uid) for uid in self._unfetched]
            found = [place for place in places if place is not None]
            async for pieces in lines(self._session, found, wanted.items):
                yield pieces
            self._unfetched.clear()

    @property
    def _selected_id(self) -> BoxId | None:
        """Of the selected mailbox, if it is the user's own."""
        selected = self._session.selected
        return None if selected is None or selected.foreign else selected.live.key[1]

    def _follow(self) -> None:
        """Watches the mailbox that is selected now; the one before is as all others, known as the client left it."""
        selected = self._session.selected
        if selected is self._followed:
            return
        before = self._followed
        self._unfollow()
        if before is not None:
            self._made.pop(before.live.key, None)
        if before is not None and not before.foreign and before.live.known and not before.live.deleted:
            view, snapshot, id_ = before.view, before.snapshot, before.live.key[1]
            self._known.pop(id_, None)
            if view.uids is snapshot.uids and view.modseq == snapshot.modseq:
                self._known[id_] = counted(snapshot)
                self._held.discard(id_)
            elif id_ in self._watched:
                self._held.add(id_)
        self._dirty |= self._held & self._watched.keys()
        self._held.clear()
        if selected is not None:
            self._followed = selected
            if self.wishes.selected is not None:
                selected.live.watchers.add(self._wake)

    def _unfollow(self) -> None:
        if self._followed is not None:
            self._followed.live.watchers.discard(self._wake)
            self._followed = None
        self._unfetched.clear()

    async def _names(self) -> list[Response]:
        self._tree_due = False
        own, self._own_names = self._own_names, set()
        own_marks, self._own_marks = self._own_marks, set()
        marks_due, self._marks_due = self._marks_due, False
        try:
            after = await self._read_tree()
            marks = await self._read_marks() if marks_due else self._marks
            changed = affected(self._tree, after, self.wishes, own)
            listed = await self._listed(after, changed) if changed else []
        except BaseException:
            self._tree_due = True
            self._own_names |= own
            self._own_marks |= own_marks
            self._marks_due = self._marks_due or marks_due
            raise
        before, self._marks, self._tree = self._marks, marks, after
        self._choose()
        return [*listed, *annotated(before, marks, after, self.wishes, own_marks)]

    async def _listed(self, tree: Tree, changed: Mapping[str, str]) -> list[Listed]:
        """What LIST says of these names, of others' mailboxes too where they are subscribed to."""
        names = list(tree.boxes.values())
        closed: set[str] = set()
        if any(map(is_shared, changed)):
            shared = await others(self._session)
            names += [(each.name, "") for each in shared]
            closed = {each.name for each in shared if Rights.READ not in each.rights}
        return [
            replace(each, attributes=("\\Noselect", *each.attributes)) if each.name in closed else each
            for each in described(names, set(tree.subscribed), changed)
        ]

    async def _read_marks(self) -> Marks:
        if not self.wishes.metadata:
            return {}
        try:
            return await self._session.services.store.run(annotations.marks, self._owner)
        except LimitReached as error:
            raise TooMuchToNotify(str(error)) from error

    async def _read_tree(self) -> Tree:
        run = self._session.services.store.run
        found = await run(boxes.boxes, self._owner)
        subscribed = frozenset(await run(boxes.lsub_names, self._owner))
        return Tree({box.box: (box.name, box.role) for box in found}, subscribed)

    def _choose(self) -> None:
        """Which boxes' messages are watched, by the names of now."""
        chosen: dict[BoxId, frozenset[Event]] = {}
        for id_, (name, _) in self._tree.boxes.items():
            events = self.wishes.events(name, self._tree.subscribed) & MESSAGE_EVENTS
            if events:
                chosen[id_] = events
        if len(chosen) > MAX_NOTIFY_BOXES:
            raise TooMuchToNotify(f"events of messages in at most {MAX_NOTIFY_BOXES} mailboxes")
        self._dirty = (self._dirty | (chosen.keys() - self._watched.keys())) & chosen.keys()
        self._watched = chosen
        self._known = {id_: status for id_, status in self._known.items() if id_ in chosen}
        self.keys = tuple((self._owner, id_) for id_ in chosen)

    async def _statuses(self, ids: Sequence[BoxId], *, carried: bool) -> dict[BoxId, Status]:
        keys = [(self._owner, id_) for id_ in ids]
        found = await statuses(self._session, keys, carried=carried) if ids else {}
        return {id_: status for (_, id_), status in found.items()}

    def _by_name(self, ids: Collection[BoxId]) -> list[BoxId]:
        return sorted(ids, key=lambda id_: self._tree.boxes[id_][0])

    async def _counts(self) -> list[Response]:
        """A STATUS for each watched mailbox that has changed in a way that is wanted."""
        selected = self._selected_id
        if selected in self._dirty:
            self._dirty.discard(selected)
            self._held.add(selected)
        dirty = self._by_name(self._dirty)
        self._dirty.clear()
        try:
            # Those that are watched only now have not been followed so far.
            found = await self._statuses(dirty, carried=all(id_ in self._known for id_ in dirty))
        except BaseException:
            self._dirty.update(dirty)
            raise
        changed: list[Response] = []
        for id_ in dirty:
            if id_ not in found:
                self._tree_due = True  # it has been deleted
                continue
            before = self._known.get(id_)
            self._known[id_] = found[id_]
            if self._differs(id_, before, found[id_]):
                changed.append(self._status(id_))
        return changed

    def _differs(self, id_: BoxId, before: Status | None, now: Status) -> bool:
        made = len(self._made.pop((self._owner, id_), ()))
        if before is None:
            return now.messages > made
        if (now.messages, now.uidnext, now.uidvalidity) != (
            before.messages + made,
            before.uidnext + made,
            before.uidvalidity,
        ):
            return True
        if Event.FLAG_CHANGE not in self._watched[id_] or made:
            return False
        return now.unseen != before.unseen or (
            self._session.manner.modseqs and now.highestmodseq != before.highestmodseq
        )

    def _status(self, id_: BoxId) -> Response:
        items: tuple[StatusItem, ...] = COUNTS
        if Event.FLAG_CHANGE in self._watched[id_]:
            items = (*items, StatusItem.UNSEEN)
        if self._session.manner.modseqs or Event.FLAG_CHANGE in self._watched[id_]:
            items = (*items, StatusItem.HIGHESTMODSEQ)
        return status_data(
            self._tree.boxes[id_][0], items, self._known[id_], self._session.services.limits.max_message_octets
        )
