"""The HTTP door of a real daemon: who is let in, what is refused and how, and how it ends."""

import base64
import json
import os
import signal
import socket
import sqlite3
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from opostd.config import StoreSettings
from tests.e2e.conftest import DOMAIN, PASSWORD, Site
from tests.e2e.faults import Wire
from tests.e2e.mailbox import unverified
from tests.http.conftest import api, send, served
from tests.support import issuer as issuers
from tests.support.daemon import KINDS, Daemon, free_offset, home_environ
from tests.support.issuer import AUDIENCE, SCOPE

BASIC = "Basic " + base64.b64encode(f"anna:{PASSWORD}".encode()).decode()


def ask(site: Site, text: str) -> tuple[str, str]:
    """Status and body of one raw request; the connection has to end."""
    with Wire(site.daemon.ports["http"]) as wire:
        wire.say(text)
        head = []
        while line := wire.line():
            head.append(line)
        body = "".join(iter(wire.raw_line, ""))
        return head[0].partition(" ")[2][:3], body


def test_who_has_not_logged_in_learns_nothing(quick: Site) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{quick.daemon.ports['http']}", timeout=30) as nobody:
        answers = [
            nobody.request(method, path)
            for method, path in (
                ("GET", "/postapi"), ("GET", "/postapi/posts"), ("GET", "/postapi/nothing"), ("PUT", "/postapi/posts"),
                ("POST", "/postapi/posts"), ("TRACE", "/postapi/posts"), ("OPTIONS", "/postapi/nothing"),
            )
        ]  # fmt: skip
        assert {(each.status_code, each.text) for each in answers} == {(401, answers[0].text)}
        assert answers[0].headers["www-authenticate"] == 'Basic realm="opostd", charset="UTF-8"'
        assert nobody.get("/postapi/openapi.json").json()["openapi"].startswith("3.")
        docs = nobody.get("/postapi/docs")
        assert "/postapi/posts/{id}/recall" in docs.text
        assert "default-src 'none'" in docs.headers["content-security-policy"]
        assert "//" not in docs.text.replace("application/problem+json", "")  # nothing is loaded from anywhere
        for name in ("x-content-type-options", "referrer-policy", "cache-control", "date"):
            assert name in answers[0].headers


@pytest.mark.parametrize(
    "field",
    [
        "Basic", "Basic !!!", "Basic " + base64.b64encode(b"anna").decode(), "Basic /////w==", "Bearer abc", "Digest x=1",
        "Basic " + "A" * 20000, "Basic " + base64.b64encode(b"anna:wrong").decode(),
        "Basic " + base64.b64encode(b"nobody\0x:wrong").decode(),
    ],
)  # fmt: skip
def test_a_login_that_is_none(quick: Site, field: str) -> None:
    answer = httpx.get(
        f"http://127.0.0.1:{quick.daemon.ports['http']}/postapi/user", headers={"Authorization": field}, timeout=30
    )
    assert (answer.status_code, answer.json()["code"]) in ((401, "login-needed"), (401, "login-failed"))


def test_guesses_are_counted_together_with_those_at_other_doors(quick: Site) -> None:
    with api(quick, "bob", "wrong") as guesser:
        for _ in range(2):
            assert guesser.get("/user").json()["code"] == "login-failed"
    assert quick.daemon.wait_for(r"login-failed peer=127\.0\.0\.1 name='bob'")
    with api(quick, "bob") as bob:
        assert bob.get("/user").json() == {"address": f"bob@{DOMAIN}", "name": "", "admin": False}


def test_no_password_without_tls_but_from_this_machine(quick: Site) -> None:
    """127.0.0.9 is a proxy: it is believed, and whoever is behind it is elsewhere."""
    transport = httpx.HTTPTransport(local_address="127.0.0.9")
    url = f"http://127.0.0.1:{quick.daemon.ports['http']}/postapi/user"
    with httpx.Client(transport=transport, auth=("anna", PASSWORD), timeout=30) as proxy:
        plain = proxy.get(url, headers={"X-Forwarded-For": "127.0.0.1, 192.0.2.7"})
        assert (plain.status_code, plain.json()["code"]) == (403, "tls-needed")
        secure = proxy.get(url, headers={"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"})
        assert secure.status_code == 200
        assert secure.headers["strict-transport-security"]
        wrong = proxy.get(
            url, auth=("anna", "wrong"), headers={"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
        )
        assert wrong.status_code == 401
    assert quick.daemon.wait_for(r"login-failed peer=192\.0\.2\.7 name='anna'")
    believed = httpx.get(url, auth=("anna", "wrong"), headers={"X-Forwarded-For": "192.0.2.8"}, timeout=30)
    assert believed.status_code == 401
    assert "192.0.2.8" not in quick.daemon.output


def test_under_tls(quick: Site) -> None:
    port = quick.daemon.ports["https"]
    with httpx.Client(verify=unverified(), auth=("anna", PASSWORD), timeout=30) as client:
        answer = client.get(f"https://127.0.0.1:{port}/postapi/user")
        assert answer.json()["address"] == f"anna@{DOMAIN}"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("AES256-SHA:AES128-GCM-SHA256")  # no forward secrecy
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", port)) as plain, pytest.raises((ssl.SSLError, ConnectionError)):
        old.wrap_socket(plain)


def test_methods(quick: Site) -> None:
    with api(quick) as anna:
        head, get = anna.head("/user"), anna.get("/user")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(get.content))
        assert head.headers["allow"] == "GET, HEAD, OPTIONS"
        options = anna.options("/posts")
        assert options.headers["allow"] == "GET, POST, HEAD, OPTIONS"
        assert options.json()["methods"]["POST"]["takes"] == ["application/json", "message/rfc822"]
        wrong = anna.put("/posts")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, POST, HEAD, OPTIONS")
        assert anna.get("/posts/").status_code == anna.get("/nothing").status_code == 404
        assert anna.get("/posts/..%2fuser").status_code == 404


