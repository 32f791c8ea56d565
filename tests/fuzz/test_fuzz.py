"""The fuzzer: a short run finds nothing, and what is planted is found."""

from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS, Target

SECONDS = 2.0


def test_a_short_run() -> None:
    tried, findings = fuzz(SECONDS, seed=1)
    assert findings == []
    assert tried > 100


def test_a_planted_fault_is_found() -> None:
    def refuses(octets: bytes) -> None:
        if b"x[" in octets:
            raise ZeroDivisionError

    def squares(octets: bytes) -> None:
        count = octets.count(b"[")
        for _ in range(min(count * count // 4, 60_000_000)):  # 2 s
            pass

    words = next(target.words for target in TARGETS if target.name == "subject")
    targets = [Target("fault", refuses, [b"a"], words), Target("slow", squares, [b"a"], words)]
    _, findings = fuzz(30.0, seed=1, targets=targets)
    assert {finding.target: finding.what.split(":")[0].endswith(" s") for finding in findings} == {
        "fault": False,
        "slow": True,
    }


def test_the_same_seed_gives_the_same_inputs() -> None:
    seen: list[list[bytes]] = [[], []]
    for inputs in seen:

        def note(octets: bytes, inputs: list[bytes] = inputs) -> None:
            inputs.append(octets)
            if len(inputs) == 50:
                raise StopIteration

        fuzz(10.0, seed=7, targets=[Target("note", note, [b"seed"], [b"a", b"b"])])
    assert seen[0] == seen[1]
    assert len(seen[0]) == 50
