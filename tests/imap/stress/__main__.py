"""``python -m tests.imap.stress --minutes 5 --clients 10 [--postgresql] [--fault NAME] [--seed N]``."""

import argparse
import contextlib
import secrets
import sys
import tempfile
from pathlib import Path

from opostd.config import StoreSettings
from opostd.store import migrate
from tests.imap.stress.faults import FAULTS
from tests.imap.stress.run import Failed, with_doors
from tests.support import postgres


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.imap.stress", description="Many clients on one box.")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--doors", type=int, default=2, help="daemons on the one store")
    parser.add_argument("--postgresql", action="store_true", help="a server of its own, in place of SQLite")
    parser.add_argument("--fault", choices=sorted(FAULTS), help="plant it into the first daemon: it must be found")
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = secrets.randbelow(2**32) if given.seed is None else given.seed
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if given.postgresql:
            url = stack.enter_context(postgres.running(fsync=False)).create_database()
        else:
            url = f"sqlite:///{folder}/opostd.db"
        settings = StoreSettings(url=url)
        migrate.up(settings)
        print(f"seed {seed}", file=sys.stderr)
        try:
            with_doors(
                settings, folder, clients=given.clients, seconds=given.minutes * 60, doors=given.doors,
                fault=given.fault, seed=seed,
            )  # fmt: skip
        except Failed as found:
            print(found, file=sys.stderr)
            return 1
    return 0


sys.exit(main())
