"""AUTHENTICATE, LOGIN, ID, ENABLE (RFC 9051 6.2, RFC 4959, RFC 2971, RFC 5161)."""

import pytest

from opostd.imap.parse.any import parse_bare
from opostd.imap.parse.auth import parse_authenticate, parse_enable, parse_id, parse_login
from opostd.imap.values.commands import Authenticate, Bare, Enable, Id, Login
from opostd.model.errors import BadSyntax
from tests.imap.octets import cursor

GOOD = [
    (parse_bare, b"", Bare()),
    (parse_bare, b"  ", Bare()),
    (parse_authenticate, b" plain", Authenticate("PLAIN", None)),
    (parse_authenticate, b" PLAIN ", Authenticate("PLAIN", None)),
    (parse_authenticate, b" PLAIN =", Authenticate("PLAIN", b"")),
    (parse_authenticate, b" PLAIN AGEAYg==", Authenticate("PLAIN", b"\0a\0b")),
    (parse_authenticate, b" SCRAM-SHA-256", Authenticate("SCRAM-SHA-256", None)),
    (parse_login, b" anna secret", Login("anna", "secret")),
    (parse_login, b' "Anna@OPOST.example" "a b\\""', Login("Anna@OPOST.example", 'a b"')),
    (parse_login, b" {4+}\r\nanna {2+}\r\n\xc3\xbc", Login("anna", "ü")),
    (parse_id, b" NIL", Id(None)),
    (parse_id, b" nil ", Id(None)),
    (parse_id, b" ()", Id(())),
    (
        parse_id,
        b' ("name" "Thunderbird" "version" NIL {1+}\r\n\xff "")',
        Id((("name", "Thunderbird"), ("version", None), ("\ufffd", ""))),
    ),
    (parse_enable, b" condstore UTF8=ACCEPT ", Enable(("CONDSTORE", "UTF8=ACCEPT"))),
]


@pytest.mark.parametrize(("parse", "octets", "command"), GOOD)
def test_good(parse, octets: bytes, command: object) -> None:
    assert parse(cursor(octets)) == command


BAD = [
    (parse_bare, b" extra", 0),
    (parse_authenticate, b"", 0),
    (parse_authenticate, b" PLAIN !!!", 7),
    (parse_authenticate, b" PLAIN AGE", 7),
    (parse_authenticate, b" PLAIN ==", 8),
    (parse_authenticate, b" PLAIN AGEAYg== x", 15),
    (parse_login, b" anna", 5),
    (parse_login, b" anna  secret", 6),
    (parse_login, b" anna secret x", 12),
    (parse_login, b" {-1}", 1),
    (parse_login, b" {1+}\r\n\xff x", 1),
    (parse_login, b" a {3+}\r\na\0b", 3),
    (parse_id, b"", 0),
    (parse_id, b" x", 1),
    (parse_id, b' ("name")', 8),
    (parse_id, b' (name "x")', 2),
    (parse_id, b' ("name" "x"', 12),
    (parse_id, b" (" + b" ".join([b'"a" NIL'] * 31) + b")", 1),
    (parse_enable, b"", 0),
    (parse_enable, b" ", 1),
    (parse_enable, b" a  b", 3),
]


@pytest.mark.parametrize(("parse", "octets", "offset"), BAD)
def test_bad(parse, octets: bytes, offset: int) -> None:
    with pytest.raises(BadSyntax) as raised:
        parse(cursor(octets))
    assert raised.value.offset == offset
