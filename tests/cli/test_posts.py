"""Posts and subscriptions on the command line: listed, shown, taken back, counted."""

import json
import re
import time

from opostd.config import StoreSettings
from opostd.model.ids import PostId
from opostd.store import reached
from opostd.store.reach import Reach
from opostd.store.run import Store
from tests.cli.conftest import DOMAIN, Command
from tests.cli.test_commands import add, send, subjects


def made(opostd: Command) -> None:
    """anna and bob read team, which has the post `One`."""
    assert opostd("migrate", "up").status == 0
    add(opostd, "anna", "bob")
    assert opostd("group", "add", "team", "--members", "anna,bob").status == 0
    assert send(opostd, "anna", "team", "One") == 0


def the_id(opostd: Command, address: str = "team") -> str:
    return str(json.loads(opostd("post", "list", address, "--json").out)[-1]["id"])


def test_list_and_show(opostd: Command) -> None:
    made(opostd)
    (one,) = json.loads(opostd("post", "list", "bob", "--unread", "--json").out)
    assert (one["uid"], one["subject"], one["seen"], one["id"]) == (1, "One", False, the_id(opostd))
    assert opostd("post", "list", "bob", "--last", "0", "--json").out == "[]\n"
    shown = json.loads(opostd("post", "show", "bob", "1", "--json").out)
    assert (shown["subject"], shown["boxes"][0]["seen"], shown["ways"]) == ("One", False, [f"team@{DOMAIN} #1"])
    assert f"team@{DOMAIN} #1" in opostd("post", "show", "bob", "1").out
    assert opostd("post", "show", "team", "1").status == 0
    assert opostd("post", "show", "bob", "2").status == 66
    assert opostd("post", "list", "nobody").status == 66
    assert opostd("post", "list", "bob", "--box", "None").status == 66


def test_all_ways(opostd: Command) -> None:
    """In two groups and on To: one message, and every way it came."""
    made(opostd)
    assert opostd("group", "add", "crew", "--members", "bob", "--post", "local").status == 0
    assert (
        opostd(
            "send", "--from", "anna", "--to", "bob", "--to", "team", "--to", "crew", "--subject", "Two", text="x\n"
        ).status
        == 0
    )
    listed = {each["subject"]: each["uid"] for each in json.loads(opostd("post", "list", "bob", "--json").out)}
    assert sorted(listed.values()) == [1, 2]
    ways = json.loads(opostd("post", "show", "bob", str(listed["Two"]), "--json").out)["ways"]
    assert sorted(ways) == sorted([f"team@{DOMAIN} #2", f"crew@{DOMAIN} #1", "To"])


def test_reach_over_time_and_by_name(opostd: Command, store_settings: StoreSettings) -> None:
    made(opostd)
    add(opostd, "cara", "dan", "eve")
    for name in ("cara", "dan", "eve"):
        assert opostd("group", "join", "team", name).status == 0
    assert send(opostd, "anna", "team", "Two") == 0
    post = the_id(opostd)
    for name in ("bob", "cara"):
        assert subjects(store_settings, name)[-1] == "Two"
    arrived, by = json.loads(opostd("post", "reach", post, "--over-time", "--json").out)
    assert (arrived["have_it"], arrived["read"]) == (2, None)
    assert re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", by.pop("by"))
    now = {"carried": 2, "pending": 3, "have_it": 2, "read": 0, "deleted": 0, "deleted_unread": 0}
    assert by == now
    counted(store_settings, post, int(time.time()) - 7200, Reach(5, 1, 1, 1, 0, 0, 0))
    _, earlier, by = json.loads(opostd("post", "reach", post, "--over-time", "--json").out)
    assert (earlier["carried"], earlier["pending"], earlier["read"], by["have_it"]) == (1, 4, 1, 2)
    named = json.loads(opostd("post", "reach", post, "--names", "--json").out)
    assert {each["address"].partition("@")[0]: each["state"] for each in named} == {
        "anna": "pending", "bob": "unread", "cara": "unread", "dan": "pending", "eve": "pending",
    }  # fmt: skip
    for login, option, status in (
        ("anna", "--exact", 0), ("anna", "--names", 77), ("bob", "--exact", 77), ("bob", "--names", 77), ("nobody", "--exact", 66),
    ):  # fmt: skip
        assert opostd("post", "reach", post, option, "--as", login).status == status, (login, option)
    assert opostd("group", "role", "team", "bob", "owner").status == 0
    assert opostd("post", "reach", post, "--names", "--as", "bob").status == 0
    assert opostd("post", "reach", post, "--names", "--over-time").status == 64
    assert opostd("post", "reach", the_id_of_one(opostd), "--over-time", "--json").out == "[]\n"  # of few, not unasked


