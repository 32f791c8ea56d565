"""The API's description as a file: ``python -m tests.http.openapi`` writes it anew."""

import json
from pathlib import Path
from typing import Any

from opostd.api.server import description

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"


def current() -> dict[str, Any]:
    """Without the version, which changes without it."""
    found = description()
    del found["info"]["version"]
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps({**current()}, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