def test_bodies_that_are_too_big_or_of_another_kind(quick: Site) -> None:
    with api(quick) as anna:
        assert anna.post("/posts", content=b"a=b").status_code == 415
        assert anna.post("/posts", data={"to": "bob"}).status_code == 415
        big = anna.post("/posts", content=b"x" * (1024 * 1024 + 1), headers={"Content-Type": "application/json"})
        assert (big.status_code, big.json()["code"]) == (413, "too-big")
        chunks = (b"x" * 65536 for _ in range(20))  # without a length
        big = anna.post("/posts", content=chunks, headers={"Content-Type": "application/json"})
        assert big.status_code == 413
        deep = b'{"to":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
        assert anna.post("/posts", content=deep, headers={"Content-Type": "application/json"}).status_code == 422
        assert anna.patch("/posts/" + "0" * 32, content=deep, headers={"Content-Type": "application/json"}).status_code in (
            400, 404, 422,
        )  # fmt: skip
        message = {"Content-Type": "message/rfc822"}
        for octets in (b"Subject: a\0b\r\nTo: bob\r\n\r\n", b"Subject: a\rb\r\nTo: bob\r\n\r\n"):
            assert anna.post("/posts", content=octets, headers=message).json()["code"] == "bad-message"


def test_a_page_of_another_site_changes_nothing(quick: Site) -> None:
    origin = f"http://127.0.0.1:{quick.daemon.ports['http']}"
    with api(quick) as anna:
        for fields in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site", "Origin": origin},
            {"Origin": "https://evil.example"},
            {"Origin": origin + ".evil.example"},
            {"Origin": "null"},
            {"Origin": "http://["},
        ):
            answer = anna.post("/posts", json={"to": ["anna"], "subject": "evil"}, headers=fields)
            assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
        assert "evil" not in anna.get("/posts").text
        same = anna.post(
            "/posts",
            json={"to": ["anna"], "subject": "own"},
            headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"},
        )
        assert same.status_code == 201


@pytest.mark.parametrize(
    "text",
    [
        "GET / HTTP/1.1\r\n\r\n",  # no Host
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "GET / HTTP/1.1\r\nHost: x\r\nA: " + "b" * 70000 + "\r\n\r\n",
        "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1",
        "nonsense\r\n\r\n",
    ],
)
def test_what_is_no_request(quick: Site, text: str) -> None:
    status, _ = ask(quick, text)
    assert status in ("400", "431", "")


def test_errors_of_ours_and_of_others_have_no_traceback(quick: Site) -> None:
    with api(quick) as anna:
        for path in (
            "/posts/%00",
            "/groups/%0d%0aX",
            "/groups/" + "a" * 300,
            "/posts?box=%00",
            "/posts?before=99999999999",
        ):
            answer = anna.get(path)
            assert answer.status_code in (400, 404, 422), path
            assert json.loads(answer.text)["status"] == answer.status_code
        assert anna.get("/posts", params={"box": "\ud800".encode("utf-8", "surrogatepass")}).status_code in (404, 422)


def test_by_token(sqlite_settings: StoreSettings, tmp_path: Path) -> None:
    with issuers.running() as issuer:
        oauth = (
            f'[oauth]\njwks_url = "{issuer.base}/keys"\nissuer = "{issuer.base}"\naudience = "{AUDIENCE}"\n'
            f'required_scope = "{SCOPE}"\n'
        )
        for site in served(sqlite_settings, tmp_path, oauth):
            url = f"http://127.0.0.1:{site.daemon.ports['http']}/postapi/user"
            right = httpx.get(url, headers={"Authorization": f"Bearer {issuer.token()}"}, timeout=30)
            assert right.json()["address"] == f"anna@{DOMAIN}"
            wrong = httpx.get(url, headers={"Authorization": f"Bearer {issuer.token()[:-9]}"}, timeout=30)
            assert wrong.status_code == 401
            assert 'Bearer realm="opostd"' in wrong.headers.get_list("www-authenticate")


