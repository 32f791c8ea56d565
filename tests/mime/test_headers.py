"""Fields, unfolding, encoded words, parameters."""

import pytest

from opostd.mime.charsets import codec_of, decode
from opostd.mime.headers import Media, decode_words, disposition, fields, joined, media, parameters, token, unfold


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"", []),
        (b"\r\n", []),
        (b"A: b\r\nC:d\r\n\r\n", [(b"A", b" b"), (b"C", b"d")]),
        (b"A: b\n c\n\td\nE: f", [(b"A", b" b\n c\n\td"), (b"E", b" f")]),
        (b"A : b\r\n", [(b"A", b" b")]),  # RFC 5322 4.5.8
        (b"A:\r\n", [(b"A", b"")]),
        (b"From x Mon\r\n: no name\r\nno colon\r\n folded\r\nX Y: z\r\nA: b\r\n", [(b"A", b" b")]),
        (b"\xc3\xbc: x\r\nA: \xc3\xbc\r\n", [(b"A", b" \xc3\xbc")]),
        (b"A: b:c: d\r\n", [(b"A", b" b:c: d")]),
    ],
)
def test_fields(block: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert [(name, value.rstrip(b"\r")) for name, value in fields(block)] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" a\r\n b\r", b"a b"),
        (b" a\n\tb ", b"a\tb"),
        (b"a\r\n  b", b"a  b"),
        (b"a\rb\0c", b"a b c"),
        (b"a\r\r\n b", b"a b"),
        (b"", b""),
        (b" \r\n \r\n ", b""),
    ],
)
def test_unfold(value: bytes, expected: bytes) -> None:
    assert unfold(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe_aus?= x", "Grüße aus x"),
        (b"=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?utf-8?b?R3LDvMOfZQ?=", "Grüße"),  # padding missing
        (b"=?utf-8?b?R3L!DvMOfZQ==?=", "Grüße"),
        (b"=?iso-8859-1?q?Gr=FC=DFe?=", "Grüße"),
        # RFC 2047 8: white space between words is not shown
        (b"(=?ISO-8859-1?Q?a?=)", "(a)"),
        (b"=?ISO-8859-1?Q?a?= b", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=  =?utf-8?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a_b?=", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        (b"=?utf-8?b?w7w=?= and =?utf-8?b?w7w=?=", "ü and ü"),
        (b"=?utf-8?b?ww==?= =?utf-8?b?vA==?=", "ü"),  # a character cut in two
        (b"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?= =?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "日本日本"),
        (b"=?utf-8*de?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),  # RFC 2231 5
        (b"=?utf-8?q?a?b?=", "=?utf-8?q?a?b?="),
        (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
        (b"=?utf-8?q?a", "=?utf-8?q?a"),
        (b"=?rot13?q?uryyb?=", "uryyb"),  # no charset: never reaches the codec
        (b"=?unicode_escape?q?=5Cu0041?=", "\\u0041"),
        (b"=?x-unknown?q?=FC?=", "ü"),
        (b"=?../../etc/passwd?q?x?=", "x"),
        (b"=?utf-8?q?=FC?=", "ü"),  # not UTF-8 after all
        (b"Gr\xc3\xbc\xc3\x9fe", "Grüße"),
        (b"Gr\xfc\xdfe", "Grüße"),
        (b"=?utf-8?q?a=0D=0ABcc:_b?=", "a Bcc: b"),  # encoded CRLF is no new line
        (b"=?utf-8?q?a=00b=1B?=", "a\ufffdb\ufffd"),
        (b"=?utf-8?b?4oCuZXhlLmdwag==?=", "\ufffdexe.gpj"),  # U+202E, right-to-left override
        (b"=?utf-7?q?+2AA-?=", "\ufffd"),  # a lone surrogate
        (b"\x00a", "\ufffda"),
        (b"=?us-ascii?q?Gr=C3=BC?=", "Grü"),
        (b"=?gb2312?b?xOO6ww==?=", "你好"),
        (b"=?windows-1252?q?=93a=94?=", "“a”"),
        (b"=?cp932?b?k/qWew==?=", "日本"),
    ],
)
def test_decode_words(value: bytes, expected: str) -> None:
    assert decode_words(value) == expected


@pytest.mark.parametrize("name", ["rot13", "zlib", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "hex"])
def test_what_is_no_charset(name: str) -> None:
    assert codec_of(name) is None


@pytest.mark.parametrize(
    "name",
    "UTF-8 utf8 US-ASCII ISO-8859-1 iso8859-15 latin1 Windows-1251 CP-1252 KOI8-R koi8-u GB2312 GB18030 GBK big5 "
    "EUC-JP Shift_JIS ISO-2022-JP EUC-KR ks_c_5601-1987 iso-2022-kr TIS-620 macintosh IBM850 iso-8859-8-i x-sjis "
    "utf-16 UTF-16LE utf-7 x-cp1250 ansi_x3.4-1968".split(),
)
def test_charsets_that_mail_is_written_in(name: str) -> None:
    codec = codec_of(name)
    assert codec is not None
    b"".decode(codec)
    assert decode(b"abc", name) is not None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"text/plain", (b"text", b"plain", ())),
        (b" Text/HTML ; charset=utf-8", (b"Text", b"HTML", ((b"charset", b"utf-8"),))),
        (b'text/plain; charset="utf-8"', (b"text", b"plain", ((b"charset", b"utf-8"),))),
        (b"text/plain;charset=utf-8;", (b"text", b"plain", ((b"charset", b"utf-8"),))),
        (b'a/b; x="c;d\\"e\\\\"; y=1', (b"a", b"b", ((b"x", b'c;d"e\\'), (b"y", b"1")))),
        (b"a/b; x = 1 ; y= 2", (b"a", b"b", ((b"x", b"1"), (b"y", b"2")))),
        (b'a/b; x="unclosed; y=1', (b"a", b"b", ((b"x", b"unclosed; y=1"),))),
        (b"a/b; x; =; y=", (b"a", b"b", ((b"y", b""),))),
        (b"a/b (comment); x=1 (two (nested))", (b"a", b"b", ((b"x", b"1"),))),
        (b"(c) a/b", (b"a", b"b", ())),
        (b'a/b; name="x (1).pdf"', (b"a", b"b", ((b"name", b"x (1).pdf"),))),
        (b"a/b; name=x (1).pdf", (b"a", b"b", ((b"name", b"x (1).pdf"),))),
        (b"a/b; name=x(1)", (b"a", b"b", ((b"name", b"x(1)"),))),
        (b"a/b; boundary=----=_x", (b"a", b"b", ((b"boundary", b"----=_x"),))),
        (b"a / b", (b"a", b"b", ())),
        (b"text", None),
        (b"", None),
        (b"/plain", None),
        (b"text/", None),
    ],
)
def test_media(value: bytes, expected: Media | None) -> None:
    assert media(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"attachment; filename=a.txt", (b"attachment", b"", ((b"filename", b"a.txt"),))),
        (b"inline", (b"inline", b"", ())),
        (b"", None),
        (b"; filename=x", None),
    ],
)
def test_disposition(value: bytes, expected: Media | None) -> None:
    assert disposition(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b" base64\r", b"base64"), (b"7bit; x", b"7bit"), (b"(c) 8bit (d)", b"8bit"), (b"", b""), (b'"', b"")],
)
def test_token(value: bytes, expected: bytes) -> None:
    assert token(value) == expected


