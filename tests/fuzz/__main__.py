"""``python -m tests.fuzz [--seconds 600] [--seed N] [--only NAME]``; ``make fuzz``.  Exit status 1 with findings."""

import argparse
import secrets
import sys

from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS

SHOWN = 2000  # octets of an input that are shown; the seed brings the whole


def main() -> int:
    arguments = argparse.ArgumentParser(description="octets by chance into everything that reads octets")
    arguments.add_argument("--seconds", type=float, default=600.0, help="of processor time (600)")
    arguments.add_argument("--seed", type=int, default=None, help="to see a run again")
    arguments.add_argument("--only", choices=[target.name for target in TARGETS], help="one target")
    given = arguments.parse_args()
    seed = secrets.randbits(32) if given.seed is None else given.seed
    targets = [target for target in TARGETS if given.only in (None, target.name)]
    print(f"seed {seed}: {', '.join(target.name for target in targets)}", flush=True)
    tried, findings = fuzz(given.seconds, seed, targets)
    print(f"{tried} inputs, {len(findings)} findings")
    for finding in findings:
        print(f"{finding.target}: {finding.what}\n  {len(finding.octets)} octets: {finding.octets[:SHOWN]!r}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