def counted(settings: StoreSettings, post: str, at: int, counts: Reach) -> None:
    """As the running server does it."""
    store = Store(settings)
    store.run_sync(reached.keep, PostId(bytes.fromhex(post)), at, counts)
    store.close_sync()


def the_id_of_one(opostd: Command) -> str:
    return str(json.loads(opostd("post", "list", "team", "--json").out)[0]["id"])


def test_recall_with_ones_own_rights(opostd: Command) -> None:
    made(opostd)
    post = the_id(opostd)
    assert opostd("post", "recall", post, "--as", "bob", "-y").status == 77
    assert opostd("group", "set", "team", "recall", "never").out == f"team@{DOMAIN}   recall never\n"
    assert opostd("post", "recall", post, "--as", "anna", "-y").status == 77
    assert opostd("group", "set", "team", "recall", "any").status == 0
    said = json.loads(opostd("post", "recall", post, "--as", "anna", "-y", "--json").out)
    assert (said["by"], said["policy"], said["had"]) == (f"anna@{DOMAIN}", "all", 0)
    assert opostd("post", "recall", post, "--as", "anna", "-y").status == 66


def test_recall_and_reach(opostd: Command, store_settings: StoreSettings) -> None:
    made(opostd)
    post = the_id(opostd)
    assert subjects(store_settings, "bob") == ["One"]
    reach = json.loads(opostd("post", "reach", post, "--exact", "--json").out)
    assert reach == {
        "id": post, "subscribed": 2, "carried": 1, "pending": 1, "have_it": 1, "read": 0, "flagged": 0, "deleted": 0,
        "deleted_unread": 0, "end": None,
    }  # fmt: skip
    few = opostd("post", "reach", post, "--json")
    assert json.loads(few.out)["read"] is None
    assert "--exact" in opostd("post", "reach", post).err
    assert opostd("post", "recall", post).status == 64
    said = opostd("post", "recall", post, "-y")
    assert said.out == f"{post}   recalled from 1 box; 1 box had it, 0 read, 0 keep it\n"
    assert subjects(store_settings, "bob") == subjects(store_settings, "anna") == []
    assert opostd("post", "list", "team", "--json").out == "[]\n"
    again = json.loads(opostd("post", "recall", post, "-y", "--unread-only", "--json").out)
    assert again == {"id": post, "policy": "all", "by": "", "had": 1, "read": 0, "removed": 1, "kept": 0}
    assert re.match(r"20\d\d-", json.loads(opostd("post", "reach", post, "--json").out)["end"])
    for wrong in ("0" * 32, "no id", ""):
        assert opostd("post", "recall", wrong, "-y").status == 66
    assert opostd("post", "reach", "0" * 32).status == 66


def test_subscriptions(opostd: Command, store_settings: StoreSettings) -> None:
    made(opostd)
    add(opostd, "cara")
    listed = json.loads(opostd("subscription", "list", "bob", "--json").out)
    assert [(each["group"], each["box"], each["since"], each["watermark"], each["behind"]) for each in listed] == [
        (f"everyone@{DOMAIN}", "INBOX", "start", 0, 0),
        (f"team@{DOMAIN}", "INBOX", "start", 0, 1),
    ]
    assert json.loads(opostd("subscription", "lag", "--json").out) == []  # nobody has looked these days
    assert re.fullmatch(
        r"synced 2 subscriptions: 1 post delivered in \d\.\d\d s\n", opostd("subscription", "sync", "bob").out
    )
    assert opostd("subscription", "sync", "--all").out.startswith("synced 5 subscriptions: 1 post delivered")
    said = opostd("subscription", "add", "team", "cara", "--from", "start", "--box", "Lists/team")
    assert said.out == f"cara@{DOMAIN}   reads team@{DOMAIN} in Lists/team; 1 post carried\n"
    assert opostd("subscription", "move", "team", "cara", "INBOX").status == 0
    assert send(opostd, "bob", "team", "Two") == 0
    assert subjects(store_settings, "cara") == ["Two"]
    assert opostd("subscription", "add", "team", "cara", "--from", "2020-01-01").out.endswith("; 0 posts carried\n")
    assert opostd("subscription", "remove", "team", "cara").status == 0
    assert opostd("subscription", "remove", "team", "cara").status == 66
    assert f"cara@{DOMAIN}" not in opostd("group", "members", "team").out
    for wrong in ("yesterday", "#0", "#x"):
        assert opostd("subscription", "add", "team", "cara", "--from", wrong).status == 64
    assert opostd("subscription", "sync").status == opostd("subscription", "sync", "bob", "--all").status == 64


