"""Search text and preview."""

import pytest

from opostd.mime.casemap import casemap
from opostd.mime.html import text_of_html
from opostd.mime.scan import scan
from opostd.mime.text import MAX_CHARACTERS, preview, search_text, shown

ALTERNATIVE = (
    b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n%b\r\n\r\n%b\r\n--b\r\n%b\r\n\r\n%b\r\n--b--\r\n"
)
PLAIN, HTML = b"Content-Type: text/plain", b"Content-Type: text/html"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<p>one</p><p>two</p>", "one two"),
        ("<b>w</b>or<i>d</i>", "word"),
        ("a<br>b<br/>c", "a b c"),
        ("<td>1</td><td>2</td>", "1 2"),
        ("a<script>var x = '<b>';</script>b", "a b"),
        ("a<SCRIPT type=x>alert(1)</script >b", "a b"),
        ("<style>p { color: red }</style>x", "x"),
        ("a<!-- <b> -- > -->b", "a b"),
        ("a<!-- unclosed", "a"),
        ("a<script>unclosed", "a"),
        ("a<b unclosed", "a"),
        ("&lt;b&gt; &amp; &uuml; &#252; &#xfc; &nbsp;x", "<b> & ü ü ü x"),
        ("&#" + "9" * 5000 + ";", "\ufffd"),  # over the length that Python takes as a number
        ("&#x110000;&#xD800;", "\ufffd\ufffd"),
        ("1 < 2 > 0", "1 < 2 > 0"),
        ("<!doctype html><?xml x?>x", "x"),
        ("<title>t</title>\n\n  x \t y", "t x y"),
        ('<a href="x">link</a>ed', "linked"),
        ("<B>w</B>or<FONT size=1>d</Font>", "word"),
        ("<BR>a<sCrIpT>x</ScRiPt>b<XMP>y</xmp>c<nOeMbEd>z</NOEMBED>d<TEMPLATE>t</template >e", "a b c d e"),
        ("<scripts>a</scripts><styles>b</styles>", "a b"),  # no such words, so there is no end to be found
        ("a<style>x</script></STYLE>b<!-- c <i>--></i>d", "a b d"),
        ("</p>a</ p>b<!x>c<?y?>d", "a b c d"),
        ("a<>b< i>c</>d", "a<>b< i>c d"),
    ],
)
def test_html(source: str, expected: str) -> None:
    assert text_of_html(source) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"Subject: not here\r\n\r\nOne\r\nTWO\r\n", "one\ntwo"),
        (b"\r\nGr\xc3\xbc\xc3\x9fe", "grüße"),
        (b"\r\nGr\xfc\xdfe", "grüße"),
        (b"Content-Type: text/plain; charset=iso-8859-2\r\n\r\n\xb9", "š"),
        (b"Content-Type: text/plain; charset=rot13\r\n\r\nuryyb", "uryyb"),
        (b"Content-Type: text/plain; charset=utf-8\r\n\r\na\xff", "aÿ"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nR3LD\r\nvMOfZQ==", "grüße"),
        (b"Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=\r\n=C3=9Fe", "grüße"),
        (b"Content-Transfer-Encoding: x-what\r\n\r\nx", "x"),
        (b"Content-Type: text/html\r\n\r\n<p>A <b>B</b></p>", "a b"),
        (b"Content-Type: application/pdf\r\n\r\nx", ""),
        (b"Content-Type: text/csv\r\n\r\nX;Y", "x;y"),
        (b"Content-Type: multipart/mixed\r\n\r\nX", "x"),  # no boundary: text after all
        (ALTERNATIVE % (PLAIN, b"one", HTML, b"<i>two</i>"), "one\n\ntwo"),
        (b"Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?=C3=9Cber?=\r\n\r\nBODY", "über\n\nbody"),
        (b"\r\na\0b\x1bc", "a\ufffdb\ufffdc"),
        (b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA-", "\ufffd"),
        (b"Content-Type: text/plain; charset=utf-16-le\r\n\r\na\0\0\xd8", "a\ufffd"),
    ],
)
def test_search_text(raw: bytes, expected: str) -> None:
    assert search_text(raw, scan(raw)) == casemap(expected)


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_search_text_is_bounded(kind: str) -> None:
    raw = f"Content-Type: text/{kind}\r\n\r\n".encode() + b"x y " * 1_000_000
    assert MAX_CHARACTERS - 4 < len(search_text(raw, scan(raw))) <= MAX_CHARACTERS
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + (b"--b\r\n\r\n" + b"x" * 400_000 + b"\r\n") * 9
    assert len(search_text(many, scan(many))) <= MAX_CHARACTERS


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\r\n One \r\n\r\n two\tTHREE\r\n", "One two THREE"),
        (ALTERNATIVE % (HTML, b"<p>html</p>", PLAIN, b"plain"), "plain"),
        (ALTERNATIVE % (PLAIN, b"  ", HTML, b"<p>html</p>"), "html"),
        (ALTERNATIVE % (PLAIN + b"\r\nContent-Disposition: attachment", b"no", PLAIN, b"yes"), "yes"),
        (b"Content-Type: image/png\r\n\r\nx", ""),
        (b"\r\n" + b"word " * 100, ("word " * 40).strip()),
        (b"\r\n" + "ü".encode() * 300, "ü" * 200),
    ],
)
def test_preview(raw: bytes, expected: str) -> None:
    assert preview(raw, scan(raw)) == expected


HTML = b"Content-Type: text/html\r\n\r\n<p>Hello</p>"
PLAIN = b"Content-Type: text/plain; charset=latin-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nHall=F6"
ATTACHED = b"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nnot this"


def multipart(*parts: bytes) -> bytes:
    body = b"".join(b"--x\r\n" + part + b"\r\n" for part in parts)
    return b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + body + b"--x--\r\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (PLAIN, ("Hallö", "")),
        (HTML, ("Hello", "<p>Hello</p>")),
        (multipart(PLAIN, HTML), ("Hallö", "<p>Hello</p>")),
        (multipart(ATTACHED, HTML, PLAIN), ("Hallö", "<p>Hello</p>")),
        (multipart(ATTACHED), ("", "")),
        (multipart(PLAIN, HTML, HTML + b" again"), ("Hallö", "<p>Hello</p>")),
        (b"", ("", "")),
    ],
)
def test_what_a_person_reads(raw: bytes, expected: tuple[str, str]) -> None:
    found = shown(raw, scan(raw))
    assert (found.text.strip(), found.html.strip()) == expected
