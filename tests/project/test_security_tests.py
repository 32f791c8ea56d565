"""docs/security-tests.md and broadcast-tests.md: every test that they name is there; every extension has a transcript that names its RFC."""

import re
from pathlib import Path

import pytest

from opostd.imap.extensions import EXTENSIONS

ROOT = Path(__file__).parents[2]
# Not by transcript: what needs keys, TLS, tokens or long work has tests of its own.
OTHERWISE = {
    "AUTH=SCRAM-SHA-256-PLUS": "tests/e2e/test_scram.py",
    "AUTH=SCRAM-SHA-256": "tests/imap/test_scram.py",
    "AUTH=OAUTHBEARER": "tests/auth",
    "AUTH=XOAUTH2": "tests/auth",
    "AUTH=LOGIN": "tests/transcripts/imap/authenticate.txt",
    "INPROGRESS": "tests/imap",
}


@pytest.mark.parametrize("name", ["security-tests.md", "broadcast-tests.md"])
def test_every_test_of_the_table_is_there(name: str) -> None:
    named = re.findall(r"`(tests/[^`]+)`", (ROOT / "docs" / name).read_text())
    assert len(named) > 30
    for each in named:
        path, _, function = each.partition("::")
        assert (ROOT / path).is_file(), each
        assert not function or f"def {function}(" in (ROOT / path).read_text(), each


def test_every_extension_has_a_transcript() -> None:
    heads = "\n".join(
        line
        for path in (ROOT / "tests" / "transcripts" / "imap").glob("*.txt")
        for line in path.read_text().splitlines()
        if line.startswith("#")
    )
    for extension in EXTENSIONS:
        if extension.capability in OTHERWISE:
            assert (ROOT / OTHERWISE[extension.capability]).exists()
            continue
        rfcs = re.findall(r"RFC (\d+)", extension.rfc)
        assert any(re.search(rf"RFC {number}\b", heads) for number in rfcs), extension.capability