def test_boxes(opostd: Command) -> None:
    made(opostd)
    sources = json.loads(opostd("box", "list", "--json").out)
    assert [(each["box"], each["kind"], each["posts"], each["subscribers"]) for each in sources] == [
        (f"everyone@{DOMAIN}", "broadcast", 0, 2),
        (f"team@{DOMAIN}", "group", 1, 2),
    ]
    mine = {each["box"]: each for each in json.loads(opostd("box", "list", "bob", "--json").out)}
    assert (mine["INBOX"]["posts"], mine["INBOX"]["unread"], mine["Sent"]["kind"]) == (1, 1, "sent")
    assert len(json.loads(opostd("box", "list", "--all", "--json").out)) == 4
    assert opostd("box", "list", "bob", "--all").status == 64


def test_groups_in_groups_and_newcomers(opostd: Command, store_settings: StoreSettings) -> None:
    made(opostd)
    add(opostd, "root", "cara")
    assert opostd("group", "add", "company", "--members", "root").status == 0
    assert opostd("group", "join", "company", "team").out == f"team@{DOMAIN}   joined company@{DOMAIN}\n"
    said = opostd("group", "join", "team", "company")
    assert (said.status, said.err) == (
        65, f"opostd: that would be a circle: team@{DOMAIN} > company@{DOMAIN} > team@{DOMAIN}\n"
    )  # fmt: skip
    assert json.loads(opostd("group", "members", "company", "--json").out)[1] == {
        "address": f"team@{DOMAIN}", "role": "group"
    }  # fmt: skip
    assert send(opostd, "root", "company", "For all") == 0
    assert send(opostd, "root", "team", "No") == 77
    assert subjects(store_settings, "root") == ["For all"]
    assert subjects(store_settings, "bob") == ["One", "For all"]
    raw = opostd("post", "show", "bob", "2", "--raw").out
    assert f"List-Id: <company.{DOMAIN}>" in raw
    assert opostd("group", "leave", "company", "team").status == 0
    assert opostd("group", "leave", "company", "team").status == 66
    assert opostd("post", "pin", "team", "1").status == 0
    assert "pinned" in opostd("post", "list", "team").out
    assert opostd("post", "pin", "team", "9").status == 66
    assert opostd("group", "join", "team", "cara").status == 0
    assert subjects(store_settings, "cara") == ["One"]
    assert opostd("post", "unpin", "team", "1").status == 0
    assert opostd("group", "history", "team", "all").status == 0
    assert opostd("group", "history", "team", "2026-13-01").status == 64
    assert opostd("group", "join", "team", "root").status == 0
    assert sorted(subjects(store_settings, "root")) == ["For all", "One"]


def test_expiry(opostd: Command, store_settings: StoreSettings) -> None:
    made(opostd)
    assert opostd("group", "expiry", "team", "30").out == f"team@{DOMAIN}   posts end after 30 days\n"
    assert send(opostd, "anna", "team", "Two") == 0
    assert subjects(store_settings, "bob") == ["One", "Two"]
    assert "Expires: " not in opostd("post", "show", "bob", "1", "--raw").out
    assert re.search(r"^Expires: \w{3}, .* -0000\r?$", opostd("post", "show", "bob", "2", "--raw").out, re.MULTILINE)
    two = the_id(opostd)
    assert json.loads(opostd("post", "reach", two, "--json").out)["end"] is not None
    assert opostd("post", "expire", two, "never").out == f"{two}   stays\n"
    assert json.loads(opostd("post", "reach", two, "--json").out)["end"] is None
    assert opostd("post", "expire", two, "2099-12-24").out == f"{two}   ends 2099-12-24\n"
    assert opostd("post", "expire", two, "soon").status == 64
    assert opostd("post", "expire", "0" * 32, "never").status == 66
    assert opostd("group", "expiry", "team", "0").out == f"team@{DOMAIN}   posts stay\n"


def test_never_into_somebody_elses_box(opostd: Command, store_settings: StoreSettings) -> None:
    """A subscription's box is its reader's own: a name below Shared is none, whatever others share."""
    made(opostd)
    for box in ("Shared/bob/INBOX", "Shared", "Shared/x"):
        said = opostd("subscription", "add", "team", "anna", "--box", box)
        assert (said.status, said.out) == (65, ""), said
        assert opostd("subscription", "move", "team", "anna", box).status == 65
    listed = json.loads(opostd("subscription", "list", "anna", "--json").out)
    assert {each["box"] for each in listed} == {"INBOX"}
    assert subjects(store_settings, "bob") == ["One"]
