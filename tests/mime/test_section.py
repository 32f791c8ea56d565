"""BODY[section] by offset, HEADER.FIELDS, BINARY (RFC 9051 6.4.5)."""

import pytest

from opostd.mime.scan import scan
from opostd.mime.section import SectionName, decoded, encoding_of, header_fields, span

# RFC 9051 6.4.5.1 has this shape as its example
RAW = b"""Subject: whole
Content-Type: multipart/mixed; boundary=a

--a
Content-Type: text/plain

one
--a
Content-Type: application/octet-stream

two
--a
Content-Type: message/rfc822

Subject: three
Content-Type: multipart/mixed; boundary=b

--b

three.one
--b
X: 3.2

three.two
--b--
--a
Content-Type: multipart/mixed; boundary=c

--c
Content-Type: image/gif

four.one
--c
Content-Type: message/rfc822

Subject: four.two

four.two.one
--c--
--a--
"""
W, H, T, M = SectionName.WHOLE, SectionName.HEADER, SectionName.TEXT, SectionName.MIME


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ((1,), W, b"one"),
        ((1,), M, b"Content-Type: text/plain\n\n"),
        ((1,), H, None),  # RFC 9051 6.4.5.1: HEADER of a part refers to a message/rfc822
        ((1,), T, None),
        ((1, 1), W, None),
        ((2,), W, b"two"),
        ((3,), M, b"Content-Type: message/rfc822\n\n"),
        ((3,), H, b"Subject: three\nContent-Type: multipart/mixed; boundary=b\n\n"),
        ((3,), T, b"--b\n\nthree.one\n--b\nX: 3.2\n\nthree.two\n--b--"),
        ((3, 1), W, b"three.one"),
        ((3, 1), M, b"\n"),
        ((3, 2), W, b"three.two"),
        ((3, 2), M, b"X: 3.2\n\n"),
        ((3, 3), W, None),
        ((3, 0), W, None),
        ((4,), H, None),  # a multipart that is no message has no HEADER
        ((4,), T, None),
        ((4,), M, b"Content-Type: multipart/mixed; boundary=c\n\n"),
        ((4, 1), W, b"four.one"),
        ((4, 1), M, b"Content-Type: image/gif\n\n"),
        ((4, 2), W, b"Subject: four.two\n\nfour.two.one"),
        ((4, 2), H, b"Subject: four.two\n\n"),
        ((4, 2), T, b"four.two.one"),
        ((4, 2, 1), W, b"four.two.one"),
        ((4, 2, 1), M, b"Subject: four.two\n\n"),
        ((4, 2, 2), W, None),
        ((4, 2, 1, 1), W, None),
        ((5,), W, None),
        ((2**32,), W, None),
        ((), M, None),
        ((), H, b"Subject: whole\nContent-Type: multipart/mixed; boundary=a\n\n"),
    ],
)
def test_sections(path: tuple[int, ...], name: SectionName, expected: bytes | None) -> None:
    where = span(len(RAW), scan(RAW), path, name)
    assert (None if where is None else RAW[slice(*where)]) == expected


def test_header_and_text_are_the_message() -> None:
    tree = scan(RAW)
    _, border = span(len(RAW), tree, (), H) or (0, 0)
    assert span(len(RAW), tree, (), T) == (border, len(RAW))
    assert span(len(RAW), tree, (), W) == (0, len(RAW))


PLAIN = b"Subject: s\r\n\r\nbody\r\n"


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ((1,), W, b"body\r\n"),  # RFC 9051 6.4.5.1: a message that is no multipart has part 1
        ((1,), M, b"Subject: s\r\n\r\n"),
        ((1,), H, None),
        ((2,), W, None),
        ((1, 1), W, None),
        ((), T, b"body\r\n"),
    ],
)
def test_of_a_plain_message(path: tuple[int, ...], name: SectionName, expected: bytes | None) -> None:
    where = span(len(PLAIN), scan(PLAIN), path, name)
    assert (None if where is None else PLAIN[slice(*where)]) == expected


BLOCK = b"To: a\r\nX-Long: one\r\n two\r\n\tthree\r\nSubject: s\r\nno field\r\n folded\r\nto : b\r\nTo-Do: c\r\n\r\n"


