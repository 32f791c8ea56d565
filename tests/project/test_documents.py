"""What the documents show is there: each ``opostd`` command with its options and arguments, and each setting."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from opostd.cli.tree import root as program

TOP = Path(__file__).parents[2]
FILES = (TOP / "README.md", TOP / "CONTRIBUTING.md", *sorted((TOP / "docs").glob("*.md")))
_SHOWN = re.compile(r"^\$ (?:.*\| )?(?:\S*/)?opostd (.*(?:\\\n.*)*)", re.MULTILINE)
ID = "0193f6a27c1e7d05a8d1c06d5a3b9e42"


def shown(path: Path) -> list[str]:
    return [found.replace("\\\n", " ") for found in _SHOWN.findall(path.read_text())]


COMMANDS = [(path.name, line) for path in FILES for line in shown(path)]


@pytest.mark.parametrize(
    ("name", "line"), COMMANDS, ids=[f"{name}:{number}" for number, (name, _) in enumerate(COMMANDS)]
)
def test_a_command_that_is_shown(name: str, line: str) -> None:
    words = [ID if word == "ID" else word.strip("[]") for word in shlex.split(line.partition(" > ")[0], comments=True)]
    context = program.make_context("opostd", words)
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        found, under, rest = context.command.resolve_command(context, rest)
        assert under is not None, found
        context = under.make_context(found, rest, parent=context)


NAMED = sorted({words for path in FILES for words in re.findall(r"`opostd ([a-z][^`]*)`", path.read_text())})


@pytest.mark.parametrize("words", NAMED)
def test_a_command_that_is_named(words: str) -> None:
    """By its name alone: what it would be about need not be said."""
    context, rest = program.make_context("opostd", []), re.findall(r"[\w-]+", words)
    while isinstance(context.command, click.Group) and rest and rest[0].islower():
        found, under, rest = context.command.resolve_command(context, rest)
        assert under is not None, found
        context = click.Context(under, parent=context, info_name=found)


SETTINGS = [
    (path.name, block)
    for path in FILES
    for block in re.findall(r"^```toml\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize(("name", "block"), SETTINGS, ids=[name for name, _ in SETTINGS])
def test_settings_that_are_shown(name: str, block: str) -> None:
    known = tomllib.loads((TOP / "config" / "opostd.toml").read_text())
    for key, value in tomllib.loads(block).items():
        assert key in known
        if isinstance(value, dict):
            assert value.keys() <= known[key].keys()


def test_there_are_some() -> None:
    assert len(COMMANDS) > 40
    assert len(SETTINGS) > 3
    assert {name for name, _ in COMMANDS} >= {"README.md", "broadcast.md", "sharing.md"}
