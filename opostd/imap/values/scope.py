"""Which mailboxes a command is about, beyond the selected one: ``filter-mailboxes`` (RFC 5465 6, RFC 7377 2.2)."""

from dataclasses import dataclass
from enum import Enum


class Scope(Enum):
    """By its name on the wire."""

    SELECTED = b"SELECTED"
    SELECTED_DELAYED = b"SELECTED-DELAYED"  # only of NOTIFY
    INBOXES = b"INBOXES"
    PERSONAL = b"PERSONAL"
    SUBSCRIBED = b"SUBSCRIBED"
    SUBTREE = b"SUBTREE"
    SUBTREE_ONE = b"SUBTREE-ONE"  # only of ESEARCH
    MAILBOXES = b"MAILBOXES"


@dataclass(frozen=True, slots=True)
class Filter:
    """names: of SUBTREE, SUBTREE-ONE and MAILBOXES, without wildcards; they need not be mailboxes."""

    scope: Scope
    names: frozenset[str] = frozenset()
