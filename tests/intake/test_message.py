"""Header fields out of octets, and the limits, row by row (security.md 1.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.config import LimitSettings
from opostd.intake.message import _LINES, Field, check_kept, field, header_fields, read
from opostd.model.errors import BadHeader, BadMessage, HasNul, MailLoop, Refused, TooBig

LIMITS = LimitSettings(
    max_message_octets=4000, max_header_octets=1000, max_header_lines=40, max_received=5, max_line_octets=300
)

FIELDS = [
    (b"", []),
    (b"\r\n", []),
    (b"\r\nbody\r\n", []),
    (b"From: a\r\n\r\nbody", [(b"from", b"a")]),
    (b"From: a\r\n", [(b"from", b"a")]),
    (b"From: a", [(b"from", b"a")]),
    (b"FROM : a\r\nX:\r\n\r\n", [(b"from", b"a"), (b"x", b"")]),
    (b"Subject: one\r\n two\r\n\tthree\r\n\r\n", [(b"subject", b"one two\tthree")]),
    (b"A: 1\r\nno field here\r\nB: 2\r\n\r\n", [(b"a", b"1"), (b"", b""), (b"b", b"2")]),
    (b"A: 1\r\n\r\nB: 2\r\n\r\n", [(b"a", b"1")]),
    (b"From anna Mon Jan  1 00:00:00 2024\r\nA: 1\r\n\r\n", [(b"a", b"1")]),
    (b">From anna Mon Jan  1 00:00:00 2024\r\nA: 1\r\n\r\n", [(b"a", b"1")]),
    (b"From : a\r\n\r\n", [(b"from", b"a")]),
    (b"From  \t: a\r\n\r\n", [(b"from", b"a")]),
    (b"Subject: \xff\xfe\r\n\r\n", [(b"subject", b"\xff\xfe")]),
    (b"just text\r\nmore\r\n", []),
    (b" folded from nothing\r\nA: 1\r\n\r\n", []),
]


@pytest.mark.parametrize(("raw", "wanted"), FIELDS)
def test_fields(raw: bytes, wanted: list[tuple[bytes, bytes]]) -> None:
    assert [(each.name, each.value) for each in read(raw, LIMITS).fields] == wanted


def test_a_body_without_header_gets_its_empty_line() -> None:
    assert read(b"just text\r\nA: 1\r\n", LIMITS).octets == b"\r\njust text\r\nA: 1\r\n"


def line(octets: int) -> bytes:
    return b"x" * octets + b"\r\n"


REFUSED = [
    (b"\r\n" + b"abcdefgh\r\n" * 400, TooBig),
    (b"A: b\0c\r\n\r\n", HasNul),
    (b"A: b\r\n\r\nc\nd\r\n", BadMessage),
    (b"A: b\r\n\r\nc\rd\r\n", BadMessage),
    (b"A: b\n\r\nc\r\n", BadMessage),
    (b"A: b\r\n\r\nc\r", BadMessage),
    (b"A: b\r\r\n\r\n", BadMessage),
    (b"\r\n" + line(301), BadMessage),
    (b"\r\n" + b"x" * 301, BadMessage),
    (b"\r\n" + line(10) * 30 + line(301) + line(10), BadMessage),
    (b"A: 45678\r\n" * 101 + b"\r\n", TooBig),
    (b"A: 45678\r\n" * 101, TooBig),
    (b"A: 1\r\n" * 41 + b"\r\n", BadHeader),
    (b"A: 1\r\n" + b" x\r\n" * 40 + b"\r\n", BadHeader),
    (b"Received: x\r\n" * 6 + b"\r\n", MailLoop),
]
KEPT = [
    b"\r\n" + line(300),
    b"\r\n" + line(300) * 13,
    b"\r\n" + b"x" * 300,
    b"A: 1\r\n" * 40 + b"\r\n" + b"A: 1\r\n" * 100,
    b"A: 45678\r\n" * 39 + b"A: " + b"x" * 295 + b"\r\n\r\n",
    b"Received: x\r\n" * 5 + b"\r\nReceived: x\r\n",
    b"Subject: \xff\xfe\r\n\r\n",
    b"\r\n" + b"x" * 3998,
]


@pytest.mark.parametrize(("raw", "error"), REFUSED)
def test_refused(raw: bytes, error: type[Refused]) -> None:
    with pytest.raises(error) as caught:
        read(raw, LIMITS)
    assert type(caught.value) is error


@pytest.mark.parametrize("raw", KEPT[:-1])
def test_kept_as_it_is(raw: bytes) -> None:
    assert read(raw, LIMITS).octets == raw


def test_append_keeps_bare_line_ends_and_long_lines() -> None:
    for raw in (b"A: 1\n\nb\rc\n", KEPT[-1], b"Received: x\r\n" * 6 + b"\r\n"):
        check_kept(raw, LIMITS)


@pytest.mark.parametrize(
    ("raw", "error"),
    [(b"x" * 4001, TooBig), (b"A: 1\n\n\0", BadMessage), (b"A: 45678\n" * 112 + b"\n", TooBig), (b"x" * 1001, TooBig)],
)
def test_append_has_limits_too(raw: bytes, error: type[Refused]) -> None:
    with pytest.raises(error):
        check_kept(raw, LIMITS)


@given(st.lists(st.sampled_from([b"A: 1", b" f", b"x", b"", b"From: b", b"\xff", b"Received: c"]), max_size=12))
def test_reading_loses_nothing(lines: list[bytes]) -> None:
    raw = b"".join(each + b"\r\n" for each in lines)
    try:
        octets = read(raw, LIMITS).octets
    except BadMessage:
        return
    assert octets in (raw, b"\r\n" + raw)


@given(
    st.lists(st.sampled_from([b"A: 1", b" f", b"\t: x", b"x y: z", b"B : 2", b": 3", b"\xff: b", b"K:"]), min_size=1)
    .map(lambda lines: b"".join(each + b"\r\n" for each in lines))
)  # fmt: skip
def test_fields_in_one_go_are_those_line_by_line(header: bytes) -> None:
    assert [Field(name.lower(), octets) for octets, name in _LINES.findall(header)] == header_fields(header)


@given(st.binary(max_size=600))
def test_any_octets_are_kept_or_refused(raw: bytes) -> None:
    try:
        octets = read(raw, LIMITS).octets
    except Refused:
        return
    assert octets.replace(b"\r\n", b"").find(b"\n") == -1
    assert octets.endswith(raw[-10:]) or raw.startswith((b"From ", b">From ")) or octets == raw + b"\r\n"


@pytest.mark.parametrize("value", [b"a\r\nb", b"a\nb", b"a\rb", b"a\0b", b"a\r\n"])
def test_no_field_of_ours_has_a_second_one_in_it(value: bytes) -> None:
    with pytest.raises(ValueError, match="line end or NUL"):
        field("X", value)


def test_limits_are_cheap_on_a_large_message() -> None:
    limits = LimitSettings()
    raw = b"A: 1\r\n\r\n" + line(70) * 350_000
    assert read(raw, limits).octets == raw
    with pytest.raises(BadMessage):
        read(b"\r\n" + b"x" * 20_000_000, limits)
