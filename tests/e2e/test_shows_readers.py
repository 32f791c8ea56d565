"""What no other mail server has (docs/broadcast.md), shown with Python's own clients: ranks 5, 8, 11 to 14.

Where a rank speaks of an API, the command line stands for it.
"""

import asyncio
import email.policy
import smtplib

import pytest

from opostd.model.ids import SYSTEM_OWNER, PostId
from opostd.model.new_ids import new_post_id
from opostd.model.records import PostPolicy
from opostd.store import accounts, delivery
from opostd.store.run import Store
from tests.e2e.conftest import DOMAIN, NOW, Site
from tests.e2e.faults import until
from tests.e2e.mailbox import imap, subjects, submission, text_mail, whole
from tests.e2e.shows import Stage
from tests.store.world import a_delivery

MANY = 6000


@pytest.fixture(scope="module")
def stage(served: Site) -> Stage:
    return Stage(served)


def test_rank_5_how_far_it_has_come(stage: Stage) -> None:
    """By our own rows: nothing is fetched from elsewhere, no receipt is sent.  Of few people only with --exact."""
    names = [f"p{number}" for number in range(4)]
    stage.people(*names)
    stage.group("reach", *names)
    stage.send("p0", "reach", "Read me")
    post = stage.post("reach", "Read me")

    def reach(*options: str) -> dict[str, object]:
        row = stage.json("post", "reach", post, *options)
        return {key: row[key] for key in ("subscribed", "pending", "have_it", "read")}

    assert reach("--exact") == {"subscribed": 4, "pending": 4, "have_it": 0, "read": 0}
    for name in names[:3]:
        with imap(stage.site, name) as client:
            client.select("INBOX")
            if name != "p2":
                client.store("1", "+FLAGS", r"(\Seen)")
    assert reach("--exact") == {"subscribed": 4, "pending": 1, "have_it": 3, "read": 2}
    assert reach()["read"] is None


def test_rank_8_a_closed_megaphone(stage: Stage) -> None:
    """Who has not logged in is refused, so is who may not; a post of a stranger to a group waits for a moderator."""
    stage.people("judge", "guest")
    with smtplib.SMTP("127.0.0.1", stage.site.daemon.ports["smtp"], timeout=30) as client:
        client.ehlo("else.example")
        client.mail("boss@else.example")
        code, said = client.rcpt(f"everyone@{DOMAIN}")
        assert (code, said[:5]) == (550, b"5.7.1")
    with submission(stage.site, "guest") as client:
        client.mail(f"guest@{DOMAIN}")
        code, said = client.rcpt(f"everyone@{DOMAIN}")
        assert (code, said[:5]) == (550, b"5.7.1")
    stage.group("court", "judge", post=PostPolicy.LOCAL)
    stage.opostd("group", "set", "court", "moderation", "non-members")
    stage.send("guest", "court", "May I")
    with imap(stage.site, "judge") as client:
        assert "May I" not in subjects(client)
    (held,) = stage.json("group", "held", "list", "court")
    stage.opostd("group", "held", "accept", held["id"])
    with imap(stage.site, "judge") as client:
        assert subjects(client).count("May I") == 1
        assert whole(client, subjects(client).index("May I") + 1)["List-Post"]
    stage.opostd("group", "set", "court", "post", "named")
    stage.opostd("group", "role", "court", "judge", "owner,sender")
    stage.send("judge", "court", "Verdict")
    with imap(stage.site, "judge") as client:  # announce-only: there is no list to reply to
        assert whole(client, subjects(client).index("Verdict") + 1)["List-Post"] is None


