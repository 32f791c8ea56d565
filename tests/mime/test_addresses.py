"""Address lists, as they should be and as they are."""

import pytest

from opostd.mime.addresses import GROUP_END, MAX_ADDRESSES, Address, addresses

Row = tuple[bytes | None, bytes | None, bytes | None, bytes | None]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", []),
        (b'""', [(None, None, b"MISSING_MAILBOX", b"MISSING_DOMAIN")]),
        (b" , ,, ", []),
        (b"a@b.example", [(None, None, b"a", b"b.example")]),
        (b"<a@b.example>", [(None, None, b"a", b"b.example")]),
        (b"Anna Opost <a@b.example>", [(b"Anna Opost", None, b"a", b"b.example")]),
        (b"Anna  Opost<a@b.example>", [(b"Anna Opost", None, b"a", b"b.example")]),
        (b'"Opost, Anna" <a@b.example>', [(b"Opost, Anna", None, b"a", b"b.example")]),
        (b'"A \\"B\\" \\\\C" <a@b.example>', [(b'A "B" \\C', None, b"a", b"b.example")]),
        (b"Joe Q. Public <j@b.example>", [(b"Joe Q. Public", None, b"j", b"b.example")]),
        (b"a@b.example (Anna)", [(b"Anna", None, b"a", b"b.example")]),
        (b"a@b.example (Anna (of) Opost)", [(b"Anna (of) Opost", None, b"a", b"b.example")]),
        (b"(x) a (y) @ (z) b.example", [(b"z", None, b"a", b"b.example")]),
        (b"a@b.example, c@d.example", [(None, None, b"a", b"b.example"), (None, None, b"c", b"d.example")]),
        (b"a . b @ c . example", [(None, None, b"a.b", b"c.example")]),
        (b'"a b"@c.example', [(None, None, b"a b", b"c.example")]),
        (b'"a".b@c.example', [(None, None, b"a.b", b"c.example")]),
        (b"a@[192.0.2.1]", [(None, None, b"a", b"[192.0.2.1]")]),
        (b"a@[IPv6:2001:db8::1]", [(None, None, b"a", b"[IPv6:2001:db8::1]")]),
        (b"[Team] Bob <b@c.example>", [(b"[Team] Bob", None, b"b", b"c.example")]),
        (b"<@a,@b:c@d>", [(None, b"@a,@b", b"c", b"d")]),
        (b"A <@a:c@d>", [(b"A", b"@a", b"c", b"d")]),
        (
            b"team: a@b, C <c@d>; , e@f",
            [
                (None, None, b"team", None),
                (None, None, b"a", b"b"),
                (b"C", None, b"c", b"d"),
                (None,) * 4,
                (None, None, b"e", b"f"),
            ],
        ),
        (b"undisclosed-recipients:;", [(None, None, b"undisclosed-recipients", None), (None,) * 4]),
        (b'"My Team" : ;', [(None, None, b"My Team", None), (None,) * 4]),
        (b"a: b: c@d; ;", [(None, None, b"a", None), (b"b", None, b"c", b"d"), (None,) * 4]),
        (b"a:", [(None, None, b"a", None), (None,) * 4]),  # a group is closed at the end
        (b";", []),
        (b"a@b; c@d", [(None, None, b"a", b"b"), (None, None, b"c", b"d")]),  # not a list, but sent
        (b"root", [(None, None, b"root", b"MISSING_DOMAIN")]),
        (b"No Address", [(b"No Address", None, b"MISSING_MAILBOX", b"MISSING_DOMAIN")]),
        (b"a@", [(None, None, b"a", b"MISSING_DOMAIN")]),
        (b"@b", [(None, None, b"MISSING_MAILBOX", b"b")]),
        (b"<>", [(None, None, b"MISSING_MAILBOX", b"MISSING_DOMAIN")]),
        (b"A <a@b> trailing", [(b"A", None, b"a", b"b")]),
        (b"<a@b, c@d>", [(None, None, b"a", b"b"), (None, None, b"c", b"d")]),
        (b"a@b <c@d>", [(b"a@b", None, b"c", b"d")]),
        (b"Bob a@b", [(b"Bob", None, b"a", b"b")]),
        (b"a@b@c", [(None, None, b"a", b"bc")]),
        (b'"unclosed <a@b>', [(b"unclosed <a@b>", None, b"MISSING_MAILBOX", b"MISSING_DOMAIN")]),
        (b"J\xc3\xbcrgen <j@b>", [(b"J\xc3\xbcrgen", None, b"j", b"b")]),
        (b"=?utf-8?q?J=C3=BCrgen?= <j@b>", [(b"=?utf-8?q?J=C3=BCrgen?=", None, b"j", b"b")]),
        (b"A\r\n <a@b>,\r\n\tc@d\r\n", [(b"A", None, b"a", b"b"), (None, None, b"c", b"d")]),
        (b'" "@ ,(c)', []),
        (b"mailto:a@b", [(None, None, b"mailto", None), (None, None, b"a", b"b"), (None,) * 4]),
    ],
)
def test_addresses(value: bytes, expected: list[Row]) -> None:
    assert addresses(value) == [Address(*row) for row in expected]


def test_limit() -> None:
    assert len(addresses(b"a@b," * 50_000)) == MAX_ADDRESSES
    grouped = addresses(b"g:" + b"a@b," * 50_000)
    assert len(grouped) == MAX_ADDRESSES + 1
    assert grouped[-1] == GROUP_END


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"a@b.example", "a@b.example"), (b"j\xc3\xbc@\xc3\xbc.example", "jü@ü.example"), (b"g:;", "")],
)
def test_spec(value: bytes, expected: str) -> None:
    assert addresses(value)[0].spec == expected
