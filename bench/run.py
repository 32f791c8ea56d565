"""Measures opostd, alone and beside Dovecot, and prints a table: ``make bench ARGS=--quick``.

For each store (SQLite, and PostgreSQL where its binaries are found) a real daemon is started on loopback with a new
database, measured through real sockets, and stopped.  Times are wall clock seen by the client.  --quick takes a few
minutes, the whole about twenty.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

import aliases
import arrival
import groups
import report
import servers
from alone import Alone
from beside import Beside

NAMES = (report.PEER, *report.OURS)


def measure_alone(folder: Path, names: set[str], sizes: list[int], quick: bool) -> report.Report:
    found = report.Report()
    for name in report.OURS:
        if name not in names:
            continue
        with servers.started(folder / f"alone-{name}", names={name}, user_count=sizes[0]) as (server,):
            assert isinstance(server, servers.Opostd)
            asyncio.run(_alone(Alone(server, found, sizes[0]), sizes, quick))
    return found


async def _alone(rows: Alone, sizes: list[int], quick: bool) -> None:
    await rows.idle_memory()
    await rows.broadcast(sizes)
    await rows.group_commit(1000 if quick else 3000)
    await rows.written(60 if quick else 300)
    await rows.lazy_select()
    await rows.fetches(10_000)
    if not quick:
        await rows.many(1_000_000)


def measure_groups(folder: Path, names: set[str], size: int, readers: int) -> report.Report:
    found = report.Report()
    for name in report.OURS:
        if name in names:
            with servers.started(folder / f"groups-{name}", names={name}, user_count=readers, more=groups.CONFIG) as (
                server,
            ):
                assert isinstance(server, servers.Opostd)
                asyncio.run(groups.all_rows(groups.Groups(server, found, readers), size, readers))
    return found


def measure_beside(folder: Path, names: set[str], rounds: int, count: int, quick: bool) -> report.Report:
    found = report.Report()
    with servers.started(folder / "beside", names=names, user_count=600) as running:
        Beside(running, found, count=count, quick=quick).all(rounds)
    return found


def measure_arrival(folder: Path, names: set[str], rounds: int, quick: bool) -> report.Report:
    found = report.Report()
    with (
        servers.started(folder / "arrival", names=names, user_count=arrival.USERS) as running,
        arrival.doors(running) as ports,
    ):
        arrival.Arrival(running, found, ports, quick=quick).all(rounds)
    return found


def measure_aliases(folder: Path, names: set[str], sizes: list[int], rounds: int) -> report.Report:
    found = report.Report()
    with (
        servers.started(folder / "aliases", names=names, user_count=sizes[-1]) as running,
        arrival.doors(running, lambda place: aliases.postfix_settings(place, sizes)) as ports,
    ):
        aliases.Aliases(running, found, ports).all(sizes, rounds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smaller box, one round: a few minutes")
    parser.add_argument("--users", help="sizes of everyone, ascending (default 100,10000,100000; quick: 100,10000)")
    parser.add_argument("--rounds", type=int, help="how often each server is measured (default 3; quick: 1)")
    parser.add_argument("--count", type=int, help="messages in the box beside Dovecot (default 10,000; quick: 2,000)")
    parser.add_argument("--only", choices=("alone", "groups", "beside", "arrival", "aliases"), help="one of the tables")
    parser.add_argument(
        "--broadcast-users", type=int, help="readers of the largest broadcast (default 1,000,000; quick: 20,000)"
    )
    parser.add_argument("--servers", default=",".join(NAMES), help=f"of {','.join(NAMES)}")
    parser.add_argument("--write", action="store_true", help="into bench/RESULTS.md, each table in its place")
    args = parser.parse_args()
    names = set(args.servers.split(","))
    if unknown := names.difference(NAMES):
        parser.error(f"no such server: {', '.join(unknown)}")
    sizes = [int(size) for size in (args.users or ("100,10000" if args.quick else "100,10000,100000")).split(",")]
    print(report.machine(), flush=True)
    command = f"make bench{f' ARGS={chr(39)}' + ' '.join(sys.argv[1:]) + chr(39)}"
    with tempfile.TemporaryDirectory(prefix="opostd-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Dovecot and PostgreSQL run as users of their own
        count = args.count or (2000 if args.quick else 10_000)
        rounds = args.rounds or (1 if args.quick else 3)
        readers = args.broadcast_users or (20_000 if args.quick else 1_000_000)
        groups_of = [1000] if args.quick else [1000, 10_000]
        tables: dict[str, tuple[str, Callable[[], report.Report]]] = {
            "alone": ("opostd alone", lambda: measure_alone(folder, names, sizes, args.quick)),
            "beside": ("Beside Dovecot", lambda: measure_beside(folder, names, rounds, count, args.quick)),
            "arrival": (
                "Mail that arrives, beside Postfix and Dovecot",
                lambda: measure_arrival(folder, names, rounds, args.quick),
            ),
            "groups": ("Groups and everyone", lambda: measure_groups(folder, names, readers, 2000)),
            "aliases": (
                "One message for very many, beside Postfix and Dovecot",
                lambda: measure_aliases(folder, names, groups_of, 1),
            ),
        }
        for key, (title, measure) in tables.items():
            if args.only not in (None, key):
                continue
            where = report.machine()
            found = measure()
            print(f"\n{title}\n\n{found.table()}")
            for line in found.missed():
                print(f"missed: {line}", flush=True)
            if args.write:  # after each table: a run that is ended keeps what it has
                report.write(command, where, title, [title for title, _ in tables.values()], found)


if __name__ == "__main__":
    main()
