"""The PROXY header: what it says, byte by byte, and what is none."""

import contextlib
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.smtp.proxy import MAX_LINE, SIGNATURE, Header, is_listed, parse

V4 = b"\xc0\0\2\7\xc0\0\2\1\x12\x67\0\x19"
V6 = bytes(15) + b"\1" + bytes(15) + b"\2" + b"\x12\x67\0\x19"

GOOD = [
    (b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n", ("192.0.2.7", 4711)),
    (b"PROXY TCP6 2001:DB8::7 2001:db8::1 4711 25\r\n", ("2001:db8::7", 4711)),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff:f::f ffff:f::f 65535 65535\r\n", None),
    (SIGNATURE + b"\x21\x11\0\x0c" + V4, ("192.0.2.7", 4711)),
    (SIGNATURE + b"\x21\x11\0\x10" + V4 + b"\4\0\1x", ("192.0.2.7", 4711)),
    (SIGNATURE + b"\x21\x21\0\x24" + V6, ("::1", 4711)),
    (SIGNATURE + b"\x20\x11\0\x0c" + V4, None),
    (SIGNATURE + b"\x21\0\0\0", None),
    (SIGNATURE + b"\x21\x31\0\xd8" + bytes(216), None),
]
BAD = [
    b"EHLO client\r\n",
    b"PROXY\r\n",
    b"PROXY TCP4\r\n",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25 \r\n",
    b"PROXY  TCP4 192.0.2.7 192.0.2.1 4711 25\r\n",
    b"PROXY TCP4 ::1 ::1 4711 25\r\n",
    b"PROXY TCP6 192.0.2.7 192.0.2.1 4711 25\r\n",
    b"PROXY TCP4 192.0.2.07 192.0.2.1 4711 25\r\n",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 -1 25\r\n",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 65536 25\r\n",
    b"PROXY TCP4 " + b"1" * MAX_LINE,
    SIGNATURE + b"\x11\x11\0\x0c" + V4,
    SIGNATURE + b"\x22\x11\0\x0c" + V4,
    SIGNATURE + b"\x21\x11\0\x0b" + V4,
    SIGNATURE + b"\x21\x11\xff\xff" + V4,
]


@pytest.mark.parametrize(("octets", "source"), GOOD)
@pytest.mark.parametrize("behind", [b"", b"EHLO client\r\n"])
def test_good(octets: bytes, source: tuple[str, int] | None, behind: bytes) -> None:
    for end in range(len(octets)):
        assert parse(octets[:end]) is None
    assert parse(octets + behind) == Header(len(octets), source)


@pytest.mark.parametrize("octets", BAD)
def test_bad(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"PROXY|address"):
        parse(octets)


@given(st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]), st.binary(max_size=120))
def test_any_octets_give_a_header_or_none_or_value_error(start: bytes, rest: bytes) -> None:
    with contextlib.suppress(ValueError):
        header = parse(start + rest)
        assert header is None or header.octets <= len(start + rest)


def test_who_is_listed() -> None:
    networks = [ip_network("10.0.0.0/8"), ip_network("2001:db8::1")]
    assert is_listed(("10.1.2.3", 1), networks)
    assert is_listed(("::ffff:10.1.2.3", 1, 0, 0), networks)
    assert is_listed(("2001:db8::1", 1, 0, 0), networks)
    assert not is_listed(("11.1.2.3", 1), networks)
    assert not is_listed("", networks)
    assert not is_listed(None, networks)
