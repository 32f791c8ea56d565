"""Lines and literals to commands, under limits (RFC 9051 4.3, RFC 7888; security.md 1.5)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.limits import BEFORE_LOGIN, FrameLimits, frame_limits
from opostd.imap.wire.framing import Frame, Framer, Line, NeedLiteral, Refused
from tests.imap.octets import LIMITS, everything

SMALL = FrameLimits(line=40, literal=8, literals=12, message=30, messages=50)

WHOLE = [
    (b"a NOOP\r\n", [Frame(b"a NOOP")]),
    (b"a NOOP\n", [Frame(b"a NOOP")]),
    (b"\r\na NOOP\r\n\r\n", [Frame(b"a NOOP")]),
    (b"a 1\r\nb 2\r\nc", [Frame(b"a 1"), Frame(b"b 2")]),
    (b"a X {3+}\r\nabc\r\n", [Frame(b"a X {3+}\r\n", (b"abc",))]),
    (b"a X {3}\r\nabc y\r\n", [Frame(b"a X {3}\r\n y", (b"abc",))]),
    (b"a X ~{3}\r\na\0c\r\n", [Frame(b"a X ~{3}\r\n", (b"a\0c",))]),
    (b"a X {0+}\r\n {2+}\r\n\r\n\r\n", [Frame(b"a X {0+}\r\n {2+}\r\n", (b"", b"\r\n"))]),
    (b"a X {003+}\r\nabc\r\n", [Frame(b"a X {003+}\r\n", (b"abc",))]),
    (b"a X {1+}\n\n\n", [Frame(b"a X {1+}\r\n", (b"\n",))]),
    # No literal: the parser says what is wrong with it, and no "+" is sent.
    (b"a X {-1}\r\n", [Frame(b"a X {-1}")]),
    (b"a X {+5}\r\n", [Frame(b"a X {+5}")]),
    (b"a X {1_0}\r\n", [Frame(b"a X {1_0}")]),
    (b"a X { 5}\r\n", [Frame(b"a X { 5}")]),
    (b"a X {}\r\n", [Frame(b"a X {}")]),
    (b"a X {5}x\r\n", [Frame(b"a X {5}x")]),
    (b"a X {\xd9\xa3}\r\n", [Frame(b"a X {\xd9\xa3}")]),
    (b"a X }\r\n", [Frame(b"a X }")]),
]


@pytest.mark.parametrize(("octets", "things"), WHOLE)
def test_whole(octets: bytes, things: list[object]) -> None:
    framer = Framer(SMALL)
    framer.feed(octets)
    assert everything(framer) == things


@pytest.mark.parametrize(("octets", "things"), WHOLE)
def test_octet_by_octet(octets: bytes, things: list[object]) -> None:
    framer = Framer(SMALL)
    got: list[object] = []
    for at in range(len(octets)):
        framer.feed(octets[at : at + 1])
        got += everything(framer)
    assert got == things


def test_a_synchronising_literal_is_asked_for_once() -> None:
    framer = Framer(SMALL)
    framer.feed(b"a X {3}\r\n")
    assert framer.next() == NeedLiteral()
    assert framer.next() is None
    framer.feed(b"ab")
    assert framer.next() is None
    framer.feed(b"c\r\nb NOOP\r\n")
    assert framer.next() == Frame(b"a X {3}\r\n", (b"abc",))
    assert framer.next() == Frame(b"b NOOP")
    assert framer.next() is None


TOGETHER = "the messages are too big together"
REFUSED = [
    (b"a X {9}\r\n", Refused(b"a", "the literal is too long")),
    (b"a X {9+}\r\n", Refused(b"a", "the literal is too long", fatal=True)),
    (b"a X {" + b"9" * 30 + b"}\r\n", Refused(b"a", "the literal is too long")),
    (b"+ X {9}\r\n", Refused(b"*", "the literal is too long")),
    (b"{9}\r\n", Refused(b"*", "the literal is too long")),
    (b"a X {8+}\r\n12345678 {5}\r\n", Refused(b"a", "the literal is too long")),  # together over 12
    (b"a APPEND x {31}\r\n", Refused(b"a", "the message is too big", too_big=True)),
    (b"a append x {31}\r\n", Refused(b"a", "the message is too big", too_big=True)),
    (b"a APPEND x (\\Seen) {31+}\r\n", Refused(b"a", "the message is too big", fatal=True, too_big=True)),
    (b"a APPEND {1+}\r\nx {31}\r\n", Refused(b"a", "the message is too big", too_big=True)),
    (b"a REPLACE 1 x {31}\r\n", Refused(b"a", "the message is too big", too_big=True)),
    (b"a uid replace 1 {1+}\r\nx {31}\r\n", Refused(b"a", "the message is too big", too_big=True)),
    (b"a REPLACE 1 {9}\r\n", Refused(b"a", "the literal is too long")),
    (b"a APPEND {9}\r\n", Refused(b"a", "the literal is too long")),  # a name is no message
    (b"a APPEND x {9+}\r\n123456789 {31}\r\n", Refused(b"a", "the message is too big", too_big=True)),
    (b"a APPEND x {30+}\r\n" + b"m" * 30 + b" {21}\r\n", Refused(b"a", TOGETHER, too_big=True)),
    (b"a APPEND x {30+}\r\n" + b"m" * 30 + b" {21+}\r\n", Refused(b"a", TOGETHER, fatal=True, too_big=True)),
    (b"a " + b"x" * 39 + b"\r\n", Refused(b"*", "the line is too long", fatal=True)),
    (b"x" * 42, Refused(b"*", "the line is too long", fatal=True)),
]


@pytest.mark.parametrize(("octets", "refused"), REFUSED)
def test_refused(octets: bytes, refused: Refused) -> None:
    framer = Framer(SMALL)
    framer.feed(octets + b"b NOOP\r\n")
    things = everything(framer)
    assert things == ([refused] if refused.fatal else [refused, Frame(b"b NOOP")])


def test_a_fatal_refusal_stays() -> None:
    framer = Framer(SMALL)
    framer.feed(b"a X {9+}\r\n123456789 b NOOP\r\n")
    first = framer.next()
    framer.feed(b"c NOOP\r\n")
    assert framer.next() is first
    assert framer.buffered == 0


def test_the_largest_that_fits() -> None:
    framer = Framer(SMALL)
    line = b"a " + b"x" * 38
    framer.feed(line + b"\r\n" + b"a APPEND x {30+}\r\n" + b"m" * 30 + b"\r\n")
    framer.feed(b"a APPEND x {30+}\r\n" + b"m" * 30 + b" {20+}\r\n" + b"n" * 20 + b"\r\n")
    assert everything(framer) == [
        Frame(line),
        Frame(b"a APPEND x {30+}\r\n", (b"m" * 30,)),
        Frame(b"a APPEND x {30+}\r\n {20+}\r\n", (b"m" * 30, b"n" * 20)),
    ]


def test_before_login_there_is_no_message() -> None:
    framer = Framer(frame_limits(BEFORE_LOGIN, 1_000_000))
    framer.feed(b"a APPEND x {4097}\r\nb LOGIN {4096+}\r\n" + b"n" * 4096 + b" {4096+}\r\n" + b"p" * 4096 + b"\r\n")
    assert everything(framer) == [
        Refused(b"a", "the literal is too long"),
        Frame(b"b LOGIN {4096+}\r\n {4096+}\r\n", (b"n" * 4096, b"p" * 4096)),
    ]


def test_raw_lines() -> None:
    framer = Framer(SMALL)
    framer.feed(b"a IDLE\r\nDONE\r\n{5}\r\n\r\nb NOOP\r\n")
    assert framer.next() == Frame(b"a IDLE")
    framer.raw_line = True
    assert [framer.next() for _ in range(3)] == [Line(b"DONE"), Line(b"{5}"), Line(b"")]
    framer.raw_line = False
    assert framer.next() == Frame(b"b NOOP")


def test_a_raw_line_is_short() -> None:
    """security.md 1.5: IDLE and then a line of 13 KiB is BYE."""
    framer = Framer(LIMITS)
    framer.raw_line = True
    framer.feed(b"x" * 13312 + b"\r\n" + b"y" * 13314)
    assert framer.next() == Line(b"x" * 13312)
    assert framer.next() == Refused(b"*", "the line is too long", fatal=True)


def test_clear_drops_what_came() -> None:
    framer = Framer(SMALL)
    framer.feed(b"a STARTTLS\r\nb NOOP\r\nc X {5+}\r\nab")
    assert framer.next() == Frame(b"a STARTTLS")
    framer.clear()
    assert framer.next() is None
    framer.feed(b"d NOOP\r\n")
    assert framer.next() == Frame(b"d NOOP")


def test_limits_may_change_between_commands() -> None:
    framer = Framer(SMALL)
    framer.feed(b"a X {9}\r\n")
    assert isinstance(framer.next(), Refused)
    framer.limits = LIMITS
    framer.feed(b"b X {9}\r\n")
    assert framer.next() == NeedLiteral()


def test_buffered_counts_what_is_ahead() -> None:
    framer = Framer(SMALL)
    framer.feed(b"a NOOP\r\nb NOOP\r\n")
    assert framer.buffered == 16
    framer.next()
    assert framer.buffered == 8


def _pieces(octets: bytes, borders: list[int]) -> list[bytes]:
    cuts = [0, *sorted({border % (len(octets) + 1) for border in borders}), len(octets)]
    return [octets[start:stop] for start, stop in pairwise(cuts)]


SOUP = st.lists(
    st.sampled_from(
        [
            b"a",
            b" ",
            b"X",
            b"APPEND x ",
            b"{3}",
            b"{3+}",
            b"~{2+}",
            b"{31}",
            b"{9}",
            b"\r\n",
            b"\n",
            b"\r",
            b"abc",
            b"}",
        ]
    )
    | st.binary(max_size=4),
    max_size=40,
).map(b"".join)


@given(SOUP, st.lists(st.integers(0, 1000), max_size=8))
def test_borders_do_not_matter(octets: bytes, borders: list[int]) -> None:
    whole = Framer(SMALL)
    whole.feed(octets)
    expected = everything(whole)
    framer = Framer(SMALL)
    got: list[object] = []
    for piece in _pieces(octets, borders):
        if got and getattr(got[-1], "fatal", False):
            break
        framer.feed(piece)
        got += everything(framer)
    assert got == expected
    # Nothing is lost and nothing held beyond the limits.
    assert framer.buffered <= SMALL.line + 2


@given(
    st.lists(
        st.tuples(st.sampled_from([b"a X ", b"b FETCH 1 ", b"c "]), st.lists(st.binary(max_size=5), max_size=2)),
        max_size=5,
    ),
    st.booleans(),
)
def test_what_is_written_is_read(commands: list[tuple[bytes, list[bytes]]], synchronising: bool) -> None:
    plus = b"" if synchronising else b"+"
    octets = b""
    frames = []
    for line, literals in commands:
        sizes = [b"{%d%b}\r\n" % (len(literal), plus) for literal in literals]
        octets += line + b"".join([size + literal for size, literal in zip(sizes, literals, strict=True)]) + b"\r\n"
        frames.append(Frame(line + b"".join(sizes), tuple(literals)))
    framer = Framer(SMALL)
    framer.feed(octets)
    assert everything(framer) == frames
