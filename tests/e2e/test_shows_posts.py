"""What no other mail server has (docs/broadcast.md), shown with Python's own clients: ranks 1 to 4, 6, 7, 9, 10, 15."""

import datetime

import pytest

from opostd.model.records import PostPolicy
from tests.e2e.conftest import DOMAIN, Site
from tests.e2e.mailbox import imap, subjects, submission, text_mail, uids, whole
from tests.e2e.shows import Stage
from tests.e2e.test_recall import wait_for


@pytest.fixture(scope="module")
def stage(served: Site) -> Stage:
    return Stage(served)


def test_rank_1_a_broadcast_is_one_write(stage: Stage) -> None:
    """The same for 4 people and for 300; two who have never looked have it, unread."""
    stage.send("root", "everyone", "To a few")
    assert stage.count("post") == stage.count("delivered_post") == stage.count("post_body") == 1
    stage.people(*(f"crowd{number}" for number in range(300)))
    stage.send("root", "everyone", "To many")
    assert stage.count("post") == stage.count("delivered_post") == 2
    for name in ("crowd7", "crowd299"):
        with imap(stage.site, name) as client:
            assert subjects(client) == ["To many"]
            assert client.search(None, "UNSEEN")[1] == [b"1"]


def test_rank_2_the_copy_is_one_and_the_row_is_ones_own(stage: Stage) -> None:
    stage.people("ada", "ben", "cyd")
    stage.group("trio", "ada", "ben", "cyd")
    stage.send("ada", "trio", "One copy")
    post = stage.post("trio", "One copy")
    with imap(stage.site, "ada") as ada, imap(stage.site, "cyd") as cyd:
        ada.select("INBOX")
        ada.store("1", "+FLAGS", r"(\Flagged \Seen)")
        cyd.create("Kept")
        cyd.select("INBOX")
        assert cyd.uid("MOVE", "1", "Kept")[0] == "OK"
        assert "\\Flagged" in stage.fetched("ada", "FLAGS")[0]
        assert "FLAGS ()" in stage.fetched("ben", "FLAGS")[0]
        assert (subjects(cyd), subjects(cyd, "Kept")) == ([], ["One copy"])
        ada.store("1", "+FLAGS", r"(\Deleted)")
        ada.expunge()
    assert stage.fetched("ada", "FLAGS") == []
    assert len(stage.fetched("ben", "FLAGS")) == 1
    assert stage.count(f"post_body WHERE id = x'{post}'") == 1
    assert stage.count(f"delivered_post WHERE post_id = x'{post}'") == 3  # the group, ben, cyd


def test_rank_3_a_group_begins_when_one_joins(stage: Stage) -> None:
    """One, join, two, leave, three, rejoin, four: two and four, in the list and in every search."""
    stage.people("old", "new")
    stage.group("club", "old")
    for subject, verb in (("One", "join"), ("Two", "leave"), ("Three", "join"), ("Four", None)):
        stage.send("old", "club", subject, f"walrus {subject}")
        if verb:
            stage.opostd("group", verb, "club", "new")
    with imap(stage.site, "new") as client:
        assert subjects(client) == ["Two", "Four"]
        assert uids(client) == [1, 2]
        assert client.search(None, "BODY", "walrus")[1] == [b"1 2"]
        assert client.search(None, "TEXT", '"walrus Three"')[1] == [b""]
    assert [each["subject"] for each in stage.json("post", "list", "new")] == ["Two", "Four"]


def test_rank_4_recall_takes_it_back(stage: Stage) -> None:
    """Out of a box that is watched, within a second; a box never opened never sees it; no UID comes twice."""
    stage.people("eye", "shut")
    stage.group("hush", "eye", "shut")
    with imap(stage.site, "eye") as reader:
        reader.select("INBOX")
        reader.send(b"i1 IDLE\r\n")
        wait_for(reader, b"idling")
        stage.send("eye", "hush", "Oops")
        wait_for(reader, b"1 EXISTS")
        report = stage.json("post", "recall", stage.post("hush", "Oops"), "-y")
        assert (report["had"], report["removed"]) == (1, 1)
        wait_for(reader, b"* 1 EXPUNGE")
        reader.send(b"DONE\r\n")
        wait_for(reader, b"completed")
    stage.send("eye", "hush", "Right")
    for name, uid in (("shut", 1), ("eye", 2)):
        with imap(stage.site, name) as client:
            assert subjects(client) == ["Right"]
            assert uids(client) == [uid]


