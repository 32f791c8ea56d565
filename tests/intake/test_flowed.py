"""format=flowed undone (RFC 3676)."""

import pytest

from opostd.intake.flowed import unflowed

TABLE = [
    ("", False, ""),
    ("one\ntwo\n", False, "one\ntwo\n"),
    ("one \ntwo\n", False, "one two\n"),
    ("one \ntwo \nthree\nfour\n", False, "one two three\nfour\n"),
    ("one \ntwo\n", True, "onetwo\n"),
    ("日 \n本\n", True, "日本\n"),
    (" stuffed\n  code\n", False, "stuffed\n code\n"),
    (" > no quote\n", False, "> no quote\n"),
    ("> a \n> b\nc\n", False, "> a b\nc\n"),
    (">a \n> b\n", False, "> a b\n"),
    (">> a \n> b\n", False, ">> a \n> b\n"),
    ("> a \nc\n", False, "> a \nc\n"),
    ("text\n-- \nAnna\n", False, "text\n-- \nAnna\n"),
    ("text \n-- \nAnna\n", False, "text \n-- \nAnna\n"),
    ("text \n\nnext\n", False, "text \nnext\n"),
    ("* item one \ngoes on\n* item two\n", False, "* item one goes on\n* item two\n"),
]


@pytest.mark.parametrize(("text", "delsp", "wanted"), TABLE)
def test_table(text: str, delsp: bool, wanted: str) -> None:
    assert unflowed(text, delsp=delsp) == wanted
