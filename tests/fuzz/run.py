"""Inputs by chance: pieces, seeds cut, doubled, swapped and altered.  The same seed gives the same inputs."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.fuzz.targets import TARGETS, Target

MAX_OCTETS = 200_000
BOUND_S = 1.0  # of processor time for one input
BLOWN_UP = 0.01  # of the inputs are one piece many times over: that is what finds time that grows with the square


@dataclass(frozen=True)
class Finding:
    target: str
    octets: bytes
    what: str


def make(chance: random.Random, target: Target) -> bytes:
    """One input."""
    if chance.random() < BLOWN_UP:
        piece = b"".join(chance.choices(target.words, k=chance.randrange(1, 4))) or b"x"
        return (chance.choice(target.words) + piece * chance.randrange(1, 20_000))[:MAX_OCTETS]
    if chance.random() < 0.5:
        return b"".join(chance.choices(target.words, k=chance.randrange(1, 40)))
    octets = bytearray(chance.choice(target.seeds))
    for _ in range(chance.randrange(1, 8)):
        at = chance.randrange(len(octets) + 1)
        end = min(len(octets), at + chance.randrange(1, 200))
        match chance.randrange(6):
            case 0:
                del octets[at:end]
            case 1:
                octets[at:at] = octets[at:end] * chance.randrange(1, 20)
            case 2:
                octets[at:at] = chance.choice(target.words)
            case 3:
                octets[at:end] = chance.randbytes(end - at)
            case 4 if at < len(octets):
                octets[at] = chance.randrange(256)
            case _:
                other = chance.choice(target.seeds)
                octets[at:end] = other[: chance.randrange(len(other) + 1)]
    return bytes(octets[:MAX_OCTETS])


def fuzz(seconds: float, seed: int, targets: Sequence[Target] = TARGETS) -> tuple[int, list[Finding]]:
    """How many inputs were tried in so many seconds of processor time, and what was found: at most one a target."""
    chance = random.Random(seed)
    findings: dict[str, Finding] = {}
    tried = 0
    end = time.process_time() + seconds
    while time.process_time() < end and len(findings) < len(targets):
        for target in targets:
            if target.name in findings:
                continue
            octets = make(chance, target)
            tried += 1
            before = time.process_time()
            try:
                target.run(octets)
            except Exception as error:
                findings[target.name] = Finding(target.name, octets, f"{type(error).__name__}: {error}")
                continue
            if (took := time.process_time() - before) > BOUND_S:
                findings[target.name] = Finding(target.name, octets, f"{took:.1f} s")
    return tried, list(findings.values())