@pytest.mark.parametrize(
    ("value", "together", "read"),
    [
        (b'a/b; N="x"', [(b"N", b"x")], {"n": "x"}),
        (b"a/b; n*0=x; n*1=y", [(b"n", b"xy")], {"n": "xy"}),
        (b"a/b; n*1=y; n*0=x", [(b"n", b"xy")], {"n": "xy"}),
        (
            b"a/b; n*0*=utf-8'de'Gr%C3%BC; n*1*=%C3%9Fe; n*2=\" 1%.pdf\"",
            [(b"n*", b"utf-8'de'Gr%C3%BC%C3%9Fe%201%25.pdf")],
            {"n": "Grüße 1%.pdf"},
        ),
        (b"a/b; n*=utf-8''%e2%82%ac", [(b"n*", b"utf-8''%e2%82%ac")], {"n": "€"}),
        (b"a/b; n*=iso-8859-1'en'%A3", [(b"n*", b"iso-8859-1'en'%A3")], {"n": "£"}),
        (b"a/b; n=plain; n*=utf-8''best", [(b"n", b"plain"), (b"n*", b"utf-8''best")], {"n": "best"}),
        (b"a/b; n*0=x; n*2=z", [(b"n", b"xz")], {"n": "xz"}),
        (b"a/b; n*0=x; n*1*=%20y", [(b"n*", b"''x%20y")], {"n": "x y"}),
        (b'a/b; n="=?utf-8?q?=C3=BC?="', [(b"n", b"=?utf-8?q?=C3=BC?=")], {"n": "ü"}),
        (b"a/b; n*=rot13''uryyb", [(b"n*", b"rot13''uryyb")], {"n": "uryyb"}),
        (b"a/b; n*=utf-8''a%00%0D%0Ab", [(b"n*", b"utf-8''a%00%0D%0Ab")], {"n": "a\ufffd b"}),
    ],
)
def test_rfc_2231(value: bytes, together: list[tuple[bytes, bytes]], read: dict[str, str]) -> None:
    said = media(value)
    assert said is not None
    assert joined(said.params) == together
    assert parameters(said) == read
