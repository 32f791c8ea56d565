"""Members of groups who are elsewhere, from the command line."""

import json
from pathlib import Path

from tests.cli.conftest import Command

X = "who@elsewhere.example"


def test_members_elsewhere_come_and_go(opostd: Command, configuration: Path) -> None:
    for name in ("anna", "bob"):
        assert opostd("user", "add", name, "--generate").status == 0
    said = opostd("group", "add", "team", "--members", f"anna,{X}")
    assert (said.status, said.err) == (66, f"opostd: {X} is elsewhere, and no mail leaves: set [relay] via\n")
    with configuration.open("a") as file:
        file.write('[relay]\nvia = "mx"\n')
    said = opostd("group", "add", "team", "--members", f"anna,{X},{X}")
    assert said.out == "team@opost.example   2 members, members may post\n"
    assert (
        opostd("group", "join", "team", "Other@Elsewhere.example").out
        == "Other@elsewhere.example   joined team@opost.example\n"
    )
    assert opostd("group", "join", "team", "who@").status == 65
    members = json.loads(opostd("group", "members", "team", "--json").out)
    assert members == [
        {"address": "anna@opost.example", "role": "reader"},
        {"address": "Other@elsewhere.example", "role": "outside"},
        {"address": X, "role": "outside"},
    ]
    assert opostd("group", "bounces", "team", "bob").out == "team@opost.example   bounces go to bob@opost.example\n"
    assert opostd("group", "bounces", "team", "owners").out == "team@opost.example   bounces go to its owners\n"
    assert opostd("group", "resume", "team", X).out == f"{X}   gets mail of team@opost.example\n"
    assert opostd("group", "resume", "team", "nobody@elsewhere.example").status == 66
    assert opostd("group", "leave", "team", X.upper()).status == 0
    assert opostd("group", "leave", "team", X).status == 66
    said = opostd("send", "--from", "anna", "--to", "team", "--subject", "s", text="Hi\n")
    assert said.out.rstrip().endswith("1 boxes, 1 remote")
    (waiting,) = json.loads(opostd("queue", "list", "--json").out)
    assert waiting["to"] == "Other@elsewhere.example"
