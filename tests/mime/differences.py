"""corpus/DIFFERENCES: where Dovecot answers otherwise than we do, and why (corpus/README)."""

from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
DIFFERENCES = CORPUS / "DIFFERENCES"


def read_known() -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """The reasons, and the reason of each difference that no rule has."""
    reasons: dict[str, str] = {}
    listed: dict[tuple[str, str], str] = {}
    for line in DIFFERENCES.read_text().splitlines():
        if line.startswith("# "):
            reason, _, sentence = line[2:].partition(": ")
            reasons[reason] = sentence
        elif line:
            name, reason, items = line.split(" ", 2)
            listed |= {(name, item): reason for item in items.split(" | ")}
    return reasons, listed


def write_known(reasons: dict[str, str], listed: dict[tuple[str, str], str]) -> None:
    by_reason: dict[tuple[str, str], list[str]] = {}
    for (name, item), reason in listed.items():
        by_reason.setdefault((name, reason), []).append(item)
    head = [f"# {reason}: {sentence}\n" for reason, sentence in reasons.items()]
    lines = [f"{name} {reason} {' | '.join(items)}\n" for (name, reason), items in sorted(by_reason.items())]
    DIFFERENCES.write_text("".join([*head, "\n", *lines]))