def test_a_request_under_way_is_answered_when_the_server_stops(sqlite_settings: StoreSettings, tmp_path: Path) -> None:
    for site in served(sqlite_settings, tmp_path):
        with Wire(site.daemon.ports["http"]) as idle, Wire(site.daemon.ports["http"]) as wire:
            body = '{"to":["bob"],"subject":"last"}'
            wire.say(
                f"POST /postapi/posts HTTP/1.1\r\nHost: x\r\nAuthorization: {BASIC}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
            )
            assert wire.line().startswith("HTTP/1.1 100 ")  # it has logged in, and the body is awaited
            wire.line()
            stopper = threading.Thread(target=site.daemon.stop, args=(signal.SIGTERM,))
            stopper.start()
            assert idle.line() == ""
            wire.say(body)
            assert wire.line().startswith("HTTP/1.1 201 ")
            stopper.join()
        site.daemon.restart()
        with api(site, "bob") as bob:
            assert [each["subject"] for each in bob.get("/posts").json()["posts"]] == ["last"]


def test_sent_again_after_kill_nothing_answered_is_lost(sqlite_settings: StoreSettings, tmp_path: Path) -> None:
    for site in served(sqlite_settings, tmp_path):
        with api(site) as anna:
            ids = [send(anna, f"{at}", "team") for at in range(3)]
        site.daemon.kill()
        site.daemon.restart()
        with api(site, "bob") as bob:
            assert [each["id"] for each in bob.get("/posts").json()["posts"]] == ids[::-1]


def test_a_database_that_does_not_answer_is_a_fault_that_passes(sqlite_settings: StoreSettings, tmp_path: Path) -> None:
    for site in served(sqlite_settings, tmp_path):
        with api(site) as anna, httpx.Client(base_url=str(anna.base_url).removesuffix("/postapi/")) as browser:
            send(anna, "before", "anna")
            other = sqlite3.connect(sqlite_settings.url.removeprefix("sqlite:///"), isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            answer = anna.post("/posts", json={"to": ["anna"], "subject": "meanwhile"})
            assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (
                503,
                "unavailable",
                "5",
            )
            page = browser.post("/login", data={"name": "anna", "password": PASSWORD}, timeout=30)
            assert (page.status_code, page.headers["retry-after"]) == (503, "5")
            other.close()
            send(anna, "after", "anna")
            assert [each["subject"] for each in anna.get("/posts").json()["posts"]] == ["after", "before"]


def test_the_demo_starts_without_its_http_port(tmp_path: Path) -> None:
    offset = free_offset()
    ports = {kind: port + offset for kind, port in KINDS.items()}
    with socket.create_server(("127.0.0.1", ports["http"])):
        daemon = Daemon(["serve", "--port-offset", str(offset)], home_environ(tmp_path), ports, tmp_path / "none.toml")
        try:
            daemon.wait_ready()
            assert f"nothing listens for http: port {ports['http']} is taken by pid {os.getpid()}" in daemon.output
            assert "web       not served: another program has its port" in daemon.output
        finally:
            assert daemon.stop() == 0


def test_many_at_once_and_each_is_decided_once(quick: Site) -> None:
    """Ten requests for the same at once: what can be done once is done once, and the others hear that it is done."""
    quick.cli("group", "add", "court", "--post", "local")
    quick.cli("group", "set", "court", "moderation", "all")
    with api(quick, "carl") as carl, api(quick, "root") as root, ThreadPoolExecutor(10) as many:
        post = send(carl, "once", "court")
        decided = list(many.map(lambda _: root.post(f"/held/{post}/accept").status_code, range(10)))
        assert sorted(decided) == [204] + [404] * 9
        direct = send(carl, "direct", "root")
        marked = many.map(
            lambda at: root.patch(f"/posts/{direct}", json={"flagged": at % 2 == 0}).status_code, range(10)
        )
        assert set(marked) == {200}
        gone = list(many.map(lambda _: root.delete(f"/posts/{direct}").status_code, range(10)))
        assert set(gone) <= {204, 404}
        assert 204 in gone
        sent = list(many.map(lambda at: send(carl, f"many {at}", "root"), range(10)))
        listed = [each["id"] for each in root.get("/posts").json()["posts"]]
        assert sorted(sent) == sorted(listed[:10])


def test_a_large_message_comes_in_from_the_disk(quick: Site) -> None:
    message = {"Content-Type": "message/rfc822"}
    body = b"Subject: large\r\nTo: carl\r\n\r\n" + (b"x" * 70 + b"\r\n") * 100_000
    with api(quick) as anna, api(quick, "carl") as carl:
        answer = anna.post(
            "/posts", content=(body[at : at + 65536] for at in range(0, len(body), 65536)), headers=message
        )
        assert answer.status_code == 201, answer.text
        raw = carl.get(f"/posts/{answer.json()['id']}/raw")
        assert raw.content.endswith(body[-7_000_000:])
        big = anna.post("/posts", content=(b"x" * 65536 for _ in range(500)), headers=message)
        assert big.status_code == 413
