"""Which mailboxes filters name, which events are wanted of them, and what a tree has to tell (RFC 5465 5.4, 5.5, 6)."""

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.state.match import described
from opostd.imap.state.scope import covers
from opostd.imap.state.wishes import Marks, Tree, Wishes, affected, annotated
from opostd.imap.values.metadata import MetadataChanged
from opostd.imap.values.notify import MESSAGE_EVENTS, Event, Group
from opostd.imap.values.responses import Listed
from opostd.imap.values.scope import Filter, Scope
from opostd.model.ids import BoxId

NAMES = frozenset({Event.MAILBOX_NAME, Event.SUBSCRIPTION_CHANGE})
ALL = Wishes.of([Group(Filter(Scope.PERSONAL), NAMES)])


def filter_(scope: Scope, *names: str) -> Filter:
    return Filter(scope, frozenset(names))


COVERS = [
    (filter_(Scope.PERSONAL), ["INBOX", "a", "a/b"], []),
    (filter_(Scope.INBOXES), ["INBOX", "a", "a/b"], []),
    (filter_(Scope.SUBSCRIBED), ["sub"], ["INBOX", "sub/below"]),
    (filter_(Scope.MAILBOXES, "a", "%"), ["a"], ["a/b", "b", "A"]),
    (filter_(Scope.SUBTREE, "a/b"), ["a/b", "a/b/c", "a/b/c/d"], ["a", "a/bc", "b", "x/a/b"]),
    (filter_(Scope.SUBTREE_ONE, "a/b"), ["a/b", "a/b/c"], ["a", "a/bc", "a/b/c/d"]),
    (filter_(Scope.SELECTED), [], ["INBOX", "a"]),
    (filter_(Scope.SUBTREE, ""), [], ["a", "INBOX"]),
]


@pytest.mark.parametrize(("each", "yes", "no"), COVERS)
def test_covers(each: Filter, yes: list[str], no: list[str]) -> None:
    assert [name for name in (*yes, *no) if covers(each, name, {"sub"})] == yes


def test_groups_add_up_until_one_of_none() -> None:
    wishes = Wishes.of(
        [
            Group(filter_(Scope.SELECTED), MESSAGE_EVENTS),
            Group(filter_(Scope.MAILBOXES, "INBOX"), MESSAGE_EVENTS),
            Group(filter_(Scope.MAILBOXES, "Junk"), frozenset()),
            Group(filter_(Scope.PERSONAL), NAMES),
        ]
    )
    assert wishes.events("INBOX", ()) == MESSAGE_EVENTS | NAMES
    assert wishes.events("Sent", ()) == NAMES
    assert wishes.events("Junk", ()) == frozenset()
    assert wishes.at_once
    assert Wishes.of([Group(filter_(Scope.SELECTED), frozenset())]).selected is None
    assert not Wishes.of([Group(filter_(Scope.SELECTED_DELAYED), MESSAGE_EVENTS)]).at_once


def told(before: Tree, after: Tree, wishes: Wishes, own: Collection[str]) -> list[Listed]:
    return described(list(after.boxes.values()), set(after.subscribed), affected(before, after, wishes, own))


def tree(names: dict[int, str], *subscribed: str) -> Tree:
    return Tree({BoxId(id_): (name, "") for id_, name in names.items()}, frozenset(subscribed))


def names_told(before: Tree, after: Tree, *own: str) -> list[tuple[str, str]]:
    return [(each.name, each.oldname) for each in told(before, after, ALL, own)]


def test_those_below_go_along_with_a_rename_whether_all_levels_are_there_or_not() -> None:
    before = tree({1: "a", 2: "a/b", 3: "a/x/y", 4: "c"}, "a/b", "a/gone")
    after = tree({1: "n/a", 2: "n/a/b", 3: "n/a/x/y", 4: "c", 5: "n"}, "n/a/b", "n/a/gone")
    assert names_told(before, after) == [("n", ""), ("n/a", "a")]
    assert names_told(before, after, "a", "n/a", "n") == []


def test_one_below_that_has_another_name_now_is_told() -> None:
    assert names_told(tree({1: "a", 2: "a/b"}), tree({1: "n", 2: "n/c"})) == [("n", "a"), ("n/c", "a/b")]


def test_a_name_that_comes_to_another_box_is_told_once() -> None:
    assert names_told(tree({1: "a"}), tree({2: "a"})) == [("a", "")]


def test_subscriptions() -> None:
    before, after = tree({1: "a"}, "a", "b"), tree({1: "a"}, "c")
    assert told(before, after, ALL, ()) == [
        Listed(("\\HasNoChildren",), "a"),
        Listed(("\\NonExistent", "\\Noselect", "\\HasNoChildren"), "b"),
        Listed(("\\NonExistent", "\\Noselect", "\\HasNoChildren", "\\Subscribed"), "c"),
    ]
    only_subscribed = Wishes.of([Group(filter_(Scope.SUBSCRIBED), NAMES)])
    assert {each.name for each in told(before, after, only_subscribed, ())} == {"a", "b", "c"}


def test_annotations() -> None:
    before: Marks = {
        (BoxId(1), "/shared/comment"): b"1",
        (BoxId(1), "/private/x"): b"1",
        (BoxId(0), "/shared/motd"): b"1",
    }
    after: Marks = {(BoxId(1), "/shared/comment"): b"2", (BoxId(2), "/private/y"): b"1", (BoxId(9), "/private/z"): b"1"}
    names = tree({1: "a", 2: "b"})
    both = frozenset({Event.MAILBOX_METADATA_CHANGE, Event.SERVER_METADATA_CHANGE})
    every = Wishes.of([Group(filter_(Scope.PERSONAL), both)])
    assert every.metadata
    assert annotated(before, after, names, every, {(BoxId(2), "/private/y")}) == [
        MetadataChanged("", ("/shared/motd",)),
        MetadataChanged("a", ("/private/x", "/shared/comment")),
    ]
    one = Wishes.of([Group(filter_(Scope.MAILBOXES, "b"), frozenset({Event.MAILBOX_METADATA_CHANGE}))])
    assert annotated(before, after, names, one, ()) == [MetadataChanged("b", ("/private/y",))]
    assert not ALL.metadata


NAME = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map("/".join)
TREES = st.builds(
    lambda names, subscribed: Tree(
        {BoxId(id_): (name, "") for id_, name in enumerate(names, 1)}, frozenset(subscribed)
    ),
    st.lists(NAME, unique=True, max_size=5),
    st.lists(NAME, unique=True, max_size=3),
)


@given(TREES, TREES)
def test_what_is_told_is_true_and_no_change_is_left_out(before: Tree, after: Tree) -> None:
    said = told(before, after, ALL, ())
    known, fresh = ({name for name, _ in each.boxes.values()} for each in (before, after))
    for each in said:
        assert ("\\NonExistent" in each.attributes) == (each.name not in fresh)
        assert ("\\Subscribed" in each.attributes) == (each.name in after.subscribed)
    names = {each.name for each in said}
    renamed = [(each.oldname, each.name) for each in said if each.oldname]

    def goes_along(name: str) -> bool:
        return any(name == top or name.startswith(top + "/") for pair in renamed for top in pair)

    changed = (known ^ fresh) | (before.subscribed ^ after.subscribed)
    assert {name for name in changed if not goes_along(name)} <= names
