"""SETACL, DELETEACL, LISTRIGHTS: letters, signs, identifiers (RFC 4314 2.1.1, 3.1, 7)."""

import pytest

from opostd.imap.parse.acl import parse_about_identifier, parse_setacl
from opostd.imap.values.acl import AboutIdentifier, SetAcl
from opostd.model.errors import BadSyntax
from opostd.model.rights import ALL_RIGHTS, NO_RIGHTS, Change, Rights
from tests.imap.octets import cursor

LR = Rights.LOOKUP | Rights.READ
TE = Rights.DELETE | Rights.EXPUNGE
KX = Rights.CREATE | Rights.REMOVE


@pytest.mark.parametrize(
    ("octets", "command"),
    [
        (b" INBOX Fred lr", SetAcl("INBOX", "Fred", Change.REPLACE, LR)),
        (b' "a b" "-fred" +ld', SetAcl("a b", "-fred", Change.ADD, Rights.LOOKUP | TE)),
        (b" inbox $team -c", SetAcl("INBOX", "$team", Change.REMOVE, KX)),
        (b" x anyone lrswipkxteacd", SetAcl("x", "anyone", Change.REPLACE, ALL_RIGHTS)),
        (b' x y ""', SetAcl("x", "y", Change.REPLACE, NO_RIGHTS)),
        (b" x y +", SetAcl("x", "y", Change.ADD, NO_RIGHTS)),
        (b" x y -", SetAcl("x", "y", Change.REMOVE, NO_RIGHTS)),
        (b" x y llrr ", SetAcl("x", "y", Change.REPLACE, LR)),
        (b" x {5}\r\nB\xc3\xb6rg lr", SetAcl("x", "B\u00f6rg", Change.REPLACE, LR)),
        (b" x {6}\r\nBo\xcc\x88rg lr", SetAcl("x", "B\u00f6rg", Change.REPLACE, LR)),  # NFC
    ],
)
def test_setacl(octets: bytes, command: SetAcl) -> None:
    assert parse_setacl(cursor(octets)) == command


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        (b" x y lRr", 5),  # upper case (RFC 4314 2)
        (b" x y lqr", 5),  # no right: never ignored in silence (RFC 4314 3.1)
        (b" x y 0", 5),
        (b" x y ++l", 5),
        (b" x y l+r", 5),
        (b" x y {2}\r\n\xc3\xa4", 5),
        (b" x y", 4),
        (b" x  lr", 3),
        (b" x y lr z", 7),
        (b' x "" lr', 3),
        (b" x - lr", 3),
        (b' x "  " lr', 3),
        (b" x {3}\r\na\x07b lr", 3),
        (b" x {1}\r\n\xff lr", 3),
        (b" x {1025}\r\n" + b"a" * 1025 + b" lr", 3),
    ],
)
def test_bad_setacl(octets: bytes, offset: int) -> None:
    with pytest.raises(BadSyntax) as caught:
        parse_setacl(cursor(octets))
    assert caught.value.offset == offset


def test_about_an_identifier() -> None:
    assert parse_about_identifier(cursor(b" INBOX -fred")) == AboutIdentifier("INBOX", "-fred")
    for bad in (b" INBOX", b' INBOX ""', b" INBOX fred lr", b" INBOX (fred)"):
        with pytest.raises(BadSyntax):
            parse_about_identifier(cursor(bad))
