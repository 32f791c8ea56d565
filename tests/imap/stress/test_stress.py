"""A few seconds of it on each database, and planted faults that it must find (RFC 9051 7.4, 7.5; RFC 7162)."""

from pathlib import Path

import pytest

from opostd.config import StoreSettings
from tests.imap.stress.run import Failed, with_doors

SECONDS = 3.0
UNTIL_FOUND_S = 40.0  # most are found in the first two seconds


def test_all_believe_what_is_so(store_settings: StoreSettings, tmp_path: Path) -> None:
    outcome = with_doors(store_settings, tmp_path, clients=10, seconds=SECONDS)
    assert outcome.checkpoints >= 1
    assert outcome.commands > 100


@pytest.mark.parametrize("fault", ["expunge-in-fetch", "flags-lost"])
def test_a_planted_fault_is_found(fault: str, sqlite_settings: StoreSettings, tmp_path: Path) -> None:
    with pytest.raises(Failed):
        with_doors(sqlite_settings, tmp_path, clients=10, seconds=UNTIL_FOUND_S, doors=1, fault=fault)
