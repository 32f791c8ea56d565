"""The web pages of a real daemon, as a browser without script uses them."""

import contextlib
import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import unquote

import httpx
import pytest

from tests.e2e.conftest import DOMAIN, PASSWORD, Site
from tests.e2e.faults import Wire
from tests.http.conftest import api, send

EVIL = """From: carl@opost.example
To: anna
Subject: <b>evil</b>
MIME-Version: 1.0
Content-Type: text/html; charset=utf-8

<html><head><title>no title</title><style>p{color:red}</style><script>alert(1)</script></head>
<body onload="alert(2)"><p>good <a href="https://elsewhere.example/">link</a>
<img src="https://evil.example/pixel.gif"><iframe src="https://evil.example/"></iframe>
<form action="https://evil.example/"><input></form></body></html>
"""


def url(site: Site, path: str = "") -> str:
    return f"http://127.0.0.1:{site.daemon.ports['http']}{path}"


class Tab:
    """What a browser says of a form by itself: where the page that has it is from (Fetch 3.2.1; Fetch Metadata 2.2)."""

    def __init__(self, *, fetch_metadata: bool) -> None:
        self._fetch_metadata = fetch_metadata
        self._referrer_policy = ""

    def loaded(self, answer: httpx.Response) -> None:
        self._referrer_policy = answer.headers.get("referrer-policy", "")

    def asks(self, request: httpx.Request) -> None:
        if request.method == "POST":
            origin = f"{request.url.scheme}://{request.url.netloc.decode()}"
            request.headers.setdefault("Origin", "null" if self._referrer_policy == "no-referrer" else origin)
            if self._fetch_metadata:
                request.headers.setdefault("Sec-Fetch-Site", "same-origin")


@contextlib.contextmanager
def browser(
    site: Site, name: str = "anna", password: str = PASSWORD, *, fetch_metadata: bool = True
) -> Iterator[httpx.Client]:
    """Somebody who has logged in.  fetch_metadata: not by Safari before 16.4, nor by others where there is no TLS."""
    tab = Tab(fetch_metadata=fetch_metadata)
    hooks = {"request": [tab.asks], "response": [tab.loaded]}
    with httpx.Client(base_url=url(site), follow_redirects=True, timeout=30, event_hooks=hooks) as client:
        assert "Log in" in client.get("/inbox").text
        answer = client.post("/login", data={"name": name, "password": password})
        assert answer.url.path == "/inbox", answer.text
        yield client


def token(page: httpx.Response) -> str:
    found = re.search(r'name="token" value="(\w+)"', page.text)
    assert found is not None, page.text
    return found[1]


def press(client: httpx.Client, page: httpx.Response, action: str) -> httpx.Response:
    """What comes of a button: its form has to be in the page."""
    assert f'action="{action}"' in unquote(unescape(page.text)), page.text
    return client.post(action, data={"token": token(page)})


def test_without_a_login_there_is_nothing_but_the_form(quick: Site) -> None:
    with httpx.Client(base_url=url(quick), timeout=30) as nobody:
        answer = nobody.get("/groups/team@opost.example?x=1")
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            "/login?next=/groups/team%40opost.example%3Fx%3D1",
        )
        form = nobody.get("/login")
        assert form.status_code == 200
        assert "default-src 'none'" in form.headers["content-security-policy"]
        assert "set-cookie" not in form.headers
        for name, password in (("anna", "wrong"), ("nobody", PASSWORD), ("", ""), ("a\0b", "x")):
            wrong = nobody.post("/login", data={"name": name, "password": password})
            assert (wrong.status_code, "Wrong name or password" in wrong.text) == (401, True)
        assert quick.daemon.wait_for(r"login-failed peer=127\.0\.0\.1 name='anna'")
        assert nobody.get("/nothing").status_code == 404
        assert nobody.post("/logout").headers["location"] == "/login?next=/inbox"
        assert "text/css" in nobody.get("/style.css").headers["content-type"]


@pytest.mark.parametrize("where", ["//evil.example/", "https://evil.example/", "/\\evil.example", "/a\r\nX: y"])
def test_a_login_leads_to_no_other_place(quick: Site, where: str) -> None:
    with httpx.Client(base_url=url(quick), timeout=30) as client:
        answer = client.post("/login", data={"name": "anna", "password": PASSWORD, "next": where})
        assert (answer.status_code, answer.headers["location"]) == (303, "/inbox")
        cookie = answer.headers["set-cookie"]
        assert re.fullmatch(r"opostd=\d+\.[\w-]{43}; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax", cookie)


