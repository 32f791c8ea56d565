"""``filter-mailboxes`` (RFC 5465 8, RFC 7377 4)."""

from collections.abc import Collection

from opostd.imap.limits import MAX_SCOPE_NAMES
from opostd.imap.values.scope import Filter, Scope
from opostd.imap.wire.cursor import Cursor

SCOPES = {scope.value: scope for scope in Scope}
NAMED = frozenset({Scope.SUBTREE, Scope.SUBTREE_ONE, Scope.MAILBOXES})


def parse_filter(args: Cursor, allowed: Collection[Scope]) -> Filter:
    """``"selected" / ... / "mailboxes" SP (mailbox / "(" mailbox *(SP mailbox) ")")``.

    A separator at the end of a name says nothing: ``Lists/`` is ``Lists``.
    """
    at = args.at
    scope = SCOPES.get(args.keyword())
    if scope is None or scope not in allowed:
        args.fail("one of " + " ".join(each.value.decode("ascii") for each in Scope if each in allowed), at)
    if scope not in NAMED:
        return Filter(scope)
    at = args.sp().at
    names = args.list_of(args.mailbox) if args.peek() == b"(" else [args.mailbox()]
    if len(names) > MAX_SCOPE_NAMES:
        args.fail(f"at most {MAX_SCOPE_NAMES} mailboxes", at)
    return Filter(scope, frozenset(name.removesuffix("/") for name in names))
