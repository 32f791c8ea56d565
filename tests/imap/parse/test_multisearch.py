"""ESEARCH: RFC 7377 4."""

import pytest

from opostd.imap.parse.multisearch import parse_multisearch
from opostd.imap.values.scope import Filter, Scope
from opostd.imap.values.search import ALL_OF_THEM, All, HasFlag, MultiSearch, Option, Returns
from opostd.model.errors import BadSyntax
from opostd.model.flags import SEEN
from tests.imap.octets import cursor

COUNT = Returns(frozenset({Option.COUNT}))
GOOD = [
    (b" ALL", MultiSearch((), All(), None, ALL_OF_THEM)),
    (b" RETURN (COUNT) ALL", MultiSearch((), All(), None, COUNT)),
    (b" RETURN () ALL", MultiSearch((), All(), None, ALL_OF_THEM)),
    (b" in (SELECTED) CHARSET utf-8 ALL", MultiSearch((Filter(Scope.SELECTED),), All(), "UTF-8", ALL_OF_THEM)),
    (
        b' IN (mailboxes "folder1" subtree "folder2") unseen',
        MultiSearch(
            (Filter(Scope.MAILBOXES, frozenset({"folder1"})), Filter(Scope.SUBTREE, frozenset({"folder2"}))),
            HasFlag(SEEN, False),
            None,
            ALL_OF_THEM,
        ),
    ),
    (
        b" IN (personal inboxes subscribed subtree-one (a/ b)) RETURN (COUNT) ALL",
        MultiSearch(
            (
                Filter(Scope.PERSONAL),
                Filter(Scope.INBOXES),
                Filter(Scope.SUBSCRIBED),
                Filter(Scope.SUBTREE_ONE, frozenset({"a", "b"})),
            ),
            All(),
            None,
            COUNT,
        ),
    ),
]
BAD = [
    b"", b" ", b" IN", b" IN ALL", b" IN () ALL", b" IN (personal)", b" IN (personal) ", b" IN (personal)ALL", b" IN (x) ALL",
    b" IN (selected-delayed) ALL", b" IN (subtree) ALL", b" IN (subtree-one ) ALL", b" IN (mailboxes ()) ALL",
    b" IN (personal ) ALL", b" IN (personal (a b)) ALL", b' IN ("personal") ALL', b" RETURN (COUNT) IN (personal) ALL",
    b" IN (personal) IN (personal) ALL", b" IN (" + b" ".join([b"personal"] * 101) + b") ALL",
]  # fmt: skip


@pytest.mark.parametrize(("octets", "command"), GOOD)
def test_parse(octets: bytes, command: MultiSearch) -> None:
    assert parse_multisearch(cursor(octets)) == command


@pytest.mark.parametrize("octets", BAD)
def test_bad(octets: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse_multisearch(cursor(octets))
