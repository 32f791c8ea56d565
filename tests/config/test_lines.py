"""Lines of keys in TOML texts, whatever stands between them."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.config.toml_lines import key_lines

TEXTS = [
    ("a = 1", {("a",): 1}),
    ("\n\n  a=1 # b = 2\nb = 3", {("a",): 3, ("b",): 4}),
    ("[t]\na = 1\n[t.u]\nb = 2", {("t",): 1, ("t", "a"): 2, ("t", "u"): 3, ("t", "u", "b"): 4}),
    ("a.b = 1\na.c = 2", {("a",): 1, ("a", "b"): 1, ("a", "c"): 2}),
    ('"a.b" = 1\n\'c d\'."e" = 2', {("a.b",): 1, ("c d",): 2, ("c d", "e"): 2}),
    ("a = [\n  1, # ]\n  2,\n]\nb = 1", {("a",): 1, ("b",): 5}),
    ('a = """\nb = 2\n\\"""\n"""\nc = 3', {("a",): 1, ("c",): 5}),
    ("a = '''\nb = 2\\'''\nc = 3", {("a",): 1, ("c",): 3}),
    ('a = """x""""\nb = 1', {("a",): 1, ("b",): 2}),
    ('a = ["]", \'[\', "\\"]"]\nb = 1', {("a",): 1, ("b",): 2}),
    ("a = {b = 1, c = {d = 2}}\ne = 1", {("a",): 1, ("e",): 2}),
    ("[[t]]\na = 1\n[[t]]\na = 2", {("t",): 1, ("t", "a"): 2}),
    ("a = 1\r\nb = 2\r\n", {("a",): 1, ("b",): 2}),
    ('["x]y"]\na = 1', {("x]y",): 1, ("x]y", "a"): 2}),
    ("[ t . u ] # c\na = 1", {("t",): 1, ("t", "u"): 1, ("t", "u", "a"): 2}),
    ("", {}),
]


@pytest.mark.parametrize(("text", "lines"), TEXTS)
def test_lines(text: str, lines: dict[tuple[str, ...], int]) -> None:
    tomllib.loads(text)
    assert key_lines(text) == lines


VALUES = st.one_of(
    st.integers().map(str),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x24F, blacklist_characters="'\x7f")).map(
        lambda text: f"'{text}'" if text.isprintable() else "''"
    ),
    st.sampled_from(['"""\n# x = 1\n[y]\n"""', "[\n'a = 1',\n]", "{ x = '}' }", "true # = ["]),
)


@given(st.lists(VALUES, max_size=8), st.sampled_from(["\n", "\n\n", "\n# k9 = 1\n"]))
def test_every_key_is_found_where_it_was_put(values: list[str], gap: str) -> None:
    text, expected = "", {}
    for number, value in enumerate(values):
        expected[(f"k{number}",)] = text.count("\n") + 1
        text += f"k{number} = {value}{gap}"
    assert set(tomllib.loads(text)) == {key for (key,) in expected}
    assert key_lines(text) == expected