def test_rank_11_an_index_for_all(stage: Stage) -> None:
    """One row of it, whatever the number of readers; who joined later does not find what they cannot see."""
    names = [f"s{number}" for number in range(20)]
    stage.people(*names)
    stage.group("lone", "s0")
    stage.group("full", *names[:-1])
    for group in ("lone", "full"):
        assert until(lambda: not stage.count("search_new"))  # the index is up to date
        before = stage.count("post_search")
        stage.send("s0", group, f"Index {group}", f"pangolin in {group}")
        for name in names[:-1]:
            with imap(stage.site, name) as client:
                client.select("INBOX", readonly=True)
                (found,) = client.search(None, "BODY", "pangolin")[1]
                assert len(found.split()) == (name == "s0") + (group == "full")
        assert until(lambda: not stage.count("search_new"))
        assert stage.count("post_search") == before + 1
    stage.opostd("group", "join", "full", names[-1])
    with imap(stage.site, names[-1]) as client:
        client.select("INBOX", readonly=True)
        assert client.search(None, "TEXT", "pangolin")[1] == [b""]


def test_rank_12_who_comes_back_gets_an_answer_at_once(stage: Stage) -> None:
    """6,000 posts wait: the first SELECT has a part; kill -9 in the middle; in the end each is there, once, in order."""
    stage.people("gone", "here")
    stage.group("flood", "gone")
    ids = asyncio.run(flood(stage, "flood"))
    with imap(stage.site, "gone") as client:
        count = int(client.select("INBOX", readonly=True)[1][0] or 0)
        assert 0 < count < MANY
        stage.site.daemon.kill()
    stage.site.daemon.restart()
    with imap(stage.site, "gone") as client:
        client.select("INBOX", readonly=True)
        client.send(b"i1 IDLE\r\n")
        line = b""
        while not line.startswith(b"* %d EXISTS" % MANY):  # the rest comes by itself
            line = client.readline()
        client.send(b"DONE\r\n")
        while not line.startswith(b"i1 OK"):
            line = client.readline()
        assert client.uid("SEARCH", "ALL")[1] == [b" ".join(b"%d" % uid for uid in range(1, MANY + 1))]
    assert [id_[-32:] for id_ in stage.email_ids("gone")] == [id_.hex() for id_ in ids]
    post = ids[0].hex()
    assert stage.count(f"delivered_post WHERE post_id = x'{post}'") == 2  # idle users cost nothing


async def flood(stage: Stage, group: str) -> list[PostId]:
    store = Store(stage.site.settings)
    found = await store.run(accounts.address, f"{group}@{DOMAIN}")
    assert found is not None
    ids = [new_post_id() for _ in range(MANY)]
    for at in range(0, MANY, 500):
        rows = [a_delivery(id_) for id_ in ids[at : at + 500]]
        await store.run(delivery.deliver, SYSTEM_OWNER, found.box, rows, NOW)
    await store.close()
    return ids


def test_rank_13_markdown_from_any_client(stage: Stage) -> None:
    """Plain text in; its source as text, and clean HTML beside it."""
    stage.people("ink", "page")
    body = "# Plan\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<script>alert(1)</script>\n\n![x](https://spy.example/p.png)\n"
    stage.send("ink", "page", "Markdown", body)
    with imap(stage.site, "page") as client:
        client.select("INBOX")
        message = whole(client, 1)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n").strip() == body.strip()
    shown = html.get_content()
    assert "<h1" in shown
    assert "<table" in shown
    assert "<script" not in shown
    assert "<img" not in shown


def test_rank_14_one_receipt_for_a_group(stage: Stage) -> None:
    names = [f"d{number}" for number in range(30)]
    stage.people("asker", *names)
    stage.group("crowd", *names, "asker")
    with submission(stage.site, "asker") as client:
        client.sendmail(
            f"asker@{DOMAIN}",
            [f"crowd@{DOMAIN}"],
            text_mail("asker", "crowd", "Receipt", "text").as_bytes(policy=email.policy.SMTP),
            mail_options=["RET=HDRS", "ENVID=e1"],
            rcpt_options=["NOTIFY=SUCCESS,FAILURE"],
        )
    with imap(stage.site, "asker") as client:
        client.select("INBOX", readonly=True)
        while client.search(None, "ALL")[1] != [b"1 2"]:  # the message itself, and what tells of it
            client.noop()
        reports = [number for number in range(1, 3) if whole(client, number).get_content_type() == "multipart/report"]
        assert len(reports) == 1
        report = whole(client, reports[0])
        assert f"crowd@{DOMAIN}" in report.as_string()
        assert "d7@" not in report.as_string()
