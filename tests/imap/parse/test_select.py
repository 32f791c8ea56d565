"""SELECT, EXAMINE and their parameters (RFC 9051 6.3.2, RFC 7162 7)."""

import pytest

from opostd.imap.parse.select import parse_select
from opostd.imap.values.commands import Resync, Select
from opostd.imap.values.sets import SequenceSet
from opostd.model.errors import BadSyntax
from opostd.model.ids import ModSeq
from tests.imap.octets import cursor

KNOWN = SequenceSet(((41, 41), (43, 211)))
MATCH = SequenceSet(((1, 3),)), SequenceSet(((41, 41), (43, 44)))

SELECTS = [
    (b" x", Select("x")),
    (b" x  ", Select("x")),
    (b" inbox (condstore)", Select("INBOX", True)),
    (b" x (QRESYNC (67890007 20))", Select("x", False, Resync(67890007, ModSeq(20)))),
    (b" x (QRESYNC (1 2 41,43:211))", Select("x", False, Resync(1, ModSeq(2), KNOWN))),
    (b" x (QRESYNC (1 2 (1:3 41,43:44)))", Select("x", False, Resync(1, ModSeq(2), None, MATCH))),
    (
        b" x (CONDSTORE QRESYNC (1 9223372036854775807 41,43:211 (1:3 41,43:44)) CONDSTORE)",
        Select("x", True, Resync(1, ModSeq(2**63 - 1), KNOWN, MATCH)),
    ),
]


@pytest.mark.parametrize(("octets", "command"), SELECTS)
def test_select(octets: bytes, command: Select) -> None:
    assert parse_select(cursor(octets)) == command


BAD = [
    (b"", 0),
    (b" x y", 3),
    (b" x ()", 4),
    (b" x (ANNOTATE)", 4),
    (b" x (QRESYNC)", 11),
    (b" x (QRESYNC (1))", 14),
    (b" x (QRESYNC (0 1))", 13),
    (b" x (QRESYNC (1 0))", 15),
    (b" x (QRESYNC (1 9223372036854775808))", 15),
    (b" x (QRESYNC (1 2 *))", 17),
    (b" x (QRESYNC (1 2 1:*))", 17),
    (b" x (QRESYNC (1 2 $))", 17),
    (b" x (QRESYNC (1 2 1 2))", 19),
    (b" x (QRESYNC (1 2 1 (1)))", 21),
    (b" x (QRESYNC (1 2 1 (1:2 1)))", 20),
    (b" x (QRESYNC (1 2 1 (1:* 1)))", 20),
    (b" x (QRESYNC (1 2) QRESYNC (1 2))", 18),
    (b" x (CONDSTORE", 13),
]


@pytest.mark.parametrize(("octets", "offset"), BAD)
def test_bad(octets: bytes, offset: int) -> None:
    with pytest.raises(BadSyntax) as raised:
        parse_select(cursor(octets))
    assert raised.value.offset == offset
