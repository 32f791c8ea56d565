"""NOTIFY (RFC 5465 8).  What must stay true: an event that is not told here is NO [BADEVENT], never BAD."""

from opostd.imap.faults import BadEvent
from opostd.imap.limits import MAX_NOTIFY_GROUPS
from opostd.imap.parse.fetch import parse_items
from opostd.imap.parse.scope import parse_filter
from opostd.imap.values.fetch import Item, Section
from opostd.imap.values.notify import MESSAGE_EVENTS, Event, Group, Notify
from opostd.imap.values.scope import Scope
from opostd.imap.wire.cursor import Cursor

EVENTS = {event.value.upper(): event for event in Event}
SCOPES = frozenset(Scope) - {Scope.SUBTREE_ONE}
SELECTED = frozenset({Scope.SELECTED, Scope.SELECTED_DELAYED})


def parse_notify(args: Cursor) -> Notify:
    """``SP ("NONE" / "SET" [SP "STATUS"] SP event-group *(SP event-group))``.

    Raises BadSyntax also for groups that make no sense together (RFC 5465 5, 6.1), BadEvent.
    """
    at = args.sp().at
    word = args.keyword()
    if word == b"NONE":
        args.end()
        return Notify(())
    if word != b"SET":
        args.fail("SET or NONE", at)
    at = args.sp().at
    status = args.peek() != b"("
    if status:
        if args.keyword() != b"STATUS":
            args.fail("STATUS or an event group", at)
        args.sp()
    at = args.at
    groups = [_group(args)]
    while args.take(b" ") and args.peek() not in (b"", b" "):
        groups.append(_group(args))
    args.end()
    if len(groups) > MAX_NOTIFY_GROUPS:
        args.fail(f"at most {MAX_NOTIFY_GROUPS} event groups", at)
    if sum(group.filter.scope in SELECTED for group in groups) > 1:
        args.fail("SELECTED or SELECTED-DELAYED once", at)
    return Notify(tuple(groups), status)


def _group(args: Cursor) -> Group:
    args.expect(b"(")
    filter_ = parse_filter(args, SCOPES)
    at = args.sp().at
    selected = filter_.scope in SELECTED
    events: list[Event] = []
    items: tuple[Item | Section, ...] = ()

    def event() -> None:
        nonlocal items
        events.append(_event(args))
        if selected and events[-1] is Event.MESSAGE_NEW and args.text[args.at : args.at + 2] == b" (":
            items = parse_items(args.sp())

    if args.peek() == b"(":
        args.list_of(event)
    elif args.keyword() != b"NONE":
        args.fail("NONE or a list of events", at)
    args.expect(b")")
    wanted = frozenset(events)
    if selected and not wanted <= MESSAGE_EVENTS:
        args.fail("only events of messages with SELECTED", at)  # RFC 5465 6.1
    both = {Event.MESSAGE_NEW, Event.MESSAGE_EXPUNGE}
    if wanted & MESSAGE_EVENTS and not both <= wanted:
        args.fail("MessageNew and MessageExpunge together", at)  # RFC 5465 5
    return Group(filter_, wanted, items)


def _event(args: Cursor) -> Event:
    event = EVENTS.get(args.keyword())
    if event is None:
        raise BadEvent(tuple(each.value.decode("ascii") for each in Event))
    return event
