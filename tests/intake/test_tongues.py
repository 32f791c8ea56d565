"""Which language somebody is told in; every one that the configuration takes is spoken, with its placeholders."""

from dataclasses import fields
from string import Formatter
from typing import get_args

import pytest

from opostd.config.settings import Language
from opostd.intake.tongues import TONGUES, accepted, chosen


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("de-AT, en;q=0.5", ["de-AT", "en"]),
        ("en; q = 0.2 ,fr;q=0.9", ["fr", "en"]),
        ("da, en-gb;q=0.8, en;q=0.7", ["da", "en-gb", "en"]),
        ("de;q=0, es;q=0.000", []),
        ("*", []),
        ("de;q=2, es;q=x, it;level=1, \r\n nl", ["nl"]),
        ("", []),
        ("x" * 10_000, []),
        (",".join(["de"] * 5000), ["de"] * 333 + ["d"]),
    ],
)
def test_accepted(header: str, tags: list[str]) -> None:
    assert accepted(header) == tags


@pytest.mark.parametrize(
    ("tags", "language"),
    [(["", "de-CH"], "de"), (["tlh", "PT", "Fr"], "fr"), ([], "en"), (["", "xx", "it"], "it"), (["-de"], "en")],
)
def test_chosen(tags: list[str], language: str) -> None:
    assert chosen(tags) == language


def test_each_is_whole() -> None:
    assert set(TONGUES) == set(get_args(Language))
    for tongue in TONGUES.values():
        for field in fields(tongue):
            text = getattr(tongue, field.name)
            assert text.isprintable()
            places = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
            assert len(places) == {"server": 1, "said": 2, "until": 1}.get(field.name, 0), field.name
