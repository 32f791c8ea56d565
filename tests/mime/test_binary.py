"""Binary parts become base64; whatever comes, what the parts say stays the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opostd.mime import pieces
from opostd.mime.binary import without_binary
from opostd.mime.scan import Kind, scan
from opostd.mime.section import decoded, encoding_of

MULTIPART = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n'
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"Subject: plain\r\n\r\ntext\r\n", b"Subject: plain\r\n\r\ntext\r\n"),
        (
            b"MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: BINARY\r\n\r\n" + PNG,
            b"Content-Transfer-Encoding: base64\r\nMIME-Version: 1.0\r\nContent-Type: image/png\r\n\r\n"
            b"iVBORw0KGgoAAAANSUhEUg==",
        ),
        # called binary, and no more than 8bit
        (
            b"MIME-Version: 1.0\r\nContent-Transfer-Encoding:\r\n binary\r\nSubject: x\r\n\r\n\xc3\xa9\r\n",
            b"Content-Transfer-Encoding: 8bit\r\nMIME-Version: 1.0\r\nSubject: x\r\n\r\n\xc3\xa9\r\n",
        ),
        # not called anything, and binary
        (
            b"Subject: x\r\n\r\na\nb",
            b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\nSubject: x\r\n\r\nYQpi",
        ),
        (b"Subject: x\r\nContent-Transfer-Encoding: x-own\r\n\r\n\0", None),
        # a long line
        (
            b"MIME-Version: 1.0\r\n\r\n" + b"x" * 999 + b"\r\n",
            b"Content-Transfer-Encoding: base64\r\nMIME-Version: 1.0\r\n\r\n"
            + b"\r\n".join([b"eHh4" * 19] * 17 + [b"eHh4" * 10 + b"DQo="]),
        ),
        (b"MIME-Version: 1.0\r\n\r\n" + b"x" * 998 + b"\r\n", None),
        # in parts, and in a message inside; delimiters stay, and so does a part that is encoded already
        (
            MULTIPART + b"Content-Transfer-Encoding: binary\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
            b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\n"
            b"Content-Transfer-Encoding: binary\r\n\r\n\0\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAA==\r\n"
            b"--b--\r\n",
            b"Content-Transfer-Encoding: 8bit\r\n" + MULTIPART + b"\r\n--b\r\n\r\ntext\r\n--b\r\n"
            b"Content-Transfer-Encoding: 8bit\r\nContent-Type: message/rfc822\r\n\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\nAA==\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAA==\r\n"
            b"--b--\r\n",
        ),
    ],
)
def test_messages(raw: bytes, expected: bytes | None) -> None:
    assert without_binary(raw) == (raw if expected is None else expected)


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(st.sampled_from([b"binary", b"8bit", b"base64", b""]), st.binary(max_size=70)), min_size=1, max_size=4
    )
)
def test_each_part_says_what_it_said(parts: list[tuple[bytes, bytes]]) -> None:
    raw = MULTIPART + b"\r\n"
    for encoding, body in parts:
        field = b"Content-Transfer-Encoding: " + encoding + b"\r\n" if encoding else b""
        raw += b"\r\n--b\r\n" + field + b"\r\n" + (b"AAEC" if encoding == b"base64" else body.replace(b"-", b"x"))
    raw += b"\r\n--b--\r\n"
    changed = without_binary(raw)
    assert _says(changed) == _says(raw)
    assert pieces.only_crlf(changed)
    assert b"\0" not in changed
    assert without_binary(changed) == changed


def test_a_large_part() -> None:
    body = bytes(range(256)) * 4000
    raw = b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\n" + body
    changed = without_binary(raw)
    assert _says(changed) == [body]
    assert max(map(len, changed.split(b"\r\n"))) == 76


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_octets(raw: bytes) -> None:
    """What has been made so stays so."""
    once = without_binary(raw)
    assert without_binary(once) == once


def _says(raw: bytes) -> list[bytes | None]:
    return [
        decoded(raw[part.body : part.end], encoding_of(raw[part.start : part.body]))
        for part in scan(raw).parts
        if part.kind is Kind.LEAF
    ]
