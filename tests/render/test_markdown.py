"""What Markdown becomes, from source to clean document."""

import socket
from pathlib import Path

import pytest

from opostd.render.markdown import CodeColours, to_html
from opostd.render.message import clean_text, document, fallback
from opostd.render.sanitize import sanitize
from opostd.render.worker import render
from tests.render.test_sanitize import Tokens, assert_clean

GOLDEN = Path(__file__).parent / "golden"

FEATURES = [
    ("a *b* **c**", "<p>a <em>b</em> <strong>c</strong></p>"),
    ("# A", "<h1>A</h1>"),
    ("a\nb", "<p>a\nb</p>"),
    ("a  \nb", "<p>a<br>\nb</p>"),
    ("a\n\nb", "<p>a</p>\n<p>b</p>"),
    ("> a", "<blockquote>\n<p>a</p>\n</blockquote>"),
    ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
    ("3. a\n4. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>'),
    ("1. a\n\n- b", "<ol>\n<li>a</li>\n</ol>\n<ul>\n<li>b</li>\n</ul>"),  # sane lists: two, not one
    ("`x < y`", "<p><code>x &lt; y</code></p>"),
    ("---", "<hr>"),
    ("[a](http://x.example/ 't')", '<p><a href="http://x.example/" title="t">a</a></p>'),
    ("[a][r]\n\n[r]: http://x.example/", '<p><a href="http://x.example/">a</a></p>'),
    ("<http://x.example/>", '<p><a href="http://x.example/">http://x.example/</a></p>'),
    ("http://x.example/", "<p>http://x.example/</p>"),  # no linkify
    ("![a](http://x.example/p.png)", '<p><a href="http://x.example/p.png">a</a></p>'),
    ("![](http://x.example/p.png) b", '<p><a href="http://x.example/p.png">http://x.example/p.png</a> b</p>'),
    ("[![a](http://x.example/p.png)](http://y.example/)", '<p><a href="http://y.example/"><span>a</span></a></p>'),
    ("![a](cid:logo)", '<p><img alt="a" src="cid:logo"></p>'),
    ("![a](javascript:x)", "<p><a>a</a></p>"),
    ("[a](javascript:x)", "<p><a>a</a></p>"),
    ("[a](//evil.example)", "<p><a>a</a></p>"),
    ("[a](\\\\evil.example\\x)", "<p><a>a</a></p>"),
    ("[a](data:text/html,x)", "<p><a>a</a></p>"),
    ("a <b onclick=x>b</b> <script>c</script>d", "<p>a <b>b</b> d</p>"),
    ("<div>a</div>", "<div>a</div>"),
    ("\\*a\\*", "<p>*a*</p>"),
    ("&copy; &lt; &", "<p>&copy; &lt; &amp;</p>"),
    ("\x02wzxhzdk:0\x03", "<p>\ufffdwzxhzdk:0\ufffd</p>"),  # the marks that Python-Markdown uses within
    ("", ""),
]


@pytest.mark.parametrize(("source", "html"), FEATURES)
def test_features(source: str, html: str) -> None:
    assert sanitize(to_html(clean_text(source))) == html


def test_a_table_with_alignment() -> None:
    tags = Tokens(render("| a | b |\n|---|--:|\n| 1 | 2 |")).tags
    assert [tag for tag, _ in tags if tag in ("table", "thead", "tbody", "tr", "th", "td")] == [
        "table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td",
    ]  # fmt: skip
    assert "text-align: right" in dict([each for each in tags if each[0] == "td"][1][1])["style"]


def test_code_is_coloured_in_place_and_keeps_its_text() -> None:
    html = render("```python\ndef f(x):\n    return 'a'  # <b>\n```")
    tokens = Tokens(html)
    assert "class" not in {name for _, attributes in tokens.tags for name, _ in attributes}
    assert ("span", (("style", "color: #1f75cb"),)) in tokens.tags
    text = "".join(each for each in tokens.all if isinstance(each, str) and not each.startswith("/"))
    assert "def f(x):\n    return 'a'  # <b>" in text.replace("/span", "")


@pytest.mark.parametrize("fence", ["```\nx\n```", "~~~\nx\n~~~", "    x", "```nosuchlanguage\nx\n```"])
def test_code_without_a_language_we_know_is_not_guessed(fence: str) -> None:
    tags = [tag for tag, _ in Tokens(render(fence)).tags]
    assert "pre" in tags
    assert not any(attributes for tag, attributes in Tokens(render(fence)).tags if tag == "span")


def test_the_style_of_the_author_is_neither_fetched_nor_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.css"
        source = f'<link rel="stylesheet" href="{url}">\n\n<style>@import "{url}"; p {{ color: red }}</style>\n\nx'
        html = render(source)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert "red" not in html
    assert url not in html


def test_footnotes_link_within_the_message() -> None:
    html = render("a[^1]\n\n[^1]: note")
    assert 'href="#fn:1"' in html
    assert 'id="fn:1"' in html
    assert 'href="#fnref:1"' in html
    assert 'id="fnref:1"' in html


def test_the_document() -> None:
    html = document("<p>x</p>")
    assert html.startswith("<!DOCTYPE html>\n<html>")
    assert '<meta name="color-scheme" content="light dark">' in html
    tags = [tag for tag, _ in Tokens(html).tags]
    assert tags.count("div") == 1
    assert not {"script", "link", "img", "table"} & set(tags)
    for fetched in ("http:", "https:", "url(", "@import", "@font-face", "background:", "background-color:"):
        assert fetched not in html


def test_the_fallback_shows_the_source() -> None:
    html = fallback("a < b & <script>\r\n\x00\ud800é")
    assert '<pre style="white-space: pre-wrap">a &lt; b &amp; &lt;script&gt;\n\ufffd\ufffdé</pre>' in html
    html.encode()


def test_code_colours_are_read_on_white_and_on_black() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    colours = {style["color"] for _, style in CodeColours if style["color"]}
    assert len(colours) > 5
    for colour in colours:  # WCAG 2: 3 for large text, 4.5 for small; no colour has 4.5 on both
        on_white = 1.05 / (luminance(colour) + 0.05)
        on_black = (luminance(colour) + 0.05) / (luminance("1c1c1c") + 0.05)
        assert on_white >= 4, colour
        assert on_black >= 3, colour


def test_the_golden_document() -> None:
    html = render((GOLDEN / "rich.md").read_text())
    assert html == (GOLDEN / "rich.html").read_text()
    assert_clean(html[html.index("<div") : html.index("</body>")].partition(">")[2])
