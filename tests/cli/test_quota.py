"""``opostd user quota``: shown and set, with the server running or not."""

import json

import pytest

from opostd.cli.sizes import DEFAULT, Limit, shown
from tests.cli.conftest import Command


def test_quota(opostd: Command, configuration: object) -> None:
    assert opostd("migrate", "up").status == 0
    assert opostd("user", "add", "anna", "--password-stdin", text="a-long-secret\n").status == 0
    said = opostd("user", "quota", "anna")
    assert said.status == 0
    assert [line.split() for line in said.out.splitlines()][1:] == [
        ["storage", "0", "B", "–", "configuration"],
        ["messages", "0", "–", "configuration"],
        ["mailboxes", "6", "10000", "built", "in"],
    ]
    said = opostd("user", "quota", "anna", "--storage", "1.5GiB", "--messages", "20", "--json")
    assert json.loads(said.out) == [
        {"resource": "storage", "used": 0, "limit": 3 * 2**29, "set_by": "account"},
        {"resource": "messages", "used": 0, "limit": 20, "set_by": "account"},
        {"resource": "mailboxes", "used": 6, "limit": 10000, "set_by": "built in"},
    ]
    assert "1.5 GiB" in opostd("user", "quota", "anna", "--messages", "none", "--recount").out
    shown_ = json.loads(opostd("user", "quota", "anna", "--storage", "default", "--json").out)
    assert [(row["limit"], row["set_by"]) for row in shown_[:2]] == [(None, "configuration"), (None, "account")]
    assert opostd("user", "quota", "nobody").status == 66
    for bad in ("0", "-1", "5 pounds", "", "9" * 16, "0x10"):
        assert opostd("user", "quota", "anna", "--storage", bad).status == 64


@pytest.mark.parametrize(
    ("text", "octets"),
    [("1", 1), ("500MiB", 500 * 2**20), ("5GB", 5 * 10**9), ("5g", 5 * 10**9), ("1.25 KiB", 1280), ("none", 0),
     ("Default", DEFAULT), ("2TiB", 2**41)],
)  # fmt: skip
def test_sizes(text: str, octets: int) -> None:
    assert Limit(octets=True).convert(text, None, None) == octets


def test_shown() -> None:
    assert [shown(each) for each in (0, 1023, 1024, 1536 * 1024, 2**50)] == [
        "0 B", "1023 B", "1.0 KiB", "1.5 MiB", "1024.0 TiB"
    ]  # fmt: skip
