"""NOTIFY: RFC 5465 8, and the groups that make no sense (5, 6.1)."""

import pytest

from opostd.imap.faults import BadEvent
from opostd.imap.parse.notify import parse_notify
from opostd.imap.values.fetch import Item, Section, Text
from opostd.imap.values.notify import MESSAGE_EVENTS, Event, Group, Notify
from opostd.imap.values.scope import Filter, Scope
from opostd.model.errors import BadSyntax
from tests.imap.octets import cursor

PAIR = frozenset({Event.MESSAGE_NEW, Event.MESSAGE_EXPUNGE})
NAMES = frozenset({Event.MAILBOX_NAME})
SUBJECT = Section((), Text.HEADER_FIELDS, (b"Subject",), peek=True)


def one(scope: Scope, events: frozenset[Event], *names: str, items: tuple[Item | Section, ...] = ()) -> Notify:
    return Notify((Group(Filter(scope, frozenset(names)), events, items),))


GOOD = [
    (b" NONE", Notify(())),
    (b" none ", Notify(())),
    (b" SET (selected NONE)", one(Scope.SELECTED, frozenset())),
    (b" SET (SELECTED (MessageNew MessageExpunge))", one(Scope.SELECTED, PAIR)),
    (b" set (selected-DELAYED (MESSAGENEW messageexpunge FlagChange))", one(Scope.SELECTED_DELAYED, MESSAGE_EVENTS)),
    (
        b" SET (selected (MessageNew (uid body.peek[header.fields (Subject)]) MessageExpunge))",
        one(Scope.SELECTED, PAIR, items=(Item.UID, SUBJECT)),
    ),
    (b" SET (personal (MailboxName))", one(Scope.PERSONAL, NAMES)),
    (b" SET (inboxes NONE)", one(Scope.INBOXES, frozenset())),
    (b" SET (subscribed (SubscriptionChange))", one(Scope.SUBSCRIBED, frozenset({Event.SUBSCRIPTION_CHANGE}))),
    (b" SET (personal (ServerMetadataChange))", one(Scope.PERSONAL, frozenset({Event.SERVER_METADATA_CHANGE}))),
    (b" SET (subtree Lists (MailboxName))", one(Scope.SUBTREE, NAMES, "Lists")),
    (b' SET (subtree ("Lists/" inbox) (MailboxName))', one(Scope.SUBTREE, NAMES, "Lists", "INBOX")),
    (b" SET (mailboxes (a b&AOQ-) (MailboxName))", one(Scope.MAILBOXES, NAMES, "a", "bä")),
    (
        b" SET STATUS (mailboxes INBOX (Messagenew messageExpunge)) (personal (SubscriptionChange))",
        Notify(
            (
                Group(Filter(Scope.MAILBOXES, frozenset({"INBOX"})), PAIR),
                Group(Filter(Scope.PERSONAL), frozenset({Event.SUBSCRIPTION_CHANGE})),
            ),
            status=True,
        ),
    ),
]
BAD = [
    b"", b" ", b" SOME", b" NONE x", b" SET", b" SET ", b" SET STATUS", b" SET STATUS ", b" SET NONE", b" SET ()",
    b" SET (selected)", b" SET (selected ())", b" SET (selected NONE", b" SET (selected NONE)x", b" SET (selected SOME)",
    b" SET (selected (MessageNew))", b" SET (selected (MessageExpunge))", b" SET (personal (FlagChange))",
    b" SET (personal (MessageNew FlagChange))", b" SET (selected (MessageNew MessageExpunge MailboxName))",
    b" SET (selected NONE) (selected-delayed NONE)", b" SET (selected NONE) (selected NONE)",
    b" SET (personal (MessageNew (uid) MessageExpunge))", b" SET (selected (MessageNew (nothing) MessageExpunge))",
    b" SET (selected (MessageNew () MessageExpunge))", b" SET (selected (MessageExpunge (uid) MessageNew))",
    b" SET (subtree (MailboxName))", b" SET (subtree () (MailboxName))", b" SET (subtree-one a (MailboxName))",
    b" SET (mailboxes (MailboxName))", b" SET (everything NONE)", b" SET (selected MessageNew (uid) MessageExpunge)",
    b" SET" + b" (personal NONE)" * 101, b" SET (mailboxes (" + b" ".join([b"a"] * 1001) + b") NONE)",
]  # fmt: skip


@pytest.mark.parametrize(("octets", "command"), GOOD)
def test_parse(octets: bytes, command: Notify) -> None:
    assert parse_notify(cursor(octets)) == command


@pytest.mark.parametrize("octets", BAD)
def test_bad(octets: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse_notify(cursor(octets))


@pytest.mark.parametrize("event", [b"AnnotationChange", b"Other"])
def test_events_that_are_not_told(event: bytes) -> None:
    with pytest.raises(BadEvent) as caught:
        parse_notify(cursor(b" SET (personal (MailboxName " + event + b"))"))
    assert caught.value.known == (
        *("MessageNew", "MessageExpunge", "FlagChange", "MailboxName", "SubscriptionChange"),
        *("MailboxMetadataChange", "ServerMetadataChange"),
    )
