"""Where a message ends, whatever the packet borders, and what is refused after that end (RFC 5321 4.1.1.4, 4.5.2)."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.intake.spool import Spool
from opostd.smtp.data import DataReader, Verdict


def read(stream: bytes, cuts: list[int] | None = None, limit: int = 10_000) -> tuple[Verdict, bytes, bytes] | None:
    """What a reader makes of the stream when it comes cut at these places; None if the end never came."""
    reader = DataReader(limit, Spool(in_memory=64))
    borders = [0, *sorted(cuts or []), len(stream)]
    for start, end in pairwise(borders):
        rest = reader.feed(stream[start:end])
        if rest is not None:
            return (*reader.result(), rest + stream[end:])
    reader.drop()
    return None


GOOD = [
    (b".\r\n", b""),
    (b"\r\n.\r\n", b"\r\n"),
    (b"a\r\n.\r\n", b"a\r\n"),
    (b"..\r\n.\r\n", b".\r\n"),
    (b"..a\r\n...b\r\n.\r\n", b".a\r\n..b\r\n"),
    (b"a\r\n..\r\n..\r\n.\r\n", b"a\r\n.\r\n.\r\n"),
    (b".a\r\n.\r\n", b"a\r\n"),  # not stuffed as it should be: the dot goes all the same
    (b"a\xff\xfe\r\n.\r\n", b"a\xff\xfe\r\n"),
]


@pytest.mark.parametrize(("stream", "message"), GOOD)
@pytest.mark.parametrize("behind", [b"", b"MAIL FROM:<a@b>\r\n", b".\r\n"])
def test_good(stream: bytes, message: bytes, behind: bytes) -> None:
    for cut in range(len(stream) + len(behind) + 1):
        assert read(stream + behind, [cut]) == (Verdict.GOOD, message, behind)


SMUGGLED = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\n.\r",
    b"\r\r\n.\r\r\n",
    b"\n\n.\r\n",
    b"\r\n.\r\r\n",
]


@pytest.mark.parametrize("end", SMUGGLED)
def test_no_other_end_of_data(end: bytes) -> None:
    """Each is one message, refused after the true end; what is behind the false end is never a command."""
    stream = b"Subject: x\r\n\r\none" + end + b"MAIL FROM:<evil@x>\r\n.\r\nQUIT\r\n"
    for cut in range(len(stream)):
        assert read(stream, [cut]) == (Verdict.BARE_LINE_END, b"", b"QUIT\r\n")


@pytest.mark.parametrize("end", SMUGGLED)
def test_a_false_end_alone_does_not_end(end: bytes) -> None:
    assert read(b"one" + end) is None


def test_nul() -> None:
    assert read(b"a\0b\r\n.\r\n") == (Verdict.NUL, b"", b"")


@pytest.mark.parametrize(("size", "verdict"), [(98, Verdict.GOOD), (99, Verdict.TOO_BIG), (190, Verdict.TOO_BIG)])
def test_size_limit_is_exact(size: int, verdict: Verdict) -> None:
    result = read(b"a" * size + b"\r\n.\r\nNOOP\r\n", [10, 50], limit=100)
    assert result is not None
    assert (result[0], result[2]) == (verdict, b"NOOP\r\n")
    assert len(result[1]) == (size + 2 if verdict is Verdict.GOOD else 0)


def test_overrun_at_twice_the_limit() -> None:
    reader = DataReader(100, Spool())
    assert reader.feed(b"a" * 203) is None
    assert not reader.overrun
    assert reader.feed(b"a") is None
    assert reader.overrun
    reader.drop()


class FullDisk:
    """A sink of the world outside: a disk with no space."""

    def append(self, octets: bytes) -> None:
        raise OSError(28, "No space left on device")

    def take(self) -> bytes:
        raise AssertionError("nothing was kept")

    def drop(self) -> None:
        pass


def test_a_full_disk_is_told_after_the_end() -> None:
    reader = DataReader(100, FullDisk())
    assert reader.feed(b"abc\r\n") is None
    assert reader.feed(b".\r\nQUIT\r\n") == b"QUIT\r\n"
    assert reader.result() == (Verdict.NO_SPACE, b"")


LINES = st.lists(st.binary(max_size=12).map(lambda b: re.sub(rb"[\r\n\0]", b".", b)), max_size=12)


@given(LINES, st.lists(st.integers(0, 200), max_size=6), st.binary(max_size=10))
def test_any_message_comes_through_any_packets(lines: list[bytes], cuts: list[int], behind: bytes) -> None:
    message = b"".join(line + b"\r\n" for line in lines)
    stuffed = b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in lines) + b".\r\n"
    stream = stuffed + behind
    assert read(stream, [min(cut, len(stream)) for cut in cuts]) == (Verdict.GOOD, message, behind)


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n."]), max_size=20), st.lists(st.integers(0, 40))
)
def test_packet_borders_do_not_matter(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces) + b"\r\n.\r\nrest"
    assert read(stream, [min(cut, len(stream)) for cut in cuts]) == read(stream)
