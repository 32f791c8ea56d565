"""The list of RFC examples (tests/transcripts/rfc_examples.toml) and the tests that play them, held together.

Neither says what the other does not: an example without a verdict, a verdict without a test, and a test that plays an
example nobody has listed are failures.
"""

import re
import tomllib
from pathlib import Path

import pytest

from opostd.imap.extensions import EXTENSIONS

TESTS = Path(__file__).parent.parent
LIST = TESTS / "transcripts" / "rfc_examples.toml"
EXAMPLES: dict[str, dict[str, str]] = tomllib.loads(LIST.read_text(encoding="utf-8"))
MARK = re.compile(r"# (RFC \d+) (\S+ \(\d+\))(?:[:,].*)?")
EXAMPLE = re.compile(r"(\S+) \((\d+)\)")
NO = "no: "
SHORTEST_REASON = 12  # letters: one that says something


def played() -> dict[tuple[str, str], str]:
    """Where each example is played that a test names: each in one place."""
    found: dict[tuple[str, str], str] = {}
    for path in (*TESTS.glob("transcripts/*/*.txt"), *TESTS.glob("*/test_*.py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if mark := MARK.fullmatch(line):
                assert (mark[1], mark[2]) not in found, line
                found[mark[1], mark[2]] = str(path.relative_to(TESTS))
    return found


def test_every_example_has_its_test_or_a_reason_and_every_test_is_listed() -> None:
    listed = {
        (rfc, example): verdict
        for rfc, examples in EXAMPLES.items()
        for example, verdict in examples.items()
        if not verdict.startswith(NO)
    }
    assert listed == played()


def test_a_reason_says_something() -> None:
    for examples in EXAMPLES.values():
        for verdict in examples.values():
            assert verdict.startswith(NO) is not ("/" in verdict and " " not in verdict), verdict
            assert not verdict.startswith(NO) or len(verdict) >= len(NO) + SHORTEST_REASON, verdict


@pytest.mark.parametrize("rfc", EXAMPLES)
def test_no_example_is_left_out_between_two_others(rfc: str) -> None:
    """Numbers count from 1 in each section, or, as in RFC 7162, through them."""
    sections: dict[str, set[int]] = {}
    for name in EXAMPLES[rfc]:
        example = EXAMPLE.fullmatch(name)
        assert example, name
        sections.setdefault(example[1], set()).add(int(example[2]))
    through = set().union(*sections.values())
    for section, numbers in sections.items():
        for number in numbers:
            assert number == 1 or number - 1 in numbers or number - 1 in through - numbers, f"{section} ({number})"


def test_every_rfc_that_is_announced_has_been_gone_through() -> None:
    announced = {rfc for each in EXTENSIONS for rfc in re.findall(r"RFC \d+", each.rfc)}
    assert announced - set(EXAMPLES) == set()
