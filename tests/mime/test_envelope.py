"""ENVELOPE: defaults, absent and empty fields, seven bits (RFC 9051 7.5.2)."""

from email.header import decode_header, make_header

import pytest

from opostd.mime.addresses import MAX_ADDRESSES
from opostd.mime.envelope import envelope
from opostd.mime.octets import encode_words, nstring
from tests.mime.imap_octets import check_envelope, parse

A = b'((NIL NIL "a" "x"))'
B = b'((NIL NIL "b" "x"))'


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"", b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"),
        (b"From: a@x\r\n\r\n", b"(NIL NIL %b %b %b NIL NIL NIL NIL NIL)" % (A, A, A)),
        (b"From: a@x\r\nSender: b@x\r\n", b"(NIL NIL %b %b %b NIL NIL NIL NIL NIL)" % (A, B, A)),
        (b"From: a@x\r\nReply-To: b@x\r\n", b"(NIL NIL %b %b %b NIL NIL NIL NIL NIL)" % (A, A, B)),
        (b"From: a@x\r\nReply-To:\r\nSender: ,\r\n", b"(NIL NIL %b %b %b NIL NIL NIL NIL NIL)" % (A, A, A)),
        (b"Sender: b@x\r\n", b"(NIL NIL NIL %b NIL NIL NIL NIL NIL NIL)" % B),
        (b"Date:\r\nSubject: \r\nMessage-Id:\r\nIn-Reply-To:\r\n", b'("" "" NIL NIL NIL NIL NIL NIL "" "")'),
        (b"To: a@x\r\nCC: b@x\r\nbcc: a@x\r\n", b"(NIL NIL NIL NIL NIL %b %b %b NIL NIL)" % (A, B, A)),
        (b"To: a@x\r\nTo: b@x\r\n", b'(NIL NIL NIL NIL NIL ((NIL NIL "a" "x")(NIL NIL "b" "x")) NIL NIL NIL NIL)'),
        (b"Subject: one\r\nSubject: two\r\n", b'(NIL "one" NIL NIL NIL NIL NIL NIL NIL NIL)'),
        (b"To: g:;\r\n", b'(NIL NIL NIL NIL NIL ((NIL NIL "g" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)'),
        (b'Subject: a "b" \\c\r\n', b'(NIL "a \\"b\\" \\\\c" NIL NIL NIL NIL NIL NIL NIL NIL)'),
        (b"Subject: a\r\n b\rc\0d\r\n", b'(NIL "a b c d" NIL NIL NIL NIL NIL NIL NIL NIL)'),
        (b"Subject: =?utf-8?q?=0D=0A?=\r\n", b'(NIL "=?utf-8?q?=0D=0A?=" NIL NIL NIL NIL NIL NIL NIL NIL)'),
        (b"Subject: Gr\xc3\xbc\xc3\x9fe\r\n", b'(NIL "=?utf-8?b?R3LDvMOfZQ==?=" NIL NIL NIL NIL NIL NIL NIL NIL)'),
        (b"Subject: Gr\xfc\xdfe\r\n", b'(NIL "=?utf-8?b?R3LDvMOfZQ==?=" NIL NIL NIL NIL NIL NIL NIL NIL)'),
    ],
)
def test_envelope(block: bytes, expected: bytes) -> None:
    assert envelope(block) == expected
    check_envelope(expected)


def test_addresses_are_bounded_together() -> None:
    found = parse(envelope(b"From: a@x\r\nTo: " + b"a@x," * 9_000 + b"\r\nCc: " + b"a@x," * 9_000 + b"\r\n"))
    assert isinstance(found, list)
    assert sum(len(entries) for entries in found[5:7] if isinstance(entries, list)) == MAX_ADDRESSES - 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, b"NIL"),
        (b"", b'""'),
        (b"NIL", b'"NIL"'),
        (b'"', b'"\\""'),
        (b"a\tb", b'"a b"'),
        (b"a\x00b", b'"=?utf-8?b?Ye+/vWI=?="'),
        (b"a\x00\r\nb", b'"=?utf-8?b?Ye+/vSBi?="'),
    ],
)
def test_nstring(value: bytes | None, expected: bytes) -> None:
    assert nstring(value) == expected


def test_encoded_words_are_short_and_whole() -> None:
    text = "Grüße 日本語 🙂 " * 50
    octets = encode_words(text)
    words = octets.split(b" ")
    assert all(len(word) <= 75 for word in words)  # RFC 2047 2
    assert str(make_header(decode_header(octets.decode()))) == text


def test_utf8() -> None:
    """RFC 6855 3: raw UTF-8 stays for a client that has enabled it, encoded words too; other octets do not."""
    block = (
        "From: Jürgen <jürgen@exämple.org>\r\nTo: =?utf-8?q?J=C3=BC?= <a@example.org>\r\n"
        'Subject: Grüße "so"\r\n\tweiter\r\nMessage-ID: '
    ).encode() + b"<\xff@x>\r\n\r\n"
    shown = envelope(block, utf8=True)
    assert '(("Jürgen" NIL "jürgen" "exämple.org"))'.encode() in shown
    assert b'(("=?utf-8?q?J=C3=BC?=" NIL "a" "example.org"))' in shown
    assert 'Grüße \\"so\\"'.encode() in shown
    assert b"\xff" not in shown
    assert b"\r" not in shown
    assert b"\n" not in shown
    assert envelope(block).isascii()
