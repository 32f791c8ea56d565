"""What one client wants to hear of (RFC 5465 3.1, 6), and what its user's tree of mailboxes has to tell it.  Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from opostd.imap.state.scope import covers, parent
from opostd.imap.values.metadata import MetadataChanged
from opostd.imap.values.notify import Event, Group
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

    @property
    def metadata(self) -> bool:
        """Whether changes of annotations are wanted of any mailbox, or of the server."""
        return self.server or any(Event.MAILBOX_METADATA_CHANGE in group.events for group in self.others)

    @property
    def server(self) -> bool:
        """Whether changes of the server's annotations are wanted; of which mailboxes the group is says nothing."""
        return any(Event.SERVER_METADATA_CHANGE in group.events for group in self.others)

    def events(self, name: str, subscribed: Collection[str]) -> frozenset[Event]:
        """Of which events of this mailbox, if it is not selected: several groups may add to it, until one of NONE."""
        found: frozenset[Event] = frozenset()
        for group in self.others:
            if covers(group.filter, name, subscribed):
                if not group.events:
                    break
                found |= group.events
        return found


Marks = Mapping[tuple[BoxId, str], bytes]
"""Of each annotation, by box (0: the server) and entry, what changes with its value."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The mailboxes of a user, by id with name and role, and the names subscribed to."""

    boxes: Mapping[BoxId, tuple[str, str]]
    subscribed: frozenset[str]


def affected(before: Tree, after: Tree, wishes: Wishes, own: Collection[str]) -> dict[str, str]:
    """The names that have changed, whose LIST response tells it, each with its old name or nothing (RFC 5465 5.4, 5.5).

    own: names whose change this client has made itself: it is told nothing of them.
    """
    if before.boxes == after.boxes and before.subscribed == after.subscribed:
        return {}
    subscribed = before.subscribed | after.subscribed
    renamed = _renamed(before, after)
    found: dict[str, str] = {}

    def note(name: str, event: Event, old: str = "") -> None:
        wanted = event in wishes.events(name, subscribed) or (old and event in wishes.events(old, subscribed))
        if name and name not in own and wanted:
            found[name] = found.get(name) or old

    for old, new in renamed.items():
        note(new, Event.MAILBOX_NAME, old)
    for id_ in before.boxes.keys() ^ after.boxes.keys():
        name = (after.boxes.get(id_) or before.boxes[id_])[0]
        note(name, Event.MAILBOX_NAME)
        if name not in own:
            note(parent(name), Event.MAILBOX_NAME)
    for name in (before.subscribed ^ after.subscribed) - _carried_along(before, after, renamed):
        note(name, Event.SUBSCRIPTION_CHANGE)
    return found


def annotated(
    before: Marks, after: Marks, tree: Tree, wishes: Wishes, own: Collection[tuple[BoxId, str]]
) -> list[MetadataChanged]:
    """What tells which annotations have changed or gone (RFC 5465 5.6, 5.7).  own: those the client has set itself."""
    by_name: dict[str, list[str]] = {}
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) == after.get(key) or key in own:
            continue
        box, entry = key
        if not box:
            if wishes.server:
                by_name.setdefault("", []).append(entry)
        elif box in tree.boxes:
            name = tree.boxes[box][0]
            if Event.MAILBOX_METADATA_CHANGE in wishes.events(name, tree.subscribed):
                by_name.setdefault(name, []).append(entry)
    return [MetadataChanged(name, tuple(entries)) for name, entries in sorted(by_name.items())]


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
