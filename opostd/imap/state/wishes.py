"""What one client wants to hear of (RFC 5465 3.1, 6), and what its user's tree of mailboxes has to tell it.  Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from opostd.imap.state.match import described
from opostd.imap.state.scope import covers, parent
from opostd.imap.values.notify import Event, Group
from opostd.imap.values.responses import Listed
from opostd.imap.values.scope import Scope
from opostd.model.ids import BoxId


@dataclass(frozen=True, slots=True)
class Wishes:
    """selected: what is wanted of the selected mailbox; None where nothing is.  others: the other groups, in order."""

    selected: Group | None
    others: tuple[Group, ...]

    @classmethod
    def of(cls, groups: Iterable[Group]) -> "Wishes":
        selected: Group | None = None
        others: list[Group] = []
        for group in groups:
            if group.filter.scope in (Scope.SELECTED, Scope.SELECTED_DELAYED):
                selected = group if group.events else None
            else:
                others.append(group)
        return cls(selected, tuple(others))

    @property
    def at_once(self) -> bool:
        """Whether messages that leave the selected mailbox are told between commands too (RFC 5465 6.1.1)."""
        return self.selected is not None and self.selected.filter.scope is Scope.SELECTED

    def events(self, name: str, subscribed: Collection[str]) -> frozenset[Event]:
        """Of which events of this mailbox, if it is not selected: several groups may add to it, until one of NONE."""
        found: frozenset[Event] = frozenset()
        for group in self.others:
            if covers(group.filter, name, subscribed):
                if not group.events:
                    break
                found |= group.events
        return found


@dataclass(frozen=True, slots=True)
class Tree:
    """The mailboxes of a user, by id with name and role, and the names subscribed to."""

    boxes: Mapping[BoxId, tuple[str, str]]
    subscribed: frozenset[str]


def told(before: Tree, after: Tree, wishes: Wishes, own: Collection[str]) -> list[Listed]:
    """The LIST responses that tell what has become of names (RFC 5465 5.4, 5.5).

    own: names whose change this client has made itself: it is told nothing of them.
    """
    if before.boxes == after.boxes and before.subscribed == after.subscribed:
        return []
    subscribed = before.subscribed | after.subscribed
    renamed = _renamed(before, after)
    affected: dict[str, str] = {}  # name -> its old name, or nothing

    def note(name: str, event: Event, old: str = "") -> None:
        wanted = event in wishes.events(name, subscribed) or (old and event in wishes.events(old, subscribed))
        if name and name not in own and wanted:
            affected[name] = affected.get(name) or old

    for old, new in renamed.items():
        note(new, Event.MAILBOX_NAME, old)
    for id_ in before.boxes.keys() ^ after.boxes.keys():
        name = (after.boxes.get(id_) or before.boxes[id_])[0]
        note(name, Event.MAILBOX_NAME)
        if name not in own:
            note(parent(name), Event.MAILBOX_NAME)
    for name in (before.subscribed ^ after.subscribed) - _carried_along(before, after, renamed):
        note(name, Event.SUBSCRIPTION_CHANGE)
    return described(list(after.boxes.values()), set(after.subscribed), affected)


def _renamed(before: Tree, after: Tree) -> dict[str, str]:
    """Old name -> new name, without those that went along with one above them."""
    all_ = {
        before.boxes[id_][0]: after.boxes[id_][0]
        for id_ in before.boxes.keys() & after.boxes.keys()
        if before.boxes[id_][0] != after.boxes[id_][0]
    }
    return {old: new for old, new in all_.items() if not _went_along(old, new, all_)}


def _went_along(old: str, new: str, renamed: Mapping[str, str]) -> bool:
    """Whether one above was renamed, and this one with it."""
    while old and old.rpartition("/")[2] == new.rpartition("/")[2]:
        old, new = parent(old), parent(new)
        if old and renamed.get(old) == new:
            return True
    return False


def _carried_along(before: Tree, after: Tree, renamed: Mapping[str, str]) -> set[str]:
    """Names that are subscribed to, or no more, because they went with a mailbox that was renamed."""
    found: set[str] = set()
    for name in before.subscribed - after.subscribed:
        top = name
        while top and top not in renamed:
            top = parent(top)
        if top and (new := renamed[top] + name[len(top) :]) in after.subscribed:
            found |= {name, new}
    return found
