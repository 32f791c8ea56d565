"""Files of tests in the order of their length, the longest first: so the processes of a run end together.

How long each took is in ``weights.txt``, in seconds of some machine; what is not there is taken to be of middle length.
After a larger change: ``make test ARGS='-n 2 --dist loadfile --no-loadscope-reorder' OPOSTD_TEST_WEIGHTS=1`` writes it.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

WEIGHTS = Path(__file__).with_name("weights.txt")
UNKNOWN_S = 20.0
SHORT_S = 2.0  # those need no order among themselves


def longest_first(items: list[pytest.Item]) -> None:
    """Sorts tests by the weight of their file; within a file they stay as they are."""
    weights = {}
    for line in WEIGHTS.read_text().splitlines():
        seconds, _, name = line.partition(" ")
        weights[name] = float(seconds)
    items.sort(key=lambda item: -weights.get(_file(item.nodeid), UNKNOWN_S))


class Recorder:
    """A plugin of the process that collects the reports of all."""

    def __init__(self) -> None:
        self._seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[_file(report.nodeid)] += report.duration  # type: ignore[assignment]

    def pytest_sessionfinish(self) -> None:
        lines = [f"{max(seconds, SHORT_S):.0f} {name}\n" for name, seconds in self._seconds.most_common()]
        WEIGHTS.write_text("".join(sorted(lines, key=lambda line: (-int(line.split()[0]), line))))


def configure(config: pytest.Config) -> None:
    if os.environ.get("OPOSTD_TEST_WEIGHTS") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]
