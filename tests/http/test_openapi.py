"""docs/openapi.json is what the server answers, and has each row of the table."""

import json

from opostd.api.routes import ROWS, allowed, rows_at
from tests.http.openapi import FILE, current


def test_the_file_is_current() -> None:
    assert json.loads(FILE.read_text()) == current(), "python -m tests.http.openapi"


def test_each_row_is_described_and_found_by_its_path() -> None:
    described = current()["paths"]
    names = [each["operationId"] for methods in described.values() for each in methods.values()]
    assert len(set(names)) == len(names) == len(ROWS)
    for row in ROWS:
        operation = described[row.whole][row.method.lower()]
        assert operation["summary"] == row.text
        assert str(row.status) in operation["responses"]
        assert row in rows_at(row.whole.replace("{id}", "0" * 32).replace("{group}", "team@example.org"))
        assert row.method in allowed(rows_at(row.whole))
    assert rows_at("/postapi/posts/a/b") == rows_at("/postapi") == rows_at("/") == []
