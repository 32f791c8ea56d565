"""Users, groups, aliases, sending: the commands that others script against, on both databases."""

import asyncio
import json
import re

import pytest

from opostd.config import StoreSettings
from opostd.store import accounts, boxes, changes, posts, sync
from opostd.store.run import Store
from tests.cli.conftest import DOMAIN, Command

NOW = 1_700_000_000


def inbox(settings: StoreSettings, name: str) -> list[bytes]:
    """The messages of somebody's INBOX, in the order of their UIDs."""

    async def look() -> list[bytes]:
        store = Store(settings)
        try:
            found = await store.run(accounts.address, f"{name}@{DOMAIN}")
            assert found is not None
            box = await store.run(boxes.box_named, found.owner, "INBOX")
            await sync.bring_up(store, box.owner, box.box, now=NOW)
            listing = await store.run(changes.listing, box.owner, box.box)
            return [await store.run(posts.raw, row.post) for row in listing.rows]
        finally:
            await store.close()

    return asyncio.run(look())


def subjects(settings: StoreSettings, name: str) -> list[str]:
    return [re.search(rb"(?m)^Subject: (.*?)\r$", raw)[1].decode() for raw in inbox(settings, name)]  # type: ignore[index]


def add(opostd: Command, *names: str) -> None:
    for name in names:
        said = opostd("user", "add", f"{name}@{DOMAIN}", "--password-stdin", text="secret\n")
        assert said.status == 0, said


def send(opostd: Command, sender: str, to: str, subject: str) -> int:
    return opostd("send", "--from", sender, "--to", to, "--subject", subject, text="Hello **you**\n").status


