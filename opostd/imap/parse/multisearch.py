"""ESEARCH, the search in several mailboxes (RFC 7377 4)."""

from opostd.imap.limits import MAX_NOTIFY_GROUPS
from opostd.imap.parse.scope import parse_filter
from opostd.imap.parse.search import next_word, parse_charset, parse_keys, parse_returns
from opostd.imap.values.scope import Filter, Scope
from opostd.imap.values.search import ALL_OF_THEM, MultiSearch
from opostd.imap.wire.cursor import Cursor

SCOPES = frozenset(Scope) - {Scope.SELECTED_DELAYED}


def parse_multisearch(args: Cursor) -> MultiSearch:
    """``[SP "IN" SP "(" filter *(SP filter) ")"] [SP "RETURN" ...] [SP "CHARSET" SP charset] 1*(SP search-key)``.

    There are no scope-options yet.  Without RETURN it is RETURN (ALL) (RFC 7377 2.1).
    """
    args.sp()
    filters: list[Filter] = []
    if next_word(args, b"IN "):
        at = args.at
        filters = args.list_of(lambda: parse_filter(args, SCOPES))
        if len(filters) > MAX_NOTIFY_GROUPS:
            args.fail(f"at most {MAX_NOTIFY_GROUPS} sources", at)
        args.sp()
    returns = parse_returns(args) or ALL_OF_THEM
    charset: str | None = None
    if next_word(args, b"CHARSET "):
        charset = parse_charset(args)
        args.sp()
    return MultiSearch(tuple(filters), parse_keys(args, charset), charset, returns)
