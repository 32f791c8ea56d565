"""``opostd queue`` and ``opostd sendmail`` as somebody types them, on a store without a server."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from opostd.config import StoreSettings
from opostd.model.ids import SYSTEM_OWNER, PostId, post_id_text
from opostd.store import accounts, boxes, delivery, sync
from opostd.store.run import Store
from tests.cli.conftest import Command
from tests.store.refusing import refused
from tests.store.world import NOW, a_delivery, accept, new_post

RELAY = """
[relay]
via = "smarthost"
smarthost = "127.0.0.1:1"
tls = "off"
"""
Typed = Callable[..., str]


@pytest.fixture
def typed(configuration: Path, opostd: Command) -> Typed:
    """What a command says, with its status checked.  anna is somebody, root leads to anna, and mail may leave."""
    configuration.write_text(configuration.read_text() + RELAY)

    def command(*words: str, text: str = "", status: int = 0) -> str:
        said = opostd(*words, text=text)
        assert said.status == status, (words, said)
        return said.err if status else said.out

    command("user", "add", "anna@opost.example", "--password-stdin", text="a-long-secret\n")
    command("alias", "add", "root@opost.example", "anna@opost.example")
    return command


def test_what_cron_sends_waits_and_is_shown_held_released_dropped(typed: Typed) -> None:
    mail = 'From: "(Cron Daemon)" <root>\nTo: root\nSubject: Cron\n\nout\n.\nnever read\n'
    typed("sendmail", "-FCronDaemon", "-B8BITMIME", "-oem", "-f", "root", "root", "x@else.example", text=mail)
    (row,) = json.loads(typed("queue", "list", "--json"))
    assert (row["to"], row["tries"], row["last_answer"]) == ("x@else.example", 0, "")
    id_ = row["id"]
    (shown,) = json.loads(typed("queue", "show", id_, "--json"))
    assert (shown["subject"], shown["from"], shown["tries"]) == ("Cron", "root@opost.example", 0)
    assert "root@opost.example" in typed("queue", "show", id_)
    assert typed("queue", "hold", id_) == "1 held\n"
    assert " held " in typed("queue", "list")
    assert "nothing under" in typed("queue", "retry", id_, status=66)
    assert typed("queue", "release", "--all") == "1 released\n"
    assert typed("queue", "retry", "--all") == "1 due now\n"
    assert "give -y" in typed("queue", "drop", id_, status=64)
    assert typed("queue", "drop", id_, "-y") == "1 dropped\n"
    assert json.loads(typed("queue", "list", "--json")) == []
    assert "nothing waits" in typed("queue", "show", id_, status=66)
    assert "is no ID" in typed("queue", "show", "12", status=64)
    assert "an ID is needed" in typed("queue", "hold", status=64)


def test_sendmail_takes_recipients_from_the_header(typed: Typed) -> None:
    mail = "To: Anna <anna>,\n x@else.example\nCc: group: y@else.example;\nBcc: z@else.example\nSubject: s\n\n.\nt\n"
    typed("sendmail", "-t", "-i", "-fanna", "-Nsuccess,failure", text=mail)
    rows = json.loads(typed("queue", "list", "--json"))
    assert sorted(row["to"] for row in rows) == ["x@else.example", "y@else.example", "z@else.example"]


def test_an_alias_may_lead_elsewhere(typed: Typed) -> None:
    typed("alias", "add", "both@opost.example", "anna", "X@Else.Example")
    typed("sendmail", "-f", "anna", "both", text="Subject: s\n\nt\n")
    (row,) = json.loads(typed("queue", "list", "--json"))
    assert row["to"] == "X@else.example"
    assert "no spaces" in typed("alias", "add", "odd@opost.example", '"a b"@else.example', status=65)


REFUSED = [
    (("-t",), "Subject: s\n\nt\n", 64, "names no recipient"),
    ((), "s\n", 64, "recipients are needed"),
    (("-bs",), "", 64, "speak SMTP"),
    (("nobody",), "Subject: s\n\nt\n", 66, "nobody@opost.example"),
    (("anna@else..example",), "Subject: s\n\nt\n", 65, "no address"),
    (("-N", "always", "anna"), "Subject: s\n\nt\n", 64, "-N takes"),
    (("anna",), "From: boss@opost.example\nSubject: s\n\nt\n", 77, "not an address of this login"),
]


@pytest.mark.parametrize(("words", "text", "status", "said"), REFUSED)
def test_sendmail_refuses(typed: Typed, words: tuple[str, ...], text: str, status: int, said: str) -> None:
    assert said in typed("sendmail", "-f", "anna", *words, text=text, status=status)
    assert json.loads(typed("queue", "list", "--json")) == []


def test_a_sender_that_is_nobody(typed: Typed) -> None:
    assert "x@opost.example" in typed("sendmail", "-f", "x@opost.example", "anna", text="t\n", status=66)


def test_what_one_box_refuses_is_shown_held_released_dropped(typed: Typed, store_settings: StoreSettings) -> None:
    async def refuse() -> PostId:
        store = Store(store_settings)
        anna = await store.run(accounts.address, "anna@opost.example")
        source = await store.run(accounts.address, "everyone@opost.example")
        assert anna is not None
        assert source is not None
        inbox = await store.run(boxes.box_named, anna.owner, "INBOX")
        post = await accept(store, new_post("Plan"))
        await store.run(delivery.deliver, SYSTEM_OWNER, source.box, [a_delivery(post)], NOW)
        with refused(store_settings, anna.owner, post):
            await sync.bring_up(store, anna.owner, inbox.box, now=NOW)
        await store.close()
        return post

    id_ = post_id_text(asyncio.run(refuse()))
    (listed,) = json.loads(typed("subscription", "list", "anna", "--json"))
    assert (listed["behind"], listed["aside"], listed["state"]) == (0, 1, "ok")
    (row,) = json.loads(typed("queue", "list", "--json"))
    assert (row["id"], row["to"], row["tries"]) == (id_, "anna@opost.example, INBOX", 1)
    assert "refuse" in row["last_answer"]
    (shown,) = json.loads(typed("queue", "show", id_, "--json"))
    assert (shown["subject"], shown["to"], shown["tries"]) == ("Plan", "anna@opost.example, INBOX", 1)
    assert typed("queue", "hold", id_) == "1 held\n"
    assert " held " in typed("queue", "list")
    assert typed("queue", "release", "--all") == "1 released\n"
    assert typed("queue", "retry", id_) == "1 due now\n"
    assert typed("queue", "drop", id_, "-y") == "1 dropped\n"
    assert json.loads(typed("queue", "list", "--json")) == []
