"""The API over a real daemon, on each database: what each person may see and do, and what of others they never learn."""

import httpx
import pytest

from tests.e2e.conftest import DOMAIN, Site
from tests.e2e.mailbox import imap
from tests.http.conftest import api, send

NOBODY_HAS = "0193f6a27c1e7d05a8d1c06d5a3b9e42"


def subjects(client: httpx.Client, **query: str) -> list[str]:
    return [each["subject"] for each in client.get("/posts", params=query).json()["posts"]]


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body: dict[str, object] = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    return body


def test_a_post_is_written_read_marked_moved_and_removed(site: Site) -> None:
    with api(site) as anna, api(site, "carl") as carl, api(site, "eve") as eve:
        answer = anna.post(
            "/posts",
            json={
                "to": ["carl", f"team@{DOMAIN}"], "cc": ["bob"], "subject": "Hallo Wörld",
                "text": "Hello **you**\n\n<script>alert(1)</script>",
            },
        )  # fmt: skip
        assert answer.status_code == 201
        assert answer.json() == {"id": answer.json()["id"], "boxes": 3, "remote": 0, "waiting": 0}
        where = answer.headers["location"].removeprefix("/postapi")
        found = carl.get(where).json()
        assert (found["subject"], found["ways"]) == ("Hallo Wörld", ["To"])
        assert [each["box"] for each in found["boxes"]] == ["INBOX"]
        mine = anna.get(where).json()
        assert mine["ways"] == [f"team@{DOMAIN} #1"]
        assert {each["box"]: each["seen"] for each in mine["boxes"]} == {"INBOX": False, "Sent": True}
        assert "Hello **you**" in carl.get(f"{where}/text").text
        html = carl.get(f"{where}/html")
        assert "<strong>you</strong>" in html.text
        assert "<script" not in html.text
        assert "sandbox" in html.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in html.headers["content-security-policy"]
        raw = carl.get(f"{where}/raw")
        assert raw.headers["content-type"] == "message/rfc822"
        assert len(raw.content) == found["size"] == int(raw.headers["content-length"])

        changed = carl.patch(where, json={"seen": True, "flagged": True, "box": "Archive"}).json()
        assert [(each["box"], each["seen"], each["flagged"]) for each in changed["boxes"]] == [("Archive", True, True)]
        assert carl.patch(where, json={"flagged": False}).json()["boxes"][0]["flagged"] is False
        with imap(site, "carl") as client:
            client.select("Archive")
            assert client.search(None, "SEEN UNFLAGGED")[1] == [b"1"]
        problem(carl.patch(where, json={"box": "Nowhere"}), 404, "not-found")
        problem(carl.delete(where, params={"box": "INBOX"}), 404, "not-found")
        for method, path in (
            ("GET", where), ("GET", f"{where}/text"), ("GET", f"{where}/html"), ("GET", f"{where}/raw"),
            ("DELETE", where), ("GET", f"{where}/reach"), ("GET", f"{where}/reach/names"),
        ):  # fmt: skip
            of_others = problem(eve.request(method, path), 404, "not-found")
            of_nobody = problem(eve.request(method, path.replace(found["id"], NOBODY_HAS)), 404, "not-found")
            assert of_others == of_nobody
        problem(eve.patch(where, json={"seen": True}), 404, "not-found")
        problem(eve.post(f"{where}/recall", json={}), 404, "not-found")

        assert carl.delete(where).status_code == 204
        problem(carl.get(where), 404, "not-found")
        moved = anna.patch(where, json={"box": "Archive"}).json()
        assert {each["box"] for each in moved["boxes"]} == {"Archive", "Sent"}  # what one has sent stays there
        moved = anna.patch(where, params={"box": "Sent"}, json={"box": "Archive"}).json()
        assert [each["box"] for each in moved["boxes"]] == ["Archive", "Archive"]


def test_pages_end_and_none_is_missed(site: Site) -> None:
    with api(site) as anna, api(site, "root") as root:
        for at in range(5):
            send(anna, f"page {at}", "root")
        first = root.get("/posts", params={"limit": 2}).json()
        assert [each["subject"] for each in first["posts"]] == ["page 4", "page 3"]
        second = root.get("/posts", params={"limit": 2, "before": first["next"]}).json()
        third = root.get("/posts", params={"limit": 2, "before": second["next"]}).json()
        assert [each["subject"] for each in second["posts"] + third["posts"]] == ["page 2", "page 1", "page 0"]
        assert third["next"] is None
        root.patch(f"/posts/{first['posts'][0]['id']}", json={"seen": True})
        assert subjects(root, unread="true", limit="1") == ["page 3"]
        assert problem(root.get("/posts", params={"limit": 201}), 422, "bad-request")["errors"]
        problem(root.get("/posts", params={"box": "Nowhere"}), 404, "not-found")


