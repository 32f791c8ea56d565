"""PostFacts as a whole: texts, dates, threads."""

import pytest

from opostd.mime.facts import facts, new_post
from opostd.model.ids import PostId

ID = PostId(b"0123456789abcdef")
NOW = 1_700_000_000


def thread_of(header: bytes) -> bytes:
    return facts(header + b"\r\n", id=ID, now=NOW).thread


def test_all_of_them() -> None:
    raw = (
        b"Date: Thu, 1 Feb 2024 00:30:00 +0100\r\nFrom: =?utf-8?q?J=C3=BCrgen?= <j@opost.example>, b@c\r\n"
        b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n aus\r\nMessage-ID: <1@opost.example>\r\n\r\nTEXT\r\n"
    )
    post = new_post(raw, id=ID, now=NOW)
    found = post.facts
    assert post.raw is raw
    assert post.text == "TEXT"
    assert found == facts(raw, id=ID, now=NOW)
    assert found.id == ID
    assert found.size == len(raw)
    assert found.sent == 1_706_743_800
    assert found.sent_day == 19_754
    assert found.header == raw[: raw.index(b"TEXT")]
    assert found.sender == "Jürgen"
    assert found.subject == "Grüße aus"
    assert found.message_id == "<1@opost.example>"
    assert found.body == b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 6 1)'
    assert found.bodystructure == found.body[:-1] + b" NIL NIL NIL NIL)"
    assert len(found.thread) == 16


def test_nothing_at_all() -> None:
    found = facts(b"", id=ID, now=NOW)
    assert (found.sent, found.sent_day) == (NOW, NOW // 86_400)
    assert (found.sender, found.subject, found.message_id, found.header) == ("", "", "", b"")
    assert found.thread == ID


@pytest.mark.parametrize(
    ("from_", "expected"),
    [
        (b"a@b.example", "a@b.example"),
        (b"Anna <a@b.example>", "Anna"),
        (b'"Anna\x00O" <a@b.example>', "Anna O"),
        (b'"" <a@b.example>', "a@b.example"),
        (b"team: a@b.example;", "a@b.example"),
        (b"team:;", ""),
        (b"=?utf-8?q?a=0D=0Ab?= <a@b>", "a b"),
    ],
)
def test_sender(from_: bytes, expected: str) -> None:
    assert facts(b"From: " + from_ + b"\r\n\r\n", id=ID, now=NOW).sender == expected


def test_a_conversation_has_one_thread() -> None:
    first = thread_of(b"Message-ID: <1@Opost.example>\r\n")
    assert first != ID
    assert first == thread_of(b"Message-ID: <2@x>\r\nIn-Reply-To: <1@opost.example>\r\n")
    assert first == thread_of(b"Message-ID: <3@x>\r\nReferences: <1@opost.EXAMPLE>\r\n <2@x>\r\nIn-Reply-To: <2@x>\r\n")
    assert first == thread_of(b"Message-ID: <4@x>\r\nReferences: junk\r\nIn-Reply-To: your mail <1@opost.example>\r\n")
    assert first != thread_of(b"Message-ID: <1@other.example>\r\n")
    assert thread_of(b"Message-ID: none\r\n") == ID


def test_what_goes_into_an_index_is_short() -> None:
    found = facts(b"Message-ID: <" + b"x" * 9_000 + b">\r\nFrom: " + b"y" * 9_000 + b" <a@b>\r\n\r\n", id=ID, now=NOW)
    assert len(found.message_id) == 998
    assert len(found.sender) == 1_000
