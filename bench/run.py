"""Measures the rows of the first issue and prints them: ``make bench`` (``bench/run.py [--users 100,10000,100000]``).

For each store (SQLite, and PostgreSQL where its binaries are found) a real daemon is started on loopback with a
new database, measured through real sockets, and stopped.  Figures are medians of this machine; trust ratios.
Times are wall clock seen by the client.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

import load
import sqlalchemy as sa
import users

from opostd.config import StoreSettings
from opostd.store import schema
from tests.support import daemon as daemons
from tests.support import postgres

RESULTS = Path(__file__).parent / "RESULTS.md"
MESSAGE = b"From: root@bench.test\r\nTo: everyone@bench.test\r\nSubject: news\r\n\r\n" + b"All hands at noon.\r\n" * 40


class Rows:
    """The result table, printed as it grows."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str]] = []

    def add(self, store: str, what: str, value: str, target: str = "") -> None:
        self.rows.append((store, what, value, target))
        print(f"{store:11} {what:70} {value:28} {target}", flush=True)

    def markdown(self) -> str:
        head = "| store | what | measured | target |\n|---|---|---|---|\n"
        return head + "".join(f"| {' | '.join(row)} |\n" for row in self.rows)


def config_text(url: str) -> str:
    return f"""
hostname = "mail.bench.test"
domains = ["bench.test"]
[store]
url = "{url}"
[imap]
listen = ["127.0.0.1:{{imap}}"]
[submission]
listen = ["127.0.0.1:{{submission}}"]
markdown = "off"
[smtp]
listen = ["127.0.0.1:{{smtp}}"]
[auth]
plaintext_on_loopback = true
"""


