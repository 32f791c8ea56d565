"""The base subject (RFC 5256 2.1)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.mime.subject import base_subject

SUBJECTS = [
    ("", "", False),
    ("   ", "", False),
    ("plan", "plan", False),
    ("  two \t words  ", "two words", False),
    ("Re: plan", "plan", True),
    ("RE:plan", "plan", True),
    ("re : plan", "plan", True),
    ("re[2]: plan", "plan", True),
    ("Re [2] : plan", "plan", True),
    ("Re: re: Fwd: FW: plan", "plan", True),
    ("Fw: plan", "plan", True),
    ("Fwdd: plan", "Fwdd: plan", False),
    ("Reply: plan", "Reply: plan", False),
    ("[list] plan", "plan", False),
    ("[list] Re: plan", "plan", True),
    ("[a] [b]Re: [c] plan", "plan", True),
    ("Re: [list]", "[list]", True),
    ("[list]", "[list]", False),
    ("[a] [b]", "[b]", False),
    ("[a [b] plan", "[a [b] plan", False),
    ("plan (fwd)", "plan", True),
    ("plan (FWD) (fwd) ", "plan", True),
    ("(fwd)", "", True),
    ("plan (fwd) x", "plan (fwd) x", False),
    ("[fwd: plan]", "plan", True),
    ("[Fwd: Re: plan (fwd)]", "plan", True),
    ("[fwd: [fwd: plan]]", "plan", True),
    ("[fwd: [list] plan ] (fwd)", "plan", True),
    ("[fwd: plan", "[fwd: plan", False),
    ("[fwd:]", "", True),
    ("Re: ", "", True),
    ("Re: [fwd: x] y", "y", True),
    ("[fwd: x] y", "y", False),
    ("Re:", "", True),
    ("AW: plan", "AW: plan", False),
]


@pytest.mark.parametrize(("subject", "base", "reply"), SUBJECTS)
def test_base_subject(subject: str, base: str, reply: bool) -> None:
    assert base_subject(subject) == (base, reply)


PIECES = st.lists(
    st.sampled_from(["Re", ":", "[", "]", "fwd", "(fwd)", "[fwd:", " ", "\t", "a", "[x]", "fw"]), max_size=12
)


@given(PIECES)
def test_nothing_is_left_to_take_away(pieces: list[str]) -> None:
    base, _ = base_subject("".join(pieces))
    again, replied = base_subject(base)
    assert again == base
    assert not replied


@pytest.mark.parametrize(
    "piece",
    ["[", "]", "[a]", "[fwd:", "Re:", "re[a]", " ", "(fwd)", "[ ", "re [", "[fwd: [a]"],
)
def test_linear(piece: str) -> None:
    subject = piece * (200_000 // len(piece))
    before = time.process_time()
    base_subject(subject)
    base_subject(subject + "]" * 50_000)
    base_subject("[fwd:" * 40_000 + "x" + "]" * 40_000)
    assert time.process_time() - before < 30  # measured under 1 s
