"""Messages into threads (RFC 5256 3, THREAD): ORDEREDSUBJECT and REFERENCES.  Pure.

What must stay true: no recursion, for a thread may be as deep as the box has messages; the time grows with the
messages and their references.  Numbers are those of the answer, in the order of the mailbox.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from opostd.imap.values.sort import Tree


@dataclass(frozen=True, slots=True)
class Threaded:
    """A message.  sent: its sent date in seconds; subject: the base subject as compared; reply: it was a reply's.

    id: its own message id, or empty; references: the ids that it names, the oldest first.
    """

    number: int
    sent: int
    subject: str
    reply: bool = False
    id: str = ""
    references: tuple[str, ...] = ()


def by_subject(messages: Sequence[Threaded]) -> tuple[Tree, ...]:
    """ORDEREDSUBJECT: a thread for each base subject; the first message has all others as its replies."""
    threads: dict[str, list[Threaded]] = {}
    for message in sorted(messages, key=_date):
        threads.setdefault(message.subject, []).append(message)
    # A dictionary keeps the order of the first messages, which is by sent date.
    return tuple(
        Tree(first.number, tuple(Tree(each.number) for each in rest)) for first, *rest in threads.values()
    )  # fmt: skip


def _date(message: Threaded) -> tuple[int, int]:
    return message.sent, message.number


MAX_WALK = 1000  # steps up a thread to find a loop; a subtree that would hang deeper stays where it is


@dataclass(slots=True, eq=False)
class _Node:
    """message: None for a dummy.  replies: a dictionary keeps their order, and lets one go at once.

    family: leads to the one node that stands for all that were ever linked with this one.
    """

    message: Threaded | None
    parent: "_Node | None" = None
    replies: "dict[int, _Node]" = field(default_factory=dict)
    family: "_Node | None" = None

    def adopt(self, child: "_Node") -> None:
        child.leave()
        child.parent = self
        self.replies[id(child)] = child

    def leave(self) -> None:
        if self.parent is not None:
            del self.parent.replies[id(self)]
            self.parent = None

    def adopt_unless_loop(self, child: "_Node") -> None:
        """Nothing happens where this one is the child, or below it."""
        ours, theirs = self._family(), child._family()
        if ours is theirs:
            above: _Node | None = self
            for _ in range(MAX_WALK if child.replies else 1):  # without replies, nobody is below it
                if above is child:
                    return
                if above is None:
                    break
                above = above.parent
            else:
                if child.replies:
                    return
        else:
            theirs.family = ours
        self.adopt(child)

    def _family(self) -> "_Node":
        node = self
        while node.family is not None:
            if node.family.family is not None:
                node.family = node.family.family
            node = node.family
        return node

    def sort(self) -> None:
        """The replies by sent date."""
        if len(self.replies) > 1:
            in_order = sorted(self.replies.values(), key=lambda node: _date(node.first))
            self.replies = {id(node): node for node in in_order}

    @property
    def first(self) -> Threaded:
        """The message, or the first reply of a dummy, which has some, and no dummies among them (step 3)."""
        return self.message if self.message is not None else next(iter(self.replies.values())).first

    @property
    def is_reply(self) -> bool:
        return self.message is not None and self.message.reply


def by_references(messages: Sequence[Threaded]) -> tuple[Tree, ...]:
    """REFERENCES: the six steps of RFC 5256."""
    root = _Node(None)
    for node in [node for node in _linked(messages) if node.parent is None]:  # step 2
        root.adopt(node)
    _prune(root)  # step 3
    for node in root.replies.values():
        if node.message is None:
            node.sort()
    root.sort()  # step 4
    _merge(root)
    for node in reversed(_all_under(root)):  # step 6
        node.sort()
    root.sort()
    return _trees(root)


def _linked(messages: Sequence[Threaded]) -> list[_Node]:
    """Step 1: a node for each message, and a dummy for each id that is only named, linked as parents and replies."""
    nodes: dict[str, _Node] = {}
    mine: list[tuple[_Node, Threaded]] = []
    for message in messages:
        node = _Node(message)
        mine.append((node, message))
        if message.id:
            nodes.setdefault(message.id, node)  # the first message has the id, the others one of their own
    dummies: list[_Node] = []
    for node, message in mine:
        before: _Node | None = None
        for name in message.references:  # 1.A
            named = nodes.get(name)
            if named is None:
                named = nodes[name] = _Node(None)
                dummies.append(named)
            if before is not None and named.parent is None:
                before.adopt_unless_loop(named)
            before = named
        if node.parent is not before:  # 1.B
            node.leave()
            if before is not None:
                before.adopt_unless_loop(node)
    return [node for node, _ in mine] + dummies


def _all_under(root: _Node) -> list[_Node]:
    """Every parent before its replies."""
    found: list[_Node] = []
    todo = list(root.replies.values())
    while todo:
        node = todo.pop()
        found.append(node)
        todo += node.replies.values()
    return found


def _prune(root: _Node) -> None:
    """Step 3: dummies go, and their replies take their places; at the top a dummy with several replies stays."""
    for node in reversed(_all_under(root)):
        parent = node.parent
        if node.message is not None or parent is None or (parent is root and len(node.replies) > 1):
            continue
        node.leave()
        for reply in tuple(node.replies.values()):
            parent.adopt(reply)


def _merge(root: _Node) -> None:
    """Step 5: threads of the same base subject become one."""
    table: dict[str, _Node] = {}
    for node in root.replies.values():
        subject = node.first.subject
        if not subject:
            continue
        known = table.setdefault(subject, node)
        if known.message is not None and (node.message is None or (known.is_reply and not node.is_reply)):
            table[subject] = node
    for node in tuple(root.replies.values()):
        if node.parent is not root:  # it has become a reply meanwhile
            continue
        subject = node.first.subject
        known = table.get(subject, node)
        if known is node:
            continue
        if known.message is None and node.message is None:
            for reply in tuple(node.replies.values()):
                known.adopt(reply)
            node.leave()
        elif known.message is None or (node.is_reply and not known.is_reply):
            known.adopt(node)
        else:
            both = table[subject] = _Node(None)
            both.adopt(known)
            both.adopt(node)
            root.adopt(both)


def _trees(root: _Node) -> tuple[Tree, ...]:
    """Replies before their parents, so that each is made of what is there."""
    made: dict[int, Tree] = {}
    for node in reversed(_all_under(root)):
        replies = tuple([made.pop(id(reply)) for reply in node.replies.values()])
        made[id(node)] = Tree(None if node.message is None else node.message.number, replies)
    return tuple([made[id(node)] for node in root.replies.values()])