class Bench:
    """One daemon over one store."""

    def __init__(self, name: str, settings: StoreSettings, folder: Path, out: Rows) -> None:
        self.name, self.settings, self.folder, self.out = name, settings, folder, out
        users.prepare(settings)
        self.daemon = daemons.start_daemon(folder, config_text=config_text(settings.url))
        ports = self.daemon.ports
        self.imap = load.Target("127.0.0.1", ports["imap"], "u{n:05d}@bench.test", users.PASSWORD)
        self.root = load.Target("127.0.0.1", ports["imap"], "root@bench.test", users.PASSWORD)
        self.submission = load.Target("127.0.0.1", ports["submission"], "root@bench.test", users.PASSWORD)
        self.smtp = load.Target("127.0.0.1", ports["smtp"], "u{n:05d}@bench.test", users.PASSWORD)

    def count(self) -> tuple[int, int]:
        engine = sa.create_engine(self.settings.url)
        with engine.connect() as connection:
            found = [
                connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in (schema.post, schema.delivered_post)
            ]
        engine.dispose()
        return found[0], found[1]

    def memory(self) -> float:
        status = Path(f"/proc/{self.daemon.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    # The rows

    async def idle_memory(self) -> None:
        self.out.add(self.name, "resident memory of the idle daemon", f"{self.memory():.0f} MiB", "< 120 MiB")

    async def broadcast(self, sizes: list[int], times: int = 50) -> None:
        done = 0
        for size in sizes:
            users.fill(self.settings, done + 1, size)
            done = size
            client = await load.Smtp.connect(self.submission, False, "root@bench.test")
            before = self.count()
            took = []
            for _ in range(times):
                started = time.perf_counter()
                await client.send("root@bench.test", ["everyone@bench.test"], MESSAGE)
                took.append((time.perf_counter() - started) * 1000)
            await client.quit()
            after = self.count()
            rows = f"+{(after[0] - before[0]) / times:g} post, +{(after[1] - before[1]) / times:g} delivered"
            self.out.add(
                self.name,
                f"broadcast to {size:,} users, MAIL to 250, p50 of {times} ({rows} each)",
                f"{statistics.median(took):.1f} ms (min {min(took):.1f}, max {max(took):.1f})",
                "the same for all",
            )

    async def lazy_select(self, posts: int = 1000) -> None:
        async def select(number: int) -> float:
            client = await load.Imap.login(self.imap, number)
            reply = await client.command('SELECT "INBOX"')
            await client.logout()
            return reply.seconds * 1000

        for number in range(1, 6):
            await select(number)
        before = [await select(number) for number in range(1, 6)]
        client = await load.Smtp.connect(self.submission, False, "root@bench.test")
        for _ in range(posts):
            await client.send("root@bench.test", ["everyone@bench.test"], MESSAGE)
        await client.quit()
        after = [await select(number) for number in range(1, 6)]
        added = statistics.median(after) - statistics.median(before)
        self.out.add(
            self.name,
            f"first SELECT after {posts:,} broadcasts adds",
            f"{added:.1f} ms ({statistics.median(before):.1f} -> {statistics.median(after):.1f})",
            "< 50 ms",
        )

    async def fetches(self, count: int = 10_000) -> None:
        client = await load.Imap.login(self.root)
        await load.create_mailbox(client, "bench")
        corpus = load.Corpus(1, "plain", users.DOMAIN)
        await load.fill(client, "bench", corpus.messages(count), 10)
        await client.command('SELECT "bench"')
        for what, command, target in (
            ("UID FETCH 1:* (FLAGS)", "UID FETCH 1:* (FLAGS)", "< 10 ms"),
            (
                "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",
                "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",
                "< 100 ms",
            ),
        ):
            took = [(await client.command(command, keep=False)).seconds * 1000 for _ in range(9)]
            self.out.add(
                self.name,
                f"{what} of {count:,}",
                f"{statistics.median(took[1:]):.1f} ms warm (first {took[0]:.1f})",
                target,
            )
        self.out.add(self.name, f"resident memory after that, box of {count:,} open", f"{self.memory():.0f} MiB")
        await client.logout()

    async def group_commit(self, messages: int = 1500) -> None:
        rates = {}
        for connections in (1, 20):
            left = iter(range(messages if connections > 1 else messages // 3))

            async def submit(left: Iterator[int] = left) -> int:
                client = await load.Smtp.connect(self.submission, False, "root@bench.test")
                sent = 0
                for number in left:
                    await client.send("root@bench.test", [f"u{number % 100 + 1:05d}@bench.test"], MESSAGE)
                    sent += 1
                await client.quit()
                return sent

            with load.Clock() as clock:
                sent = sum(await asyncio.gather(*(submit() for _ in range(connections))))
            rates[connections] = sent / clock.seconds
        self.out.add(self.name, "messages/s submitted, 1 connection", f"{rates[1]:.0f}/s")
        self.out.add(
            self.name,
            "messages/s submitted, 20 connections",
            f"{rates[20]:.0f}/s = {rates[20] / rates[1]:.1f} times",
            ">= 3 times",
        )

    async def all(self, sizes: list[int]) -> None:
        await self.idle_memory()
        await self.broadcast(sizes)
        await self.group_commit()
        await self.lazy_select()
        await self.fetches()


@contextmanager
def stores(folder: Path) -> Iterator[list[tuple[str, StoreSettings]]]:
    found = [("SQLite", StoreSettings(url=f"sqlite:///{folder}/bench.db"))]
    with postgres.running(fsync=True) as server:
        found.append(("PostgreSQL", StoreSettings(url=server.create_database())))
        yield found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", default="100,10000,100000", help="sizes of everyone, ascending")
    parser.add_argument("--write", action="store_true", help="write bench/RESULTS.md")
    args = parser.parse_args()
    sizes = [int(size) for size in args.users.split(",")]
    out = Rows()
    with tempfile.TemporaryDirectory(prefix="opostd-bench-") as name, stores(Path(name)) as found:
        for store, settings in found:
            folder = Path(name) / store
            folder.mkdir()
            bench = Bench(store, settings, folder, out)
            try:
                asyncio.run(bench.all(sizes))
            finally:
                bench.daemon.stop()
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    print(json.dumps({"machine": machine}))
    if args.write:
        RESULTS.write_text(
            f"# Measured by `make bench`\n\n{machine}; {time.strftime('%Y-%m-%d')}. Client, server and database share "
            f"the machine; fsync is on.\n\n{out.markdown()}",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
