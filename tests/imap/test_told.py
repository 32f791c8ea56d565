"""Each response that one connection can cause on another stands in a transcript of both (tests/transcripts/told.toml)."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from opostd.imap.values.responses import Response

FOLDER = Path(__file__).parent.parent / "transcripts"
TABLE: dict[str, Any] = tomllib.loads((FOLDER / "told.toml").read_text(encoding="utf-8"))
TOLD: list[dict[str, Any]] = TABLE["told"]
WAITING = {"", "NOOP", "CHECK", "IDLE", "DONE"}
"""Commands that ask for nothing: what comes with them, or between commands, another has caused."""


@dataclass
class Listener:
    """One connection of a transcript.  news: another has acted since its last answer; command: the one under way."""

    news: bool = False
    command: str = ""


def heard(path: Path, *, answers: bool) -> Iterator[str]:
    """What connections are told after another has acted; answers: also tagged, and with any command."""
    listeners: dict[str, Listener] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        verb, _, rest = line.partition(" ")
        match = re.fullmatch(r"(C|S|ok|as|closed)(\d*):?", verb)
        if not line.strip() or verb == "#" or (match and match[1] in ("as", "closed")):
            continue
        number = (match[2] or "1") if match else ""
        me = listeners.setdefault(number, Listener())
        if match and match[1] == "S":
            tagged = re.match(r"\S+ (OK|NO|BAD)\b", rest) is not None and not rest.startswith("*")
            if me.news and (answers or (me.command in WAITING and not tagged)):
                yield rest
            if tagged:
                me.news, me.command = False, ""
            continue
        if match and match[1] == "C":
            me.command = rest.partition(" ")[2].partition(" ")[0].upper() if " " in rest else rest.upper()
        elif match:  # ok: read to its end
            me.news, me.command = False, ""
        for other, listener in listeners.items():
            listener.news = listener.news or other != number


def test_every_response_is_either_told_or_asked_for() -> None:
    names = {each.__name__ for each in get_args(Response)}
    told = {each["response"] for each in TOLD}
    assert told | set(TABLE["own"]) == names
    assert not told & set(TABLE["own"])


@pytest.mark.parametrize("row", TOLD, ids=lambda row: f"{row['response']} {row['line']}")
def test_told(row: dict[str, Any]) -> None:
    for name in row["in"]:
        path = FOLDER / "imap" / f"{name}.txt"
        assert any(re.fullmatch(row["line"], line) for line in heard(path, answers=row.get("answer", False))), name
        connections = set(re.findall(r"(?m)^(?:C|ok)(\d*)\b", path.read_text(encoding="utf-8")))
        assert len(connections) > 1, name


def test_what_a_connection_asks_for_is_not_news(tmp_path: Path) -> None:
    """The look itself: own changes, answers, and lines before anybody else has acted do not count."""
    path = tmp_path / "x.txt"
    path.write_text(
        "ok2 SELECT INBOX\nC1: a SELECT INBOX\nS1: * 1 EXISTS\nS1: a OK ~\nC1: b NOOP\nS1: b OK ~\n"
        "ok2 STORE 1 FLAGS (x)\nC1: c STORE 1 FLAGS (y)\nS1: * 1 FETCH (FLAGS (y))\nS1: c OK ~\n"
        "ok2 EXPUNGE\nC1: d NOOP\nS1: * 1 EXPUNGE\nS1: d OK ~\n"
    )
    assert list(heard(path, answers=False)) == ["* 1 EXPUNGE"]
