"""``opostd dkim``: keys are made, and shown as the DNS must have them."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command


def test_generate_and_show(opostd: Command, tmp_path: Path) -> None:
    made = opostd("dkim", "generate", "--selector", "s1")
    assert made.status == 0
    lines = made.out.splitlines()
    assert lines[0].startswith('s1r._domainkey.opost.example. IN TXT "v=DKIM1; k=rsa; p=')
    assert lines[1].startswith('s1e._domainkey.opost.example. IN TXT "v=DKIM1; k=ed25519; p=')
    assert str(tmp_path / "dkim" / "s1r._domainkey.opost.example.pem") in made.err
    assert "PRIVATE" not in made.out + made.err
    assert opostd("dkim", "show").out == made.out
    assert opostd("dkim", "show", "opost.example").out == made.out
    rows = json.loads(opostd("dkim", "show", "--json").out)
    assert [row["selector"] for row in rows] == ["s1r", "s1e"]
    assert rows[1]["text"].startswith("v=DKIM1; k=ed25519; p=")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("else.example",), 65, "is not among domains"),
        (("--selector", "../x"), 65, "is no selector"),
        (("--selector", "a.b"), 65, "is no selector"),
        (("--selector", "ü"), 65, "is no selector"),
    ],
)
def test_refused(opostd: Command, tmp_path: Path, words: tuple[str, ...], status: int, said: str) -> None:
    found = opostd("dkim", "generate", *words)
    assert (found.status, said in found.err) == (status, True)
    assert not list(tmp_path.glob("**/*.pem"))


def test_twice(opostd: Command) -> None:
    assert opostd("dkim", "generate").status == 0
    again = opostd("dkim", "generate")
    assert (again.status, "give another --selector" in again.err) == (73, True)


def test_nothing_to_show(opostd: Command) -> None:
    found = opostd("dkim", "show")
    assert (found.status, found.out) == (0, "")
    assert "no keys in" in found.err