def test_behind_a_proxy_with_tls_the_cookie_is_for_tls(quick: Site) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.9"), timeout=30) as proxy:
        fields = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
        answer = proxy.post(url(quick, "/login"), data={"name": "anna", "password": PASSWORD}, headers=fields)
        assert re.match(r"__Host-opostd=.*; Secure$", answer.headers["set-cookie"])
        plain = proxy.get(url(quick, "/login"), headers={"X-Forwarded-For": "192.0.2.7"})
        assert (plain.status_code, "https" in plain.text) == (403, True)
        refused = proxy.post(
            url(quick, "/login"), data={"name": "anna", "password": PASSWORD}, headers={"X-Forwarded-For": "192.0.2.7"}
        )
        assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)


def test_mail_is_listed_read_and_harmless(quick: Site) -> None:
    with api(quick, "carl") as carl:
        answer = carl.post("/posts", content=EVIL.encode(), headers={"Content-Type": "message/rfc822"})
        post = answer.json()["id"]
    with browser(quick) as anna:
        page = anna.get("/inbox")
        assert "&lt;b&gt;evil&lt;/b&gt;" in page.text
        assert "<b>evil</b>" not in page.text
        assert 'class="unread"' in page.text
        page = anna.get(f"/posts/{post}")
        assert f'<iframe src="/posts/{post}/body" sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
        body = anna.get(f"/posts/{post}/body")
        assert "good" in body.text
        assert 'href="https://elsewhere.example/"' in body.text
        for gone in ("script", "alert", "evil.example", "onload", "<form", "no title"):
            assert gone not in body.text
        policy = body.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "sandbox" in policy
        assert "allow-scripts" not in policy + page.text
        assert "allow-same-origin" not in policy + page.text
        saved = anna.get(f"/posts/{post}/source")
        assert b"<script>alert(1)</script>" in saved.content
        assert saved.headers["content-type"] == "message/rfc822"
        assert saved.headers["content-disposition"] == f'attachment; filename="{post}.eml"'
        with api(quick) as client:
            assert client.get(f"/posts/{post}").json()["boxes"][0]["seen"] is True
            press(anna, page, f"/posts/{post}/unread")
            assert client.get(f"/posts/{post}").json()["boxes"][0]["seen"] is False
            press(anna, page, f"/posts/{post}/trash")
            assert client.get(f"/posts/{post}").json()["boxes"][0]["box"] == "Trash"
        assert anna.get("/inbox", params={"box": "Nowhere"}).status_code == 404
    with browser(quick, "eve") as eve:
        for path in (
            f"/posts/{post}",
            f"/posts/{post}/body",
            f"/posts/{post}/source",
            "/posts/x",
            "/held/" + post,
            f"/held/{post}/body",
        ):
            assert eve.get(path).status_code == 404
        form = token(eve.get("/inbox"))
        for path in (f"/posts/{post}/recall", f"/posts/{post}/trash", f"/held/{post}/accept"):
            assert eve.post(path, data={"token": form}).status_code == 404


def test_pages_of_a_mailbox(quick: Site) -> None:
    with api(quick, "root") as root:
        for at in range(51):
            send(root, f"number {at}.", "root")
    with browser(quick, "root") as client:
        page = client.get("/inbox")
        assert "number 50." in page.text
        assert "number 0." not in page.text
        older = re.search(r'href="(/inbox\?box=INBOX&amp;before=\d+)"', page.text)
        assert older is not None
        assert "number 0." in client.get(unescape(older[1])).text


@pytest.mark.parametrize("fetch_metadata", [False, True])
def test_groups_are_joined_and_left_by_buttons(quick: Site, fetch_metadata: bool) -> None:
    name = f"open-{fetch_metadata}".lower()
    quick.cli("group", "add", name)
    quick.cli("group", "set", name, "join", "open")
    group = f"/groups/{name}@{DOMAIN}"
    with browser(quick, "eve", fetch_metadata=fetch_metadata) as eve:
        page = eve.get("/groups")
        assert f"team@{DOMAIN}" not in page.text
        assert "You read this group" in press(eve, page, f"{group}/join").text
        looked = eve.get(group)  # what a mail program, or a scanner of links, does with List-Unsubscribe
        assert "You read this group" in eve.get(group).text
        assert press(eve, looked, f"{group}/leave").url.path == "/groups"
        assert "You do not read this group" in eve.get(group).text
        assert eve.get(f"/groups/team@{DOMAIN}").status_code == 404


