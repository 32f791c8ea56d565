"""What lies in the tree: pins, and no name of a package registry."""

import re
import subprocess
import tomllib
from pathlib import Path

TOP = Path(__file__).parents[2]


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[\[<>=]", each)[0].lower().replace("_", "-") for each in wanted}
    lines = [line for line in (TOP / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._\[\]-]+==[A-Za-z0-9.]+", line) for line in lines)
    assert names <= {line.partition("==")[0].lower().replace("_", "-") for line in lines}


def test_no_registry_is_named() -> None:
    """Where packages come from is the business of whoever installs them."""
    done = subprocess.run(["git", "ls-files"], cwd=TOP, capture_output=True, text=True)
    files = done.stdout.split("\n")[:-1] if done.returncode == 0 else []
    words = re.compile(r"index-url[= ]+http|\bpypi[.]org|python" + "hosted")
    named = [
        file for file in files if (TOP / file).is_file() and words.search((TOP / file).read_text(errors="replace"))
    ]
    assert named == []


def test_no_pattern_repeats_a_group_possessively() -> None:
    """``(...)*+`` matches wrongly in Python before 3.11.5 (python/cpython#106052), and Debian 12 has 3.11.2.

    Of a single class of characters, ``[...]*+``, it is right everywhere.
    """
    repeats = re.compile(r"\)(?:[*+?]|\{[0-9,]+\})\+")
    files = sorted((TOP / "opostd").rglob("*.py"))
    assert files
    named = [
        f"{file.relative_to(TOP)}:{number}"
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if repeats.search(line) and not line.lstrip().startswith("#")
    ]
    assert named == []
