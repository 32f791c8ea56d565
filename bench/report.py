"""What was measured, as a table: printed as it grows, and written to RESULTS.md.

A figure is a median with its range over all runs.  Beside a peer it has a ratio: ours by theirs, of the same run.
"""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import postgres

RESULTS = Path(__file__).parent / "RESULTS.md"
BY_HAND = "<!-- What follows is written by hand, and kept by --write. -->"

PEER = "Dovecot"
OURS = ("SQLite", "PostgreSQL")


@dataclass(frozen=True)
class Target:
    """A limit for a value, or for a ratio to the peer.  below: the value must not be above it; else not below."""

    limit: float
    below: bool = True
    ratio: bool = False
    unit: str = ""

    def __str__(self) -> str:
        return f"{'<=' if self.below else '>='} {self.limit:g}{' ' + self.unit if self.unit else ''}" + (
            " times" if self.ratio else ""
        )

    def met(self, value: float) -> bool:
        return value <= self.limit if self.below else value >= self.limit


@dataclass
class Figure:
    """One row: samples for each server.  The first title it is given is its key."""

    title: str
    unit: str
    target: Target | None = None
    samples: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def median(self, server: str) -> float | None:
        return statistics.median(self.samples[server]) if self.samples.get(server) else None

    def ratio(self, server: str) -> float | None:
        ours, theirs = self.median(server), self.median(PEER)
        return ours / theirs if ours is not None and theirs else None

    def met(self, server: str) -> bool | None:
        """Whether the target holds; None where there is none, or nothing to hold it against."""
        value = self.ratio(server) if self.target and self.target.ratio else self.median(server)
        return None if self.target is None or value is None else self.target.met(value)

    def shown(self, server: str) -> str:
        samples = self.samples.get(server)
        if not samples:
            return self.notes.get(server, "")
        text = _number(statistics.median(samples))
        if len(samples) > 1:
            text += f" ({_number(min(samples))}-{_number(max(samples))})"
        return text + (f" {self.notes[server]}" if server in self.notes else "")

    def shown_ratio(self, server: str) -> str:
        ratio = self.ratio(server)
        mark = {True: "" if ratio is not None else "yes", False: " **missed**", None: ""}[self.met(server)]
        return (("" if ratio is None else f"{ratio:.2f}") + mark).strip()


class Report:
    """All figures, in the order in which they came first."""

    def __init__(self) -> None:
        self.figures: dict[str, Figure] = {}

    def add(
        self,
        server: str,
        title: str,
        unit: str,
        samples: Sequence[float],
        target: Target | None = None,
        note: str = "",
    ) -> None:
        figure = self.figures.setdefault(title, Figure(title, unit, target))
        figure.samples.setdefault(server, []).extend(samples)
        if note:
            figure.notes[server] = note
        low = f"{_number(statistics.median(samples))} {unit} {note}"
        print(f"{server:11} {title:72} {low:34} {target or ''}", flush=True)

    def table(self) -> str:
        servers = [each for each in (PEER, *OURS) if any(each in figure.samples for figure in self.figures.values())]
        head = ["what", "unit"]
        for server in servers:
            head += [server] if server == PEER else [server, f"by {PEER}" if PEER in servers else "kept"]
        lines = [_line([*head, "target"]), _line(["---"] * (len(head) + 1))]
        for figure in self.figures.values():
            cells = [figure.title, figure.unit]
            for server in servers:
                cells.append(figure.shown(server))
                if server != PEER:
                    cells.append(figure.shown_ratio(server))
            lines.append(_line([*cells, str(figure.target or "")]))
        return "\n".join(lines) + "\n"

    def missed(self) -> list[str]:
        """One line for each target that does not hold."""
        found = []
        for figure in self.figures.values():
            for server in OURS:
                if figure.met(server) is False:
                    ratio = figure.ratio(server)
                    beside = f", {ratio:.2f} times {PEER}'s {_number(figure.median(PEER) or 0)}" if ratio else ""
                    found.append(
                        f"{figure.title}, {server}: {_number(figure.median(server) or 0)} {figure.unit}{beside};"
                        f" target {figure.target}"
                    )
        return found


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("*)", "\\*)") for cell in cells) + " |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine() -> str:
    """What this ran on, in one paragraph."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    model = re.search(r"model name\s*:\s*(.+)", info)
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(encoding="utf-8"))
    return (
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}),"
        f" {int(memory[1]) / 2**20 if memory else 0:.0f} GiB, Linux {platform.release()},"
        f" Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {_postgres()},"
        f" Dovecot {_version('dovecot').partition(' ')[0]}; load average before {os.getloadavg()[0]:.1f}"
    )


def _postgres() -> str:
    try:
        return _version(str(postgres.binaries() / "postgres")).replace("postgres (PostgreSQL)", "PostgreSQL")
    except RuntimeError:
        return "PostgreSQL absent"


def _version(program: str) -> str:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return "absent"
    return said.split(" (Debian")[0].strip()


HEAD = f"""# What is measured

`make bench ARGS=--write` measures all tables, with `--only` one of them anew; each says how it was taken, and what it misses.

Client, server and database share the machine; fsync is on.  A value is the median, with the range of all; `by {PEER}` is ours
divided by {PEER}'s of the same run: of times under 1 is faster, of rates over 1.

"""


def write(command: str, where: str, title: str, titles: Sequence[str], report: Report) -> None:
    """One table into RESULTS.md, in its place among all the titles.  The others stay, and what somebody has written."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    tables, _, by_hand = text.partition(BY_HAND)
    sections = {each.partition("\n")[0]: each for each in tables.split("\n## ")[1:]}
    missed = "".join(f"- {line}\n" for line in report.missed())
    sections[title] = (
        f"{title}\n\n`{command}`, {time.strftime('%Y-%m-%d %H:%M')}, {_version_here()}. {where}.\n\n{report.table()}\n"
        + (f"Missed:\n\n{missed}" if missed else "Nothing is missed.\n")
    )
    kept = [sections[each].rstrip("\n") for each in titles if each in sections]
    body = "".join(f"## {each}\n\n" for each in kept)
    RESULTS.write_text(f"{HEAD}{body}{BY_HAND}{by_hand or chr(10)}", encoding="utf-8")


def _version_here() -> str:
    """The commit that is measured; with a plus where files differ from it."""

    def git(*words: str) -> str:
        found = subprocess.run(["git", *words], cwd=RESULTS.parent, capture_output=True, text=True, check=False)
        return found.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/opostd", ":/bench/*.py")
    return f"commit {git('rev-parse', '--short', 'HEAD')}{'+' if changed else ''}"
