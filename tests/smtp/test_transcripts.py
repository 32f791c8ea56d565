"""Every transcript in tests/transcripts/smtp."""

import ssl
from pathlib import Path

import pytest

from opostd.store.run import Store
from tests.smtp import transcript
from tests.smtp.world import run

FILES = sorted((Path(__file__).parent.parent / "transcripts" / "smtp").glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_transcript(path: Path, sqlite: Store, server_context: ssl.SSLContext) -> None:
    run(transcript.run(sqlite, path, server_context))


def test_there_are_transcripts() -> None:
    assert len(FILES) > 20