def test_a_moderator_decides(quick: Site) -> None:
    quick.cli("group", "set", "news", "moderation", "all")
    with api(quick, "carl") as carl, browser(quick, "dora") as dora, browser(quick) as anna:
        one, two = send(carl, "one held", "news"), send(carl, "two held", "news", text="**look**")
        assert "one held" not in anna.get("/held").text
        assert anna.get(f"/held/{one}").status_code == 404
        page = dora.get("/held")
        assert "one held" in page.text
        assert "<strong>look</strong>" in dora.get(f"/held/{two}/body").text
        assert f"/held/{two}/body" in dora.get(f"/held/{two}").text
        press(dora, page, f"/held/{one}/accept?group=news@{DOMAIN}")
        press(dora, page, f"/held/{two}/discard?group=news@{DOMAIN}")
        assert "Nothing waits" in dora.get("/held").text
        assert "one held" in anna.get("/inbox").text


def test_reach_and_recall(quick: Site) -> None:
    with browser(quick) as anna, browser(quick, "bob") as bob, api(quick) as client:
        post = send(client, "to be recalled", "team")
        assert "to be recalled" in anna.get("/inbox", params={"box": "Sent"}).text
        page = anna.get(f"/posts/{post}")
        assert "How far it has come" in page.text
        assert "How far it has come" not in bob.get(f"/posts/{post}").text
        assert bob.post(f"/posts/{post}/recall", data={"token": token(bob.get("/inbox"))}).status_code == 403
        assert "Taken back" in press(anna, page, f"/posts/{post}/recall").text
        assert bob.get(f"/posts/{post}").status_code == 404


def test_forms_of_other_sites_and_sessions_do_nothing(quick: Site) -> None:
    with browser(quick) as anna, browser(quick, "bob") as bob, api(quick) as client:
        post = send(client, "forged", "anna")
        form = token(anna.get("/inbox"))
        for data, fields in (
            ({}, {}), ({"token": "x"}, {}), ({"token": token(bob.get("/inbox"))}, {}),
            ({"token": form}, {"Sec-Fetch-Site": "", "Origin": "https://evil.example"}),
            ({"token": form}, {"Sec-Fetch-Site": "cross-site"}),
        ):  # fmt: skip
            assert anna.post(f"/posts/{post}/trash", data=data, headers=fields).status_code == 403
        assert {each["box"] for each in client.get(f"/posts/{post}").json()["boxes"]} == {"INBOX", "Sent"}
        other = anna.post(
            "/login",
            data={"name": "bob", "password": PASSWORD},
            headers={"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        )
        assert other.status_code == 403
        assert anna.get("/posts/" + post).status_code == 200
        assert anna.post("/logout", data={str(at): "" for at in range(30)}).status_code == 400
        assert client.get("/user", headers={"Authorization": "", "Cookie": "opostd=x"}, auth=None).status_code == 401


def test_cookies_of_other_programs_end_no_session(quick: Site) -> None:
    with browser(quick) as anna:
        own = f"opostd={anna.cookies['opostd']}"
        for field in (
            f'state={{"a": 1}}; {own}', f"words=dark mode; {own}", f"a[]=1; {own}; opostd=", f"path=/; ;; =; {own}",
            f'"; {own}', f"\xfc=1;{own}",
        ):  # fmt: skip
            with httpx.Client(base_url=url(quick), timeout=30) as other:
                answer = other.get("/inbox", headers={"Cookie": field.encode("latin-1")})
                assert answer.status_code == 200, field


def test_a_session_ends_with_log_out_and_with_the_password(quick: Site) -> None:
    with browser(quick, "eve") as eve, browser(quick, "eve") as phone:
        old = dict(eve.cookies)
        assert "Log in" in press(eve, eve.get("/inbox"), "/logout").text
        eve.cookies.update(old)
        assert eve.get("/inbox").url.path == "/login"
        assert phone.get("/inbox").url.path == "/inbox"
        quick.cli("user", "password", "eve", "--password-stdin", text="another one\n")
        assert phone.get("/inbox").url.path == "/login"
    with browser(quick, "eve", "another one") as eve:
        for cookie in ("1", "1.", "x.y", "9" * 30 + ".y", "-1.y", '"', "opostd=1"):
            with Wire(quick.daemon.ports["http"]) as wire:
                wire.say(f"GET /inbox HTTP/1.1\r\nHost: x\r\nCookie: opostd={cookie}\r\n\r\n")
                assert wire.line().startswith("HTTP/1.1 303 ")
        quick.cli("user", "disable", "eve")
        assert eve.get("/inbox").url.path == "/login"
        quick.cli("user", "enable", "eve")