def test_recipients_are_refused_one_by_one_and_nothing_is_sent(site: Site) -> None:
    with api(site, "carl") as carl, api(site, "bob") as bob:
        before = subjects(bob)
        body = problem(
            carl.post("/posts", json={"to": ["bob", "nobody", f"team@{DOMAIN}", "x@elsewhere.example"]}),
            422,
            "bad-recipients",
        )
        assert [each["address"] for each in body["recipients"]] == ["x@elsewhere.example"]  # type: ignore[attr-defined]
        body = problem(carl.post("/posts", json={"to": ["bob", "nobody", "team", "everyone"]}), 422, "bad-recipients")
        assert [each["address"].partition("@")[0] for each in body["recipients"]] == ["nobody", "team", "everyone"]  # type: ignore[attr-defined]
        assert subjects(bob) == before
        problem(carl.post("/posts", json={"to": []}), 422, "bad-recipients")
        problem(carl.post("/posts", json={"to": ["bob"], "subject": "a\r\nBcc: eve"}), 400, "bad-message")
        problem(carl.post("/posts", json={"to": ["bob"], "from": f"anna@{DOMAIN}"}), 403, "not-allowed")
        problem(carl.post("/posts", json={"to": ["bob"], "nonsense": 1}), 422, "bad-request")
        problem(carl.post("/posts", content=b"{", headers={"Content-Type": "application/json"}), 422, "bad-request")
        assert subjects(bob) == before


def test_a_whole_message_goes_as_it_is_without_its_bcc(site: Site) -> None:
    message = b"From: eve@opost.example\nTo: carl\nBcc: anna\nSubject: whole\n\nline\n"
    with api(site, "eve") as eve, api(site, "carl") as carl, api(site) as anna:
        answer = eve.post("/posts", content=message, headers={"Content-Type": "message/rfc822"})
        assert answer.status_code == 201, answer.text
        where = f"/posts/{answer.json()['id']}"
        assert b"Bcc" not in carl.get(f"{where}/raw").content
        assert anna.get(where).json()["subject"] == "whole"
        answer = eve.post(
            "/posts", content=message, params={"to": "carl", "sent_copy": "false"},
            headers={"Content-Type": "message/rfc822"},
        )  # fmt: skip
        problem(eve.get(f"/posts/{answer.json()['id']}"), 404, "not-found")
        problem(anna.get(f"/posts/{answer.json()['id']}"), 404, "not-found")


def test_groups_that_nobody_may_know_of_are_not_there(site: Site) -> None:
    with api(site, "eve") as eve, api(site, "dora") as dora, api(site) as anna:
        assert [each["address"] for each in eve.get("/groups").json()] == [f"everyone@{DOMAIN}"]
        for path in ("", "/members", "/membership"):
            hidden = problem(eve.get(f"/groups/team{path}"), 404, "not-found")
            assert hidden == problem(eve.get(f"/groups/nothing{path}"), 404, "not-found")
        problem(eve.put("/groups/team/membership"), 404, "not-found")
        problem(eve.delete("/groups/team/membership"), 404, "not-found")
        problem(anna.get("/groups/team/members"), 403, "not-allowed")
        assert dora.get("/groups/news").json()["roles"] == ["moderator", "owner"]
        assert dora.get("/groups/news/members").json() == [
            {"address": f"anna@{DOMAIN}", "kind": "person", "roles": ["reader"]},
            {"address": f"dora@{DOMAIN}", "kind": "person", "roles": ["moderator", "owner"]},
        ]
        problem(anna.delete("/groups/team/membership"), 403, "not-allowed")  # closed: its owners decide


