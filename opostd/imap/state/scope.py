"""Which mailboxes a filter names (RFC 5465 6, RFC 7377 2.2).  Pure.

INBOXES are all personal ones: by subscriptions and rules mail may be delivered into any (RFC 5465 6.3 says so then).
"""

from collections.abc import Collection

from opostd.imap.values.scope import Filter, Scope

DELIMITER = "/"


def covers(filter_: Filter, name: str, subscribed: Collection[str]) -> bool:
    """Whether a filter names this mailbox of the user; SELECTED names none.  subscribed: the names subscribed to."""
    match filter_.scope:
        case Scope.PERSONAL | Scope.INBOXES:
            return True
        case Scope.SUBSCRIBED:
            return name in subscribed
        case Scope.MAILBOXES:
            return name in filter_.names
        case Scope.SUBTREE_ONE:
            return name in filter_.names or parent(name) in filter_.names
        case Scope.SUBTREE:
            while name:
                if name in filter_.names:
                    return True
                name = parent(name)
    return False


def parent(name: str) -> str:
    """The name one level up; empty at the top."""
    return name.rpartition(DELIMITER)[0]