def test_a_user_from_the_first_to_the_last_day(opostd: Command) -> None:
    assert opostd("migrate", "up").status == 0
    said = opostd("user", "add", "anna", "--generate", "--name", "Anna")
    assert re.fullmatch(
        rf"anna@{DOMAIN}   password (\w{{4}}-){{2}}\w{{4}}   subscribed to everyone \(from now\)\n", said.out
    )
    assert opostd("user", "add", "ANNA", "--generate").status == 73
    assert opostd("user", "list").out.splitlines()[1].split() == [f"anna@{DOMAIN}", "Anna", "0", "0", "active"]
    assert opostd("user", "disable", "anna").out == f"anna@{DOMAIN}   disabled\n"
    assert json.loads(opostd("user", "list", "--json").out)[0]["state"] == "disabled"
    assert opostd("user", "enable", "anna").out == f"anna@{DOMAIN}   active\n"
    assert opostd("user", "password", "anna", "--password-stdin", text="other\n").status == 0
    assert opostd("user", "language", "anna").out == f"anna@{DOMAIN}   not known\n"
    assert opostd("user", "language", "anna", "de-AT").out == f"anna@{DOMAIN}   de-AT\n"
    assert opostd("user", "language", "anna", "none").out == f"anna@{DOMAIN}   not known\n"
    assert "give -y" in opostd("user", "delete", "anna").err
    assert opostd("user", "delete", "anna", "-y").out == f"anna@{DOMAIN}   deleted with 0 messages\n"
    assert opostd("user", "delete", "anna", "-y").status == 66
    assert opostd("user", "list", "--json").out == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "text", "status", "word"),
    [
        (("user", "add", "anna", "--password-stdin"), "\n", 65, "password"),
        (("user", "add", "anna", "--password-stdin"), "a\x01b\n", 65, "control"),
        (("user", "add", "a b", "--generate"), "", 65, "a b"),
        (("user", "add", "anna@elsewhere.example", "--generate"), "", 65, "elsewhere.example"),
        (("user", "add", "anna"), "", 64, "--password-stdin"),
        (("user", "add", "anna", "--password-stdin", "--generate"), "x\n", 64, "exclude"),
        (("user", "disable", "nobody"), "", 66, "nobody"),
        (("user", "language", "nobody", "de"), "", 66, "nobody"),
        (("user", "language", "anna", "tlh"), "", 64, "tlh"),
        (("group", "add", "team", "--members", "nobody"), "", 66, "nobody"),
        (("group", "join", "nothing", "nobody"), "", 66, "nothing"),
        (("group", "add", "team", "--post", "whoever"), "", 64, "members"),
        (("alias", "add", "sales", "nobody"), "", 66, "nobody"),
        (("send", "--from", "nobody", "--to", "nobody"), "x", 66, "nobody"),
        (("send", "--to", "nobody"), "x", 64, "--from"),
        (("usr", "add"), "", 64, "did you mean user"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_status(
    opostd: Command, arguments: tuple[str, ...], text: str, status: int, word: str
) -> None:
    said = opostd(*arguments, text=text)
    assert said.status == status, said
    assert word in said.err
    assert "Traceback" not in said.err


def test_joined_since(opostd: Command, store_settings: StoreSettings) -> None:
    """post 1, join, post 2, leave, post 3, rejoin, post 4: the member has 2 and 4 (issue 2)."""
    add(opostd, "anna", "bob", "cara")
    assert opostd("group", "add", "team", "--members", "anna,bob", "--post", "members").status == 0
    assert send(opostd, "anna", "team", "post 1") == 0
    assert opostd("group", "join", "team", "cara").out == f"cara@{DOMAIN}   joined team@{DOMAIN}\n"
    assert send(opostd, "anna", "team", "post 2") == 0
    assert opostd("group", "leave", "team", "cara").out == f"cara@{DOMAIN}   left team@{DOMAIN}\n"
    assert send(opostd, "anna", "team", "post 3") == 0
    assert opostd("group", "join", "team", "cara").status == 0
    assert send(opostd, "anna", "team", "post 4") == 0
    assert subjects(store_settings, "cara") == ["post 2", "post 4"]
    assert subjects(store_settings, "bob") == ["post 1", "post 2", "post 3", "post 4"]


def test_who_may_post_to_a_group(opostd: Command, store_settings: StoreSettings) -> None:
    add(opostd, "anna", "bob")
    opostd("group", "add", "team", "--members", "anna", "--post", "members")
    assert send(opostd, "bob", "team", "no") == 77
    assert opostd("group", "policy", "team", "local").out == f"team@{DOMAIN}   local may post\n"
    assert send(opostd, "bob", "team", "yes") == 0
    assert send(opostd, "bob", "everyone", "no") == 77
    assert subjects(store_settings, "anna") == ["yes"]
    listed = json.loads(opostd("group", "list", "--json").out)
    assert [(each["address"], each["members"], each["posts"]) for each in listed] == [
        (f"everyone@{DOMAIN}", 0, 0),
        (f"team@{DOMAIN}", 1, 1),
    ]
    assert opostd("group", "delete", "team", "-y").status == 0
    assert send(opostd, "bob", "team", "gone") == 66
    assert subjects(store_settings, "anna") == ["yes"]  # what was received stays


def test_roles(opostd: Command) -> None:
    """A role lets its holder post, and goes as it came; wrong words change nothing."""
    add(opostd, "anna", "bob")
    opostd("group", "add", "team", "--members", "anna", "--post", "named")
    assert (send(opostd, "anna", "team", "no"), send(opostd, "bob", "team", "no")) == (77, 77)
    said = opostd("group", "role", "team", "bob", "sender, Moderator")
    assert said.out == f"bob@{DOMAIN}   moderator, sender of team@{DOMAIN}\n"
    assert opostd("group", "role", "team", "anna", "owner").out == f"anna@{DOMAIN}   owner, reader of team@{DOMAIN}\n"
    assert (send(opostd, "anna", "team", "yes"), send(opostd, "bob", "team", "yes")) == (0, 0)
    assert json.loads(opostd("group", "members", "team", "--json").out) == [
        {"address": f"anna@{DOMAIN}", "role": "owner, reader"},
        {"address": f"bob@{DOMAIN}", "role": "moderator, sender"},
    ]
    for arguments, status in (
        (("team", "bob", "reader"), 64), (("team", "bob", ","), 64), (("team", "nobody", "owner"), 66),
        (("nothing", "bob", "owner"), 66), (("team", "bob", "owner,king"), 64),
    ):  # fmt: skip
        assert opostd("group", "role", *arguments).status == status, arguments
    assert opostd("group", "role", "team", "bob", "sender,moderator", "--remove").out.endswith(
        "nothing of team@opost.example\n"
    )
    assert opostd("group", "role", "everyone", "bob", "sender").status == 0
    assert (send(opostd, "bob", "team", "no"), send(opostd, "bob", "everyone", "yes")) == (77, 0)


def test_what_is_sent_is_rendered_and_an_alias_leads_to_each_once(
    opostd: Command, store_settings: StoreSettings
) -> None:
    add(opostd, "anna", "bob")
    assert opostd("alias", "add", "sales", "anna", "bob", "anna").status == 0
    assert send(opostd, "bob", "sales", "offer") == 0
    (raw,) = inbox(store_settings, "anna")
    assert b"multipart/alternative" in raw
    assert b"<strong>you</strong>" in raw
    assert b"Hello **you**" in raw
    assert len(inbox(store_settings, "bob")) == 1
