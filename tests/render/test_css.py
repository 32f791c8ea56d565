"""The style attribute, declaration by declaration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.render.css import MAX_STYLE, PROPERTIES, clean_style

TABLE = [
    ("color: red", "color: red"),
    ("COLOR:#FFF", "color: #fff"),
    ("color : rgba(128, 128, 128, .5) ;", "color: rgba(128, 128, 128, .5)"),
    ("color: rgb(1,2,3)", "color: rgb(1,2,3)"),
    ("color: hsl(1,2,3)", ""),
    ("color: var(--x)", ""),
    ("color: red !important", ""),
    ("color: red; color: url(x)", "color: red"),
    ("color: u\\rl(x)", ""),
    ("color: red /* x */", ""),
    ("color", ""),
    (":", ""),
    ("", ""),
    (";;;", ""),
    ("color:red;;text-align:left", "color: red; text-align: left"),
    ("background: red", ""),
    ("background-color: red", "background-color: red"),
    ("background-image: none", ""),
    ("position: fixed", ""),
    ("display: none", ""),
    ("opacity: 0", ""),
    ("z-index: 9", ""),
    ("content: 'x'", ""),
    ("behavior: url(x)", ""),
    ("-moz-binding: url(x)", ""),
    ("width: 100%", "width: 100%"),
    ("width: calc(1px)", ""),
    ("width: 100000px", ""),
    ("width: 10vw", ""),
    ("margin: -1px", ""),
    ("margin: 0 auto", "margin: 0 auto"),
    ("margin: 1px 2px 3px 4px 5px", ""),
    ("padding-left: 2.5em", "padding-left: 2.5em"),
    ("border: 1px solid red", "border: 1px solid red"),
    ("border: 1px solid rgba(128, 128, 128, .4)", "border: 1px solid rgba(128, 128, 128, .4)"),
    ("font-family: ui-monospace, menlo, monospace", "font-family: ui-monospace, menlo, monospace"),
    ("font-family: 'x'", ""),
    ("font-weight: 700", "font-weight: 700"),
    ("font-weight: 750", ""),
    ("line-height: 125%", "line-height: 125%"),
    ("text-decoration: underline dotted", "text-decoration: underline dotted"),
    ("color: red\0", ""),
    ("color: red\u2028", "color: red"),
    ("color: r\u00e9d", ""),
    ("color:&#114;ed", ""),
    ("color: red" + " " * MAX_STYLE, ""),
]


@pytest.mark.parametrize(("written", "kept"), TABLE)
def test_declarations(written: str, kept: str) -> None:
    assert clean_style(written) == kept


NAMES = st.sampled_from([*sorted(PROPERTIES), "position", "x", ""])
VALUES = st.one_of(st.text(max_size=12), st.from_regex(r"[a-z0-9 #.(),%-]{0,20}", fullmatch=True))


@given(st.lists(st.tuples(NAMES, VALUES).map(":".join), max_size=5).map(";".join))
def test_what_is_kept_is_kept_again_and_fetches_nothing(written: str) -> None:
    kept = clean_style(written)
    assert clean_style(kept) == kept
    assert kept.isascii()
    assert not set(kept) & set("\\@!&<>\"'/*{}")
    assert "url" not in kept or "url(" not in kept
