"""GETQUOTA (RFC 9208 7), UIDBATCHES (RFC 10022 3.1), GETMETADATA and SETMETADATA (RFC 5464 5)."""

from collections.abc import Callable
from typing import Any

import pytest

from opostd.imap.parse.batches import parse_uidbatches
from opostd.imap.parse.metadata import parse_getmetadata, parse_setmetadata
from opostd.imap.parse.quota import parse_getquota
from opostd.imap.values.batches import UidBatches
from opostd.imap.values.metadata import Depth, GetMetadata, SetMetadata
from opostd.imap.values.quota import GetQuota
from opostd.imap.wire.cursor import Cursor
from opostd.model.errors import BadSyntax
from tests.imap.octets import cursor

GOOD = [
    (parse_getquota, b' ""', GetQuota(b"")),
    (parse_getquota, b' "!partition/sda4" ', GetQuota(b"!partition/sda4")),
    (parse_getquota, b" #user/alice", GetQuota(b"#user/alice")),
    (parse_uidbatches, b" 2000", UidBatches(2000)),
    (parse_getmetadata, b' "" /shared/comment', GetMetadata("", ("/shared/comment",))),
    (
        parse_getmetadata,
        b' INBOX (/Shared/Comment "/private/comment" /shared/comment)',
        GetMetadata("INBOX", ("/shared/comment", "/private/comment")),
    ),
    (
        parse_getmetadata,
        b' "INBOX" (MAXSIZE 1024) (/shared/comment)',
        GetMetadata("INBOX", ("/shared/comment",), Depth.ENTRY, 1024),
    ),
    (
        parse_getmetadata,
        b' (depth Infinity MAXSIZE 0) "INBOX" /private',
        GetMetadata("INBOX", ("/private",), Depth.ALL, 0),
    ),
    (
        parse_getmetadata,
        b" (DEPTH 1) INBOX (MAXSIZE 4294967295) {7+}\r\n/shared",
        GetMetadata("INBOX", ("/shared",), Depth.CHILDREN, 2**32 - 1),
    ),
    (
        parse_setmetadata,
        b' INBOX (/private/Comment "My" /shared/comment NIL /shared/x "")',
        SetMetadata("INBOX", (("/private/comment", b"My"), ("/shared/comment", None), ("/shared/x", b""))),
    ),
    (parse_setmetadata, b' "" (/private/x {3+}\r\na\r\n)', SetMetadata("", (("/private/x", b"a\r\n"),))),
    (parse_setmetadata, b" a (/private/x ~{2+}\r\n\x00\xff)", SetMetadata("a", (("/private/x", b"\0\xff"),))),
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
    (parse_getmetadata, b"", 0),
    (parse_getmetadata, b' ""', 3),
    (parse_getmetadata, b' "" ()', 5),
    (parse_getmetadata, b' "" (/shared/a', 14),
    (parse_getmetadata, b" a /public/comment", 3),
    (parse_getmetadata, b" a /shared/", 3),
    (parse_getmetadata, b" a /shared//a", 3),
    (parse_getmetadata, b" a shared/a", 3),
    (parse_getmetadata, b' a "/shared/a*"', 3),
    (parse_getmetadata, b' a "/shared/%"', 3),
    (parse_getmetadata, b" a {10+}\r\n/shared/\xc3\xbc", 3),
    (parse_getmetadata, b" a /shared/" + b"x" * 250, 3),
    (parse_getmetadata, b" (DEPTH 2) a /shared/a", 8),
    (parse_getmetadata, b" (DEPTH 1 DEPTH 1) a /shared/a", 10),
    (parse_getmetadata, b" (WIDTH 1) a /shared/a", 2),
    (parse_getmetadata, b" (MAXSIZE x) a /shared/a", 10),
    (parse_getmetadata, b" (MAXSIZE 1) a (MAXSIZE 1) /shared/a", 16),
    (parse_getmetadata, b" a (/shared/a) x", 14),
    (parse_getmetadata, b" a (" + b" ".join([b"/shared/%d" % n for n in range(101)]) + b")", 3),
    (parse_setmetadata, b" a", 2),
    (parse_setmetadata, b' a /private/x "y"', 3),
    (parse_setmetadata, b" a ()", 4),
    (parse_setmetadata, b" a (/private/x)", 14),
    (parse_setmetadata, b" a (/private/x y)", 15),
    (parse_setmetadata, b' a (/private "y")', 4),
    (parse_setmetadata, b" a (/private/x {1+}\r\n\x00)", 15),
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
