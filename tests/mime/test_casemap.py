"""i;unicode-casemap (RFC 5051) against the naive way, for every code point and for texts."""

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.mime.casemap import casemap


def _naive(char: str) -> str:
    """Simple titlecase of one code point, decomposed.  What the title of one is in several is SpecialCasing's."""
    title = char.title()
    return unicodedata.normalize("NFKD", title if len(title) == 1 else char)


def test_every_code_point() -> None:
    wrong = [
        code for code in range(sys.maxunicode + 1)
        if not 0xD800 <= code < 0xE000 and casemap(chr(code)) != _naive(chr(code))
    ]  # fmt: skip
    assert wrong == []


@given(st.text())
def test_texts(text: str) -> None:
    joined = "".join([char.title() if len(char.title()) == 1 else char for char in text])
    assert casemap(text) == unicodedata.normalize("NFKD", joined)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("IMAP", "imap"),
        ("größe", "GRÖßE"),
        ("Привіт", "ПРИВІТ"),
        ("ΣΑΣ", "σας"),
        ("Å", "\u212b"),
        ("é", "e\u0301"),
        ("①", "1"),
        ("ǆ", "ǅ"),
        ("a\u00a0b", "A B"),
        ("\uff21", "a"),
    ],
)
def test_equal(one: str, other: str) -> None:
    assert casemap(one) == casemap(other)


@pytest.mark.parametrize(("one", "other"), [("ß", "ss"), ("ı", "İ"), ("a", "b"), ("e", "é")])
def test_not_equal(one: str, other: str) -> None:
    assert casemap(one) != casemap(other)


def test_a_megabyte_is_fast() -> None:
    before = time.process_time()
    for text in ("straße " * 150_000, "привіт " * 150_000, "ß" * 1_000_000):
        casemap(text)
    assert time.process_time() - before < 30