def test_rank_6_an_announcement_ends(stage: Stage) -> None:
    """At its end it leaves who never touched it; who flagged or filed it keeps it.  The field Expires says when."""
    stage.people("idle", "star", "file")
    stage.group("news", "idle", "star", "file")
    stage.opostd("group", "expiry", "news", "30")
    stage.send("star", "news", "Lunch")
    with imap(stage.site, "idle") as idle, imap(stage.site, "star") as star, imap(stage.site, "file") as filed:
        for client in (idle, star, filed):
            client.select("INBOX")
        assert whole(idle, 1)["Expires"]
        star.store("1", "+FLAGS", r"(\Flagged)")
        filed.uid("MOVE", "1", "Archive")
        idle.send(b"i1 IDLE\r\n")
        wait_for(idle, b"idling")
        today = datetime.datetime.now(datetime.UTC).date().isoformat()  # its beginning is over
        stage.opostd("post", "expire", stage.post("news", "Lunch"), today)
        wait_for(idle, b"* 1 EXPUNGE")
        idle.send(b"DONE\r\n")
        wait_for(idle, b"completed")
        assert (subjects(idle), subjects(star), subjects(filed, "Archive")) == ([], ["Lunch"], ["Lunch"])


def test_rank_7_never_twice(stage: Stage) -> None:
    stage.people("dee", "sam")
    stage.group("g1", "dee", "sam")
    stage.group("g2", "dee", "sam")
    with submission(stage.site, "sam") as client:
        message = text_mail("sam", "g1", "Three ways", "text")
        message["Cc"] = f"dee@{DOMAIN}"
        client.send_message(message, to_addrs=[f"{name}@{DOMAIN}" for name in ("g1", "g2", "dee")])
    with imap(stage.site, "dee") as reader:
        assert reader.select("INBOX")[1] == [b"1"]
    ways = stage.json("post", "show", "dee", "1")["ways"]
    assert sorted(ways) == ["Cc", f"g1@{DOMAIN} #1", f"g2@{DOMAIN} #1"]


def test_ranks_9_and_10_history_later_and_one_id_for_all(stage: Stage) -> None:
    """`Archive/club9` fills with posts of before; EMAILID is the same in it, in INBOX, and for somebody else."""
    stage.people("mia", "leo")
    stage.group("club9", "mia")
    for subject in ("Past", "Also past"):
        stage.send("mia", "club9", subject)
    stage.opostd("group", "join", "club9", "leo")
    stage.send("mia", "club9", "Now")
    with imap(stage.site, "leo") as client:
        assert subjects(client) == ["Now"]
    bodies = stage.count("post_body")
    stage.opostd("subscription", "add", "club9", "leo", "--from", "start", "--box", "Archive/club9")
    with imap(stage.site, "leo") as client:
        assert subjects(client, "Archive/club9") == ["Past", "Also past", "Now"]
    assert stage.count("post_body") == bodies
    whole_list = stage.email_ids("mia")
    assert len(set(whole_list)) == 3
    assert stage.email_ids("leo", "Archive/club9") == whole_list
    assert stage.email_ids("leo") == whole_list[2:]


def test_rank_15_pinned_posts_for_who_joins_later(stage: Stage) -> None:
    stage.people("boss")
    stage.group("hall", "boss", post=PostPolicy.LOCAL)
    for subject in ("Old news", "Welcome", "More old news"):
        stage.send("boss", "hall", subject)
    stage.opostd("post", "pin", "hall", "2")
    stage.people("late")
    stage.opostd("group", "join", "hall", "late")
    with imap(stage.site, "late") as client:
        assert subjects(client) == ["Welcome"]
