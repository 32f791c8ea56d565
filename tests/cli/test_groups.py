"""What a group decides for itself, and posts that wait for a moderator, on the command line."""

import json
import re

import pytest

from opostd.config import StoreSettings
from tests.cli.conftest import DOMAIN, Command
from tests.cli.test_commands import add, inbox, send, subjects


def made(opostd: Command) -> None:
    assert opostd("migrate", "up").status == 0
    add(opostd, "anna", "bob", "mod")
    assert opostd("group", "add", "team", "--members", "anna", "--post", "local").status == 0
    assert opostd("group", "role", "team", "mod", "moderator").status == 0


def waiting(opostd: Command) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(opostd("group", "held", "list", "team", "--json").out)
    return found


def test_settings(opostd: Command, store_settings: StoreSettings) -> None:
    made(opostd)
    for key, value, said in (
        ("moderation", "NON-MEMBERS", "non-members"), ("archived-at", "https://x.example/{id}", "https://x.example/{id}"),
        ("archive", "https://x.example/team", "https://x.example/team"), ("expiry", "3", "3"), ("post", "named", "named"),
        ("title", "The team", "The team"), ("post", "anyone", "anyone"), ("brake", "20", "20"), ("sender-posts", "off", "off"),
        ("group-posts", "default", "default"),
    ):  # fmt: skip
        assert opostd("group", "set", "team", key, value).out == f"team@{DOMAIN}   {key} {said}\n"
    shown = {each["key"]: each["value"] for each in json.loads(opostd("group", "show", "team", "--json").out)}
    assert shown == {
        "address": f"team@{DOMAIN}", "title": "The team", "post": "anyone", "moderation": "non-members", "join": "closed", "expiry": "3",
        "brake": "20", "sender-posts": "off", "group-posts": "default", "recall": "any",
        "archive": "https://x.example/team", "archived-at": "https://x.example/{id}",
    }  # fmt: skip
    assert send(opostd, "anna", "team", "x") == 0
    header = inbox(store_settings, "anna")[0].partition(b"\r\n\r\n")[0]
    assert b"\r\nList-Archive: <https://x.example/team>\r\nArchived-At: <https://x.example/0" in header
    assert opostd("group", "set", "team", "archive", "none").status == 0
    assert re.search(r"archived-at +https", opostd("group", "show", "team").out)
    assert opostd("group", "reopen", "team").out == f"team@{DOMAIN}   0 reopened\n"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("moderation", "some"), ("archive", "ftp://x"), ("archive", "https://x/ y"), ("archive", "https://x/>\r\nX: y"),
        ("archived-at", "https://x.example/"), ("expiry", "-1"), ("expiry", "\u0661"), ("colour", "red"), ("brake", "0"), ("brake", "-1"), ("title", "a\nb"),
    ],
)  # fmt: skip
def test_bad_settings(opostd: Command, key: str, value: str) -> None:
    assert opostd("group", "set", "team", key, value).status == 64


def test_petitions(opostd: Command, store_settings: StoreSettings) -> None:
    made(opostd)
    assert opostd("group", "set", "team", "join", "approval").out == f"team@{DOMAIN}   join approval\n"
    for name in ("bob", "mod"):
        assert send(opostd, name, "team-join", "x") == 0
    listed = json.loads(opostd("group", "petitions", "list", "team", "--json").out)
    assert [each["address"] for each in listed] == [f"bob@{DOMAIN}", f"mod@{DOMAIN}"]
    assert opostd("group", "petitions", "accept", "team", "bob", "--as", "anna").status == 77
    assert (
        opostd("group", "petitions", "accept", "team", "bob", "--as", "mod").out
        == f"bob@{DOMAIN}   joined team@{DOMAIN}\n"
    )
    said = opostd("group", "petitions", "discard", "team", f"MOD@{DOMAIN}")
    assert said.out == f"mod@{DOMAIN}   does not join team@{DOMAIN}\n"
    assert opostd("group", "petitions", "accept", "team", "mod").status == 77
    assert opostd("group", "petitions", "list", "nothing").status == 66
    assert json.loads(opostd("group", "petitions", "list", "team", "--json").out) == []
    assert send(opostd, "anna", "team", "hello") == 0
    assert subjects(store_settings, "bob")[-1] == "hello"
    assert opostd("group", "set", "team", "join", "closed").status == 0
    assert send(opostd, "bob", "team-leave", "x") == 77


def test_held(opostd: Command, store_settings: StoreSettings) -> None:
    made(opostd)
    assert opostd("group", "set", "team", "moderation", "non-members").status == 0
    for subject in ("one", "two", "three"):
        said = opostd("send", "--from", "bob", "--to", "team", "--subject", subject, text="x\n")
        assert said.out.endswith(": 0 boxes, 0 remote, 1 waiting for a moderator\n")
    assert [each.partition("Held for")[2] for each in subjects(store_settings, "mod")] == [
        f" team@{DOMAIN}: {subject}" for subject in ("one", "two", "three")
    ]
    one, two, three = waiting(opostd)
    assert (one["sender"], one["login"], one["subject"]) == (f"bob@{DOMAIN}", True, "one")
    shown = json.loads(opostd("group", "held", "show", str(one["id"]), "--json").out)
    assert [(each["group"], each["subject"], each["preview"]) for each in shown] == [(f"team@{DOMAIN}", "one", "x")]
    said = opostd("group", "held", "accept", str(one["id"]), str(two["id"]), "--as", "mod")
    assert said.out == f"{one['id']}   accepted for team@{DOMAIN}\n{two['id']}   accepted for team@{DOMAIN}\n"
    assert opostd("group", "held", "accept", str(one["id"])).status == 66
    assert opostd("group", "held", "discard", str(three["id"]), "--as", "bob").status == 77
    assert json.loads(opostd("group", "held", "discard", str(three["id"]), "--json").out) == [
        {"id": three["id"], "group": f"team@{DOMAIN}", "state": "discarded"}
    ]
    assert waiting(opostd) == []
    assert subjects(store_settings, "anna") == ["one", "two"]
    assert subjects(store_settings, "bob")[-1] == "Your message could not be delivered"
    for arguments, status in (
        (("show", "0" * 32), 66), (("show", "x"), 66), (("accept",), 64), (("list", "nothing"), 66),
        (("accept", str(one["id"]), "--group", "nothing"), 66),
    ):  # fmt: skip
        assert opostd("group", "held", *arguments).status == status, arguments
