"""Connections that have not logged in are counted by whom an address stands for."""

import pytest

from opostd.auth.unknown import Unknown

HERE, THERE = "192.0.2.1", "192.0.2.2"


def test_so_many_of_one_address() -> None:
    unknown = Unknown(2)
    assert [unknown.enter(each, HERE) for each in "abc"] == [True, True, False]
    assert unknown.enter("d", THERE)
    unknown.leave("c")  # was not let in
    assert not unknown.enter("c", HERE)
    unknown.leave("a")
    unknown.leave("a")  # logged in, and over later
    assert [unknown.enter(each, HERE) for each in "ce"] == [True, False]


@pytest.mark.parametrize(
    ("peers", "expected"),
    [
        (("2001:db8::1", "2001:db8::2"), [True, False]),  # one customer has a /64
        (("2001:db8::1", "2001:db8:0:1::1"), [True, True]),
        ((HERE, f"::ffff:{HERE}"), [True, False]),
        (("local", "local"), [True, True]),  # a UNIX socket
        (("198.51.100.1", "198.51.100.1"), [True, True]),
    ],
)
def test_whom_an_address_stands_for(peers: tuple[str, str], expected: list[bool]) -> None:
    unknown = Unknown(1, ["198.51.100.0/24"])
    assert [unknown.enter(at, peer) for at, peer in enumerate(peers)] == expected


def test_no_limit() -> None:
    unknown = Unknown(0)
    assert all(unknown.enter(number, HERE) for number in range(1000))
