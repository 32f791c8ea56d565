"""What is put on top, and what is taken out (RFC 5321 4.4, RFC 6409 8, RFC 8601 5, RFC 2369, RFC 2919)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.config import LimitSettings
from opostd.intake import lists
from opostd.intake.message import Message, read
from opostd.intake.trace import Trace, completed, received, return_path, without_forgeries
from opostd.model.ids import SYSTEM_OWNER, BoxId, PostId, post_id_text
from opostd.model.records import Joining, PostPolicy, Source

HOST = "mail.opost.example"
POST = PostId(bytes(range(16)))
ID = POST.hex()
DATE = "Thu, 01 Jan 1970 00:00:00 -0000"


def message(raw: bytes) -> Message:
    return read(raw, LimitSettings())


RECEIVED = [
    (
        Trace("client.example", "192.0.2.1", "ESMTPS", True),
        f"Received: from client.example ([192.0.2.1])\r\n\tby {HOST} with ESMTPS id {ID};\r\n\t{DATE}\r\n",
    ),
    (
        Trace("[IPv6:2001:db8::1]", "2001:db8::1", "LMTP"),
        f"Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\tby {HOST} with LMTP id {ID};\r\n\t{DATE}\r\n",
    ),
    (
        Trace("c", "::ffff:192.0.2.1", "SMTP"),
        f"Received: from c ([192.0.2.1])\r\n\tby {HOST} with SMTP id {ID};\r\n\t{DATE}\r\n",
    ),
    (Trace("c", "local", "LMTP"), f"Received: from c (local)\r\n\tby {HOST} with LMTP id {ID};\r\n\t{DATE}\r\n"),
    (
        Trace("my-laptop", "192.0.2.7", "ESMTPSA", True, "anna@opost.example"),
        f"Received: by {HOST} with ESMTPSA id {ID};\r\n\t{DATE}\r\n",
    ),
    (Trace(), f"Received: by {HOST} id {ID};\r\n\t{DATE}\r\n"),
    (
        Trace("a\r\nX: y (", "x\r\nY: z", "E\r\nZ"),
        f"Received: from a??X:?y?? (local)\r\n\tby {HOST} with E??Z id {ID};\r\n\t{DATE}\r\n",
    ),
]


@pytest.mark.parametrize(("trace", "wanted"), RECEIVED)
def test_received(trace: Trace, wanted: str) -> None:
    assert received(trace, hostname=HOST, post=POST, now=0).octets.decode() == wanted


@given(st.text(max_size=80), st.text(max_size=40), st.text(max_size=20))
def test_nothing_said_ends_the_field(helo: str, peer: str, protocol: str) -> None:
    field = received(Trace(helo, peer, protocol), hostname=HOST, post=POST, now=0)
    assert len(message(field.octets + b"\r\n").fields) == 1


def test_return_path() -> None:
    assert return_path("").octets == b"Return-Path: <>\r\n"
    assert return_path("a@b.c").octets == b"Return-Path: <a@b.c>\r\n"


FORGED = [
    (b"Return-Path: <x@y.z>", True),
    (b"RETURN-PATH : <x@y.z>", True),
    (b"Delivered-To: x@y.z", True),
    (b"Authentication-Results: mail.opost.example; spf=pass", True),
    (b"Authentication-Results: MAIL.opost.EXAMPLE 1; spf=pass", True),
    (b"Authentication-Results:\r\n\topost.example;\r\n\tdkim=pass", True),
    (b"Authentication-Results: (said (x) by) mail.opost.example; x", False),
    (b"Authentication-Results: (said by) mail.opost.example; x", True),
    (b'Authentication-Results: "mail.opost.example"; x', True),
    (b"Authentication-Results: other.example; spf=pass", False),
    (b"Authentication-Results: ", False),
    (b"Received: from x", False),
    (b"X-Return-Path: x", False),
]


@pytest.mark.parametrize(("line", "gone"), FORGED)
def test_forgeries(line: bytes, gone: bool) -> None:
    raw = b"A: 1\r\n" + line + b"\r\nB: 2\r\n\r\nbody"
    found = without_forgeries(message(raw), hostname=HOST, domains=("opost.example",)).octets
    assert found == (b"A: 1\r\nB: 2\r\n\r\nbody" if gone else raw)


COMPLETED = [
    (b"\r\nx", [b"date", b"from", b"message-id"]),
    (b"From: a@b.c\r\nBcc: d@e.f,\r\n g@h.i\r\nbcc : x@y.z\r\n\r\nx", [b"date", b"message-id", b"from"]),
    (b"Date: x\r\nFrom: a\r\nMessage-ID: y\r\nTo: z\r\n\r\nx", [b"date", b"from", b"message-id", b"to"]),
]


@pytest.mark.parametrize(("raw", "names"), COMPLETED)
def test_completed(raw: bytes, names: list[bytes]) -> None:
    done = completed(message(raw), mail_from="anna@opost.example", hostname=HOST, post=POST, now=0)
    assert [each.name for each in done.fields] == names
    assert done.octets.endswith(b"\r\n\r\nx")


def source(policy: PostPolicy, address: str = "team@opost.example", title: str = "The team", **more: object) -> Source:
    return Source(SYSTEM_OWNER, BoxId(7), address, title, policy, **more)  # type: ignore[arg-type]


HELP = b"List-Help: <mailto:team-request@opost.example?subject=help>\r\n"
OWNER = b"List-Owner: <mailto:team-owner@opost.example>\r\n"
WAY_OUT = HELP + b"List-Unsubscribe: <mailto:team-owner@opost.example?subject=unsubscribe>\r\n" + OWNER
LISTS = [
    (
        [source(PostPolicy.MEMBERS)],
        b"List-Id: The team <team.opost.example>\r\nList-Post: <mailto:team@opost.example>\r\n" + WAY_OUT,
    ),
    ([source(PostPolicy.ADMINS, title="")], b"List-Id: <team.opost.example>\r\n" + WAY_OUT),
    (
        [source(PostPolicy.NAMED, title='A "b"\r\nX: y')],
        b'List-Id: "A \\"b\\"  X: y" <team.opost.example>\r\n' + WAY_OUT,
    ),
    ([source(PostPolicy.ANYONE), source(PostPolicy.ADMINS, "all@opost.example")], b""),
    (
        [source(PostPolicy.NAMED, title="", joining=Joining.APPROVAL, archive="https://x.example/team/")],
        b"List-Id: <team.opost.example>\r\n"
        + HELP
        + b"List-Subscribe: <mailto:team-join@opost.example>\r\nList-Unsubscribe: <mailto:team-leave@opost.example>\r\n"
        + OWNER
        + b"List-Archive: <https://x.example/team/>\r\n",
    ),
    (
        [source(PostPolicy.NAMED, title="", archived_at="https://x.example/{id}")],
        b"List-Id: <team.opost.example>\r\n"
        + WAY_OUT
        + b"Archived-At: <https://x.example/"
        + post_id_text(POST).encode()
        + b">\r\n",
    ),
]


@pytest.mark.parametrize(("sources", "wanted"), LISTS)
def test_lists(sources: list[Source], wanted: bytes) -> None:
    raw = b"Archived-At: <https://y>\r\nList-Id: <other>\r\nList-Post: <mailto:x>\r\nA: 1\r\n\r\nbody"
    assert lists.addressed(message(raw), sources, POST).octets == wanted + b"A: 1\r\n\r\nbody"


def test_the_page_for_leaving_where_one_may_leave() -> None:
    """RFC 2369 2: several ways, the preferred first; the same URL for everybody, so no one-click (RFC 8058)."""
    for joining, wanted in (
        (
            Joining.OPEN,
            b"<mailto:team-leave@opost.example>,\r\n\t<https://mail.opost.example/groups/team@opost.example>",
        ),
        (Joining.CLOSED, b"<mailto:team-owner@opost.example?subject=unsubscribe>"),
    ):
        octets = lists.addressed(
            message(b"\r\n"), [source(PostPolicy.NAMED, joining=joining)], POST, "https://mail.opost.example"
        ).octets
        assert b"List-Unsubscribe: " + wanted + b"\r\n" in octets
        assert b"Unsubscribe-Post" not in octets


def test_no_list_no_change() -> None:
    raw = b"List-Id: <other>\r\n\r\nbody"
    assert lists.addressed(message(raw), [], POST).octets == raw
