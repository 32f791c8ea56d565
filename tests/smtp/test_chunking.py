"""BDAT: what a line says, and the message out of its chunks (RFC 3030 2)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.intake.spool import Spool
from opostd.smtp.chunking import Chunks, Command, parse
from opostd.smtp.data import Verdict, check

LINES = [
    (b"BDAT 0", Command(0, False)),
    (b"BDAT 86 LAST", Command(86, True)),
    (b"bdat 000086 last", Command(86, True)),
    (b"BDAT 5 ", Command(5, False)),  # a space too many at the end, as elsewhere
    (b"BDAT 5 LAST ", Command(5, True)),
    (b"BDAT 99999999999999999999", Command(99999999999999999999, False)),
    (b"BDAT", None),
    (b"BDAT 5  LAST", None),
    (b"BDAT 5LAST", None),
    (b"BDAT \xb2", None),  # a digit to str.isdigit, and none here
    (b"BDAT 5\n", None),
]


@pytest.mark.parametrize(("line", "command"), LINES)
def test_lines(line: bytes, command: Command | None) -> None:
    assert parse(line) == command


@given(st.lists(st.sampled_from([b"a", b"\r\n", b".", b"\n", b"\r", b"\0"])), st.lists(st.integers(0, 40)))
def test_where_chunks_are_cut_does_not_matter(pieces: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(pieces)
    chunks = Chunks(1000, Spool(in_memory=8))
    borders = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    for start, end in pairwise(borders):
        chunks.begin(end - start)
        chunks.feed(raw[start:end])
    verdict = check(raw)
    assert chunks.result() == (verdict, raw if verdict is Verdict.GOOD else b"")
    assert chunks.octets == len(raw)


def test_limits() -> None:
    chunks = Chunks(10, Spool())
    chunks.begin(10)
    chunks.feed(b"0123456789")
    assert chunks.refused is None
    chunks.begin(1)
    assert chunks.refused is Verdict.TOO_BIG
    chunks.begin(9)
    assert not chunks.overrun
    chunks.begin(1)
    assert chunks.overrun
    assert chunks.result() == (Verdict.TOO_BIG, b"")


class Full:
    """A disk with no space."""

    def append(self, octets: bytes) -> None:
        raise OSError(28, "no space")

    def take(self) -> bytes:
        raise OSError(5, "broken")

    def drop(self) -> None:
        pass


def test_no_space() -> None:
    chunks = Chunks(10, Full())
    chunks.begin(1)
    chunks.feed(b"x")
    assert chunks.result() == (Verdict.NO_SPACE, b"")
    assert Chunks(10, Full()).result() == (Verdict.NO_SPACE, b"")
