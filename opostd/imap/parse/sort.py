"""SORT and THREAD and their UID forms (RFC 5256 5; RETURN: RFC 5267 3)."""

from opostd.imap.limits import MAX_SORT_CRITERIA
from opostd.imap.parse.search import parse_charset, parse_keys, parse_returns
from opostd.imap.values.sort import Algorithm, Criterion, Sort, SortKey, Thread
from opostd.imap.wire.cursor import Cursor

SORT_KEYS = {key.value: key for key in SortKey}
ALGORITHMS = {algorithm.value: algorithm for algorithm in Algorithm}


def parse_sort(args: Cursor, *, by_uid: bool) -> Sort:
    """``[SP "RETURN" SP options] SP "(" criterion *(SP criterion) ")" SP charset 1*(SP search-key)``.

    criterion: ``["REVERSE" SP] sort-key``.  The charset is always there.
    """
    args.sp()
    returns = parse_returns(args)
    at = args.at
    criteria = args.list_of(lambda: _criterion(args))
    if len(criteria) > MAX_SORT_CRITERIA:
        args.fail(f"at most {MAX_SORT_CRITERIA} sort criteria", at)
    args.sp()
    charset = parse_charset(args)
    args.sp()
    return Sort(tuple(criteria), parse_keys(args, charset), by_uid, charset, returns)


def _criterion(args: Cursor) -> Criterion:
    at = args.at
    word = args.keyword()
    reverse = word == b"REVERSE"
    if reverse:
        args.sp()
        at = args.at
        word = args.keyword()
    key = SORT_KEYS.get(word)
    if key is None:
        args.fail("a sort key", at)
    return Criterion(key, reverse)


def parse_thread(args: Cursor, *, by_uid: bool) -> Thread:
    """``SP algorithm SP charset 1*(SP search-key)``."""
    args.sp()
    at = args.at
    algorithm = ALGORITHMS.get(args.keyword())
    if algorithm is None:
        args.fail("ORDEREDSUBJECT or REFERENCES", at)
    args.sp()
    charset = parse_charset(args)
    args.sp()
    return Thread(algorithm, parse_keys(args, charset), by_uid, charset)