@pytest.mark.parametrize(
    ("names", "not_", "expected"),
    [
        ({b"to"}, False, b"To: a\r\nto : b\r\n\r\n"),
        ({b"x-long"}, False, b"X-Long: one\r\n two\r\n\tthree\r\n\r\n"),
        ({b"to", b"subject"}, False, b"To: a\r\nSubject: s\r\nto : b\r\n\r\n"),
        ({b"none"}, False, b"\r\n"),
        ({b".*"}, False, b"\r\n"),  # names are no patterns
        (set(), False, b"\r\n"),
        (set(), True, BLOCK),
        ({b"none"}, True, BLOCK),
        ({b"to", b"x-long"}, True, b"Subject: s\r\nno field\r\n folded\r\nTo-Do: c\r\n\r\n"),
        ({b"to", b"x-long", b"subject", b"to-do"}, True, b"no field\r\n folded\r\n\r\n"),
    ],
)
def test_header_fields(names: set[bytes], not_: bool, expected: bytes) -> None:
    assert header_fields(BLOCK, frozenset(names), not_) == expected


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"", b"\r\n"),
        (b"\r\n", b"\r\n"),
        (b"A: b", b"A: b\r\n\r\n"),  # a message that ends in its header
        (b"A: b\r\n", b"A: b\r\n\r\n"),
        (b"A: b\n\n", b"A: b\n\r\n"),
        (b"A:\r\n b", b"A:\r\n b\r\n\r\n"),
    ],
)
def test_header_fields_end_with_an_empty_line(block: bytes, expected: bytes) -> None:
    assert header_fields(block, frozenset((b"a",)), False) == expected
    assert header_fields(block, frozenset((b"b",)), True) == expected


@pytest.mark.parametrize(
    ("body", "encoding", "expected"),
    [
        (b"x=20", b"", b"x=20"),
        (b"x", b"7BIT", b"x"),
        (b"x", b"8bit", b"x"),
        (b"x\0", b"binary", b"x\0"),
        (b"Z3Lk\r\nfA==\r\n", b"Base64", b"gr\xe4|"),
        (b"Z3Lk!f A", b"base64", b"gr\xe4|"),
        (b"Z3LkfA", b"base64", b"gr\xe4|"),
        (b"Z3LkfAB", b"base64", b"gr\xe4|\x00"),
        (b"=", b"base64", b""),
        (b"SGVsbG8=\r\nSGVsbG8=\r\n", b"base64", b"HelloHello"),  # encoded piece by piece
        (b"SGVsbA==\r\nSGVsbA\r\n", b"base64", b"HellHell"),
        (b"SGVsbG8=\r\n-- \r\nlist footer\r\n", b"base64", b"Hello"),
        (b"SGVsbG8=\r\n\r\n", b"base64", b"Hello"),
        (b"S=GVsbG8=", b"base64", b"Hello"),  # pads nothing
        (b"SGVsbG8" + b"=" * 5000, b"base64", b"Hello"),
        (b"a \t\r\nb  =\r\nc= \t\r\nd =20 \ne  ", b"quoted-printable", b"a\r\nb  cd  \ne"),  # RFC 2045 6.7 (3)
        (b"Gr=C3=BC=C3=9Fe=\r\n!", b"quoted-printable", "Grüße!".encode()),
        (b"=zz=4", b"quoted-printable", b"=zz=4"),
        (b"x", b"x-uuencode", None),
        (b"x", b"gzip", None),
    ],
)
def test_decoded(body: bytes, encoding: bytes, expected: bytes | None) -> None:
    assert decoded(body, encoding) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"", b""),
        (b"Content-Type: text/plain\r\n\r\n", b""),
        (b"A: b\r\nContent-transfer-ENCODING : base64 (so)\r\n\r\n", b"base64"),
        (b"Content-Transfer-Encoding:\r\n quoted-printable\r\n\r\n", b"quoted-printable"),
        (b"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n\r\n", b"7bit"),
    ],
)
def test_encoding_of(header: bytes, expected: bytes) -> None:
    assert encoding_of(header) == expected
