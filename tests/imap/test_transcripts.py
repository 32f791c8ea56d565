"""Every transcript in tests/transcripts/imap, on every store."""

import asyncio
from pathlib import Path

import pytest

from opostd.store.run import Store
from tests.imap import transcript

FOLDER = Path(__file__).parent.parent / "transcripts" / "imap"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_transcript(path: Path, store: Store) -> None:
    asyncio.run(transcript.run(store, path))
