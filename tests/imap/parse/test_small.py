"""GETQUOTA (RFC 9208 7), UIDBATCHES (RFC 10022 3.1)."""

from collections.abc import Callable
from typing import Any

import pytest

from opostd.imap.parse.batches import parse_uidbatches
from opostd.imap.parse.quota import parse_getquota
from opostd.imap.values.batches import UidBatches
from opostd.imap.values.quota import GetQuota
from opostd.imap.wire.cursor import Cursor
from opostd.model.errors import BadSyntax
from tests.imap.octets import cursor

GOOD = [
    (parse_getquota, b' ""', GetQuota(b"")),
    (parse_getquota, b' "!partition/sda4" ', GetQuota(b"!partition/sda4")),
    (parse_getquota, b" #user/alice", GetQuota(b"#user/alice")),
    (parse_uidbatches, b" 2000", UidBatches(2000)),
    (parse_uidbatches, b" 2000 ", UidBatches(2000)),
    (parse_uidbatches, b" 2000 10:20", UidBatches(2000, (10, 20))),
    (parse_uidbatches, b" 4294967295 20:10", UidBatches(2**32 - 1, (10, 20))),
]


@pytest.mark.parametrize(("parse", "octets", "value"), GOOD)
def test_good(parse: Callable[[Cursor], Any], octets: bytes, value: object) -> None:
    assert parse(cursor(octets)) == value


BAD = [
    (parse_getquota, b"", 0),
    (parse_getquota, b" ", 1),
    (parse_getquota, b" (a)", 1),
    (parse_getquota, b' "" x', 3),
    (parse_uidbatches, b"", 0),
    (parse_uidbatches, b" 0", 1),
    (parse_uidbatches, b" abc", 1),
    (parse_uidbatches, b" 4294967296", 1),
    (parse_uidbatches, b" 2000 10", 8),
    (parse_uidbatches, b" 2000 0:20", 6),
    (parse_uidbatches, b" 2000 1:*", 8),
    (parse_uidbatches, b" 2000 1:2 junk", 9),
]


@pytest.mark.parametrize(("parse", "octets", "offset"), BAD)
def test_bad(parse: Callable[[Cursor], Any], octets: bytes, offset: int) -> None:
    with pytest.raises(BadSyntax) as raised:
        parse(cursor(octets))
    assert raised.value.offset == offset
