"""COMPRESS=DEFLATE as octets (RFC 4978): bursts, steps, broken streams."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.wire.deflate import STEP_OCTETS, BadDeflate, Deflater, Inflater


def deflated(octets: bytes, *, finish: bool = False) -> bytes:
    """As a client writes it, with zlib's own defaults."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(octets) + stream.flush(zlib.Z_FINISH if finish else zlib.Z_SYNC_FLUSH)


def all_of(inflater: Inflater) -> bytes:
    octets = b""
    while inflater.ready:
        octets += inflater.next()
    return octets


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_each_burst_can_be_read_to_the_last_octet(bursts: list[bytes]) -> None:
    server, client = Deflater(), zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    for burst in bursts:
        assert client.decompress(server.burst(burst)) == burst
        padded = server.burst(burst, padded=True)
        assert len(padded) >= len(burst)
        assert client.decompress(padded) == burst


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_borders_do_not_matter(octets: bytes, length: int) -> None:
    wire, inflater, got = deflated(octets), Inflater(), b""
    for at in range(0, len(wire), length):
        inflater.feed(wire[at : at + length])
        got += all_of(inflater)
    assert got == octets


@pytest.mark.parametrize("size", [STEP_OCTETS - 1, STEP_OCTETS, STEP_OCTETS + 1, 3 * STEP_OCTETS, 10_000_000])
def test_a_bomb_goes_off_in_steps(size: int) -> None:
    inflater = Inflater()
    inflater.feed(deflated(b"x" * size))
    steps = []
    while inflater.ready:
        steps.append(len(inflater.next()))
    assert max(steps) <= STEP_OCTETS
    assert sum(steps) == size


def test_what_is_not_deflated_is_refused() -> None:
    inflater = Inflater()
    inflater.feed(b"a1 NOOP\r\n")
    with pytest.raises(BadDeflate):
        all_of(inflater)


def test_behind_the_end_of_the_stream_is_the_rest() -> None:
    inflater = Inflater()
    inflater.feed(deflated(b"a1 UNAUTHENTICATE\r\n", finish=True) + b"a2 ")
    assert all_of(inflater) == b"a1 UNAUTHENTICATE\r\n"
    inflater.feed(b"NOOP\r\n")
    assert not inflater.ready
    assert inflater.rest == b"a2 NOOP\r\n"
