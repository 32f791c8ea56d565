"""A Markdown text becomes a message; nothing in a field becomes another field."""

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.config import LimitSettings
from opostd.intake import words
from opostd.intake.draft import draft
from opostd.intake.message import read
from opostd.model.errors import BadMessage

TO = ("bob@opost.example", "team@opost.example")


def parsed(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_plain() -> None:
    raw = draft(
        "Hello *you*\n", sender="anna@opost.example", name="Anna", to=TO, subject="Hi", now=0, message_id="<1@x>"
    )
    assert raw == (
        b"Date: Thu, 01 Jan 1970 00:00:00 -0000\r\n"
        b"From: Anna <anna@opost.example>\r\n"
        b"To: bob@opost.example,\r\n team@opost.example\r\n"
        b"Subject: Hi\r\n"
        b"Message-ID: <1@x>\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"Hello *you*\r\n"
    )


def test_defaults_are_a_date_and_a_new_message_id() -> None:
    first, second = (parsed(draft("x", sender="a@b.c", to=TO, subject="")) for _ in range(2))
    assert first["Date"].datetime.year > 2020
    assert first["Message-ID"] != second["Message-ID"]
    assert first["Message-ID"].endswith("@b.c>")


BAD = ["a\r\nBcc: x@y.z", "a\nb", "a\rb", "a\0b", "a\x85b", "a\u2028b", "a\x1bb", "a\x7fb", "a\ud800b"]


@pytest.mark.parametrize("text", BAD)
@pytest.mark.parametrize("what", ["sender", "to", "subject", "name", "message_id"])
def test_no_field_takes_a_control(text: str, what: str) -> None:
    fields: dict[str, object] = {"sender": "a@b.c", "to": ["b@b.c"], "subject": "s", "name": "n", "message_id": "<m>"}
    fields[what] = [text + "@b.c"] if what == "to" else text + "@b.c" if what == "sender" else text
    with pytest.raises(BadMessage):
        draft("text", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["", "anna", "a b@c.d", "<a@b.c>", "a@b.c, d@e.f", "a@b@c", "(x)a@b.c", '"a"@b.c'])
def test_no_address_is_two(address: str) -> None:
    with pytest.raises(BadMessage):
        draft("text", sender=address, to=TO, subject="s")
    with pytest.raises(BadMessage):
        draft("text", sender="a@b.c", to=[address], subject="s")


def test_text_with_nul_is_refused() -> None:
    with pytest.raises(BadMessage):
        draft("a\0b", sender="a@b.c", to=TO, subject="s")


@pytest.mark.parametrize(
    "text", ["a", "a\nb\n", "a\r\nb\r\n", "a\rb", "", "ü\n", "x" * 2000, ".\n..\n", "tail \nx\t\n"]
)
def test_text_comes_back(text: str) -> None:
    message = parsed(draft(text, sender="a@b.c", to=TO, subject="s"))
    wanted = text.replace("\r\n", "\n").replace("\r", "\n")
    if wanted and not wanted.endswith("\n"):
        wanted += "\n"
    assert message.get_content().replace("\r\n", "\n") == wanted


LINE = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=120)


@given(subject=LINE, name=LINE, text=st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=200))
def test_any_line_is_one_field(subject: str, name: str, text: str) -> None:
    raw = draft(text, sender="anna@opost.example", to=TO, subject=subject, name=name)
    message = read(raw, LimitSettings())
    assert [each.name for each in message.fields] == [
        b"date", b"from", b"to", b"subject", b"message-id",
        b"mime-version", b"content-type", b"content-transfer-encoding",
    ]  # fmt: skip
    assert all(len(each) <= 78 for field in message.fields for each in field.octets.split(b"\r\n"))
    assert raw.partition(b"\r\n\r\n")[0].isascii()


SUBJECTS = ["", "Hi", "Grüße", "日本語の件名" * 10, "=?utf-8?b?SGk=?=", "a" * 100, "👩‍👩‍👧 family " * 8, "x, y <z>"]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_subject_is_read_back(subject: str) -> None:
    assert str(parsed(draft("x", sender="a@b.c", to=TO, subject=subject))["Subject"]) == subject.strip()


NAMES = ["Anna", "Anna B. Cee", "Müller, Anna", 'A "B" C', "x\\y", "=?utf-8?q?x?=", "Anna <bob@x>", "名前", "a" * 60]


@pytest.mark.parametrize("name", NAMES)
def test_name_is_read_back(name: str) -> None:
    (address,) = parsed(draft("x", sender="anna@opost.example", to=TO, subject="", name=name))["From"].addresses
    assert (address.display_name, address.addr_spec) == (name, "anna@opost.example")


def test_no_encoded_word_is_too_long_or_cuts_a_character() -> None:
    for word in words.encoded_words("日本語ü" * 40).split(b"\r\n "):
        assert len(word) <= 75
        email.header.decode_header(word.decode())[0][0].decode()