def test_joining_and_leaving(site: Site) -> None:
    site.cli("group", "add", "open")
    site.cli("group", "set", "open", "join", "open")
    site.cli("group", "add", "asked")
    site.cli("group", "set", "asked", "join", "approval")
    with api(site, "eve") as eve:
        problem(eve.delete("/groups/open/membership"), 404, "not-found")
        for _ in range(2):
            answer = eve.put("/groups/open/membership")
            assert (answer.status_code, answer.json()["state"]) == (200, "reader")
        assert eve.put("/groups/asked/membership").status_code == 202
        assert eve.get("/groups/asked/membership").json()["state"] == "none"
        site.cli("send", "--from", "root", "--to", "open", "--subject", "to open", text="x")
        assert "to open" in subjects(eve)
        moved = eve.patch("/subscriptions/open", json={"box": "Lists/open"}).json()
        assert [(each["group"], each["box"]) for each in moved] == [(f"open@{DOMAIN}", "Lists/open")]
        site.cli("send", "--from", "root", "--to", "open", "--subject", "later", text="x")
        assert subjects(eve, box="Lists/open") == ["later"]
        problem(eve.patch("/subscriptions/open", json={"since": "start"}), 403, "not-allowed")
        problem(eve.patch("/subscriptions/open", json={"since": "once"}), 422, "bad-request")
        problem(eve.patch("/subscriptions/team", json={"box": "INBOX"}), 404, "not-found")
        assert eve.delete("/groups/open/membership").status_code == 204
        problem(eve.get("/subscriptions/open"), 404, "not-found")
        assert subjects(eve, box="Lists/open") == ["later"]


def test_history_as_far_as_the_group_gives_it(site: Site) -> None:
    site.cli("group", "add", "old")
    site.cli("group", "set", "old", "join", "open")
    site.cli("send", "--from", "root", "--to", "old", "--subject", "before", text="x")
    with api(site, "carl") as carl:
        assert carl.put("/groups/old/membership").status_code == 200
        assert "before" not in subjects(carl)
        site.cli("group", "history", "old", "all")
        assert carl.patch("/subscriptions/old", json={"since": "start"}).json()[0]["since"] == "start"
        assert subjects(carl).count("before") == 1
        assert carl.patch("/subscriptions/old", json={"since": "2020-01-01"}).status_code == 200
        assert subjects(carl).count("before") == 1


def test_moderators_decide_and_others_see_nothing(site: Site) -> None:
    site.cli("group", "set", "news", "moderation", "all")
    with api(site, "carl") as carl, api(site, "dora") as dora, api(site) as anna:
        answer = carl.post("/posts", json={"to": ["news"], "subject": "one", "text": "x"})
        assert answer.json()["waiting"] == 1
        two = send(carl, "two", "news")
        one = answer.json()["id"]
        assert [each["subject"] for each in dora.get("/held").json()] == ["one", "two"]
        assert dora.get(f"/held/{one}").json()[0]["sender"] == f"carl@{DOMAIN}"
        assert b"Subject: one" in dora.get(f"/held/{one}/raw").content
        assert anna.get("/held").json() == carl.get("/held").json() == []
        for path in (f"/held/{one}", f"/held/{one}/raw"):
            problem(anna.get(path), 404, "not-found")
        problem(carl.post(f"/held/{one}/accept"), 404, "not-found")
        assert "one" not in subjects(anna)
        assert dora.post(f"/held/{one}/accept").status_code == 204
        assert dora.post(f"/held/{two}/discard", params={"group": "news"}).status_code == 204
        problem(dora.post(f"/held/{one}/accept"), 404, "not-found")
        assert "one" in subjects(anna)
        assert "two" not in subjects(anna)
        assert dora.get("/held").json() == []


@pytest.mark.parametrize("unread_only", [False, True])
def test_reach_and_recall(site: Site, unread_only: bool) -> None:
    with api(site) as anna, api(site, "bob") as bob, api(site, "root") as root:
        post = send(anna, f"recalled {unread_only}", "team")
        mine = anna.get("/posts").json()["posts"][0]
        assert mine["id"] == post
        bob.get("/posts")
        bob.patch(f"/posts/{post}", json={"seen": True})
        reach = anna.get(f"/posts/{post}/reach").json()
        assert (reach["subscribed"], reach["carried"], reach["have_it"], reach["read"]) == (2, 2, 2, None)
        problem(anna.get(f"/posts/{post}/reach", params={"exact": "true"}), 403, "not-allowed")
        problem(anna.get(f"/posts/{post}/reach/names"), 403, "not-allowed")
        problem(bob.get(f"/posts/{post}/reach"), 403, "not-allowed")  # he has it, and it is not his
        assert {"address": f"bob@{DOMAIN}", "state": "read"} in root.get(f"/posts/{post}/reach/names").json()
        assert root.get(f"/posts/{post}/reach", params={"exact": "true"}).json()["read"] == 2  # anna's own in Sent
        assert anna.get(f"/posts/{post}/reach/time").json() == []
        problem(bob.post(f"/posts/{post}/recall", json={}), 403, "not-allowed")
        done = anna.post(f"/posts/{post}/recall", json={"unread_only": unread_only}).json()
        assert done["policy"] == ("unread" if unread_only else "all")
        assert bob.get(f"/posts/{post}").status_code == (200 if unread_only else 404)
