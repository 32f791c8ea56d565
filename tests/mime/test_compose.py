"""multipart/alternative, read again by Python's parser and by ours."""

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.mime.compose import alternative, quoted_printable
from opostd.mime.scan import scan
from opostd.mime.section import decoded

BOUNDARY = b"=_b1"
TEXTS = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("\r\n \t.=-F")))


def crlf(text: str) -> bytes:
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


@given(TEXTS)
def test_the_text_is_not_altered(text: str) -> None:
    encoded = quoted_printable(text)
    assert encoded.isascii()
    assert decoded(encoded, b"quoted-printable") == crlf(text)
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))
    assert b"\n" not in encoded.replace(b"\r\n", b"")
    assert b"\r" not in encoded.replace(b"\r\n", b"")
    assert not any(line.startswith(b"From ") or line == b"." for line in encoded.split(b"\r\n"))
    assert not any(line.endswith((b" ", b"\t")) for line in encoded.split(b"\r\n"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", b""),
        ("a\nb\r\nc", b"a\r\nb\r\nc"),
        ("a \n\t", b"a=20\r\n=09"),
        ("a\rb", b"a=0Db"),
        ("1=2", b"1=3D2"),
        (".\n..", b"=2E\r\n.."),
        ("From me\nFrom", b"=46rom me\r\nFrom"),
        ("From " + "x" * 71, b"=46=\r\nrom " + b"x" * 71),
        ("x" * 77, b"x" * 75 + b"=\r\nxx"),
        ("ü\ud800", b"=C3=BC?"),
    ],
)
def test_quoted_printable(text: str, expected: bytes) -> None:
    assert quoted_printable(text) == expected
    assert all(len(line) <= 76 for line in quoted_printable(text).split(b"\r\n"))


@given(TEXTS, TEXTS)
def test_both_parts_are_read_again(text: str, html: str) -> None:
    raw = alternative([(b"Subject", b"s"), (b"To", b"a@b,\r\n c@d")], text, html, BOUNDARY)
    tree = scan(raw)
    assert len(tree.parts) == 3
    bodies = [decoded(raw[part.body : part.end], b"quoted-printable") for part in tree.parts[1:]]
    assert bodies == [crlf(text), crlf(html)]


def test_python_reads_it() -> None:
    raw = alternative([(b"Subject", b"s")], "Grüße\n\n*x*  \n", "<p>Grüße</p>\n", BOUNDARY)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert not message.defects
    assert message["Subject"] == "s"
    assert message["MIME-Version"] == "1.0"
    assert message.get_content_type() == "multipart/alternative"
    plain, html = message.get_payload()
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert plain.get_content() == "Grüße\r\n\r\n*x*  \r\n"
    assert html.get_content() == "<p>Grüße</p>\r\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"Subject", b"a\r\nBcc: b"),
        (b"Subject", b"a\nb"),
        (b"Subject", b"a\rb"),
        (b"Subject", b"a\n b"),  # a fold is CRLF
        (b"Subject", b"a\0b"),
        (b"Subject", b"a\r\n"),
        (b"Sub:ject", b"a"),
        (b"", b"a"),
        (b"A B", b"a"),
        (b"A\r\nB", b"a"),
    ],
)
def test_more_than_one_header_field(name: bytes, value: bytes) -> None:
    with pytest.raises(ValueError, match="field"):
        alternative([(name, value)], "", "", BOUNDARY)


@pytest.mark.parametrize("boundary", [b"", b"a b", b'a"', b"x" * 71, b"a\r\nb", b"\xc3\xbc"])
def test_no_boundary(boundary: bytes) -> None:
    with pytest.raises(ValueError, match="boundary"):
        alternative([], "", "", boundary)


def test_a_boundary_of_the_text() -> None:
    with pytest.raises(ValueError, match="boundary"):
        alternative([], "--abc", "", b"abc")
