"""Faults to plant into a daemon, to see that they are found: ``python -m tests.imap.stress.faults NAME serve ...``."""

import random
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from opostd import cli
from opostd.imap import news
from opostd.imap.commands import select, table
from opostd.imap.values.responses import FlagsChanged, State


def expunge_in_fetch() -> None:
    """EXPUNGE is shown while a FETCH by number runs."""
    table.TABLE[b"FETCH"] = replace(table.TABLE[b"FETCH"], may_expunge=True)


def flags_lost() -> None:
    """One change of flags in ten is not told."""
    _told(lambda each: not isinstance(each, FlagsChanged) or random.random() > 0.1)


def held_back() -> None:
    """Nobody is told how far he really is while VANISHED waits."""
    _told(lambda each: not isinstance(each, State))


def _told(keep: Callable[[object], bool]) -> None:
    whole = vars(news)["catch_up"]

    def some(*args: Any, **kw: Any) -> Any:
        view, told = whole(*args, **kw)
        return view, [each for each in told if keep(each)]

    vars(news)["catch_up"] = some


def vanished_lost() -> None:
    """SELECT (QRESYNC) forgets the last that left."""
    whole = vars(select)["vanished_since"]

    async def some(*args: Any) -> Any:
        return [replace(each, uids=each.uids[:-1]) for each in await whole(*args) if len(each.uids) > 1]

    vars(select)["vanished_since"] = some


FAULTS = {each.__name__.replace("_", "-"): each for each in (expunge_in_fetch, flags_lost, held_back, vanished_lost)}

if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    sys.argv[0] = "opostd"
    cli.main()
