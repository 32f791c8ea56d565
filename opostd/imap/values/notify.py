"""NOTIFY: of which events a client wants to hear (RFC 5465 3.1, 8)."""

from dataclasses import dataclass
from enum import Enum

from opostd.imap.values.fetch import Item, Section
from opostd.imap.values.scope import Filter


class Event(Enum):
    """The events of RFC 5465 5 that this server tells, by their names on the wire."""

    MESSAGE_NEW = b"MessageNew"
    MESSAGE_EXPUNGE = b"MessageExpunge"
    FLAG_CHANGE = b"FlagChange"
    MAILBOX_NAME = b"MailboxName"
    SUBSCRIPTION_CHANGE = b"SubscriptionChange"
    MAILBOX_METADATA_CHANGE = b"MailboxMetadataChange"
    SERVER_METADATA_CHANGE = b"ServerMetadataChange"


MESSAGE_EVENTS = frozenset({Event.MESSAGE_NEW, Event.MESSAGE_EXPUNGE, Event.FLAG_CHANGE})


@dataclass(frozen=True, slots=True)
class Group:
    """An event-group.  events: none of them for NONE; items: FETCH data of new messages in the selected mailbox."""

    filter: Filter
    events: frozenset[Event]
    items: tuple[Item | Section, ...] = ()


@dataclass(frozen=True, slots=True)
class Notify:
    """``NOTIFY SET``, or with no groups ``NOTIFY NONE``.  status: a STATUS of each mailbox is wanted first."""

    groups: tuple[Group, ...]
    status: bool = False
