"""What opostd promises by itself: the rows of the first issue, and what a box of a million messages costs.

A broadcast costs the same for any number of users, a reader's box is brought up to date when it is opened, many
connections share a commit.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import load
import sqlalchemy as sa
import users
from report import Report, Target
from servers import Opostd

from opostd.model.new_ids import new_box_id
from opostd.store import schema

ROOT = "root@bench.test"
MESSAGE = b"From: root@bench.test\r\nTo: everyone@bench.test\r\nSubject: news\r\n\r\n" + b"All hands at noon.\r\n" * 40
WRITTEN = (
    b"From: root@bench.test\r\nTo: everyone@bench.test\r\nSubject: written\r\nContent-Type: text/markdown; charset=utf-8\r\n"
    b"\r\n# News\r\n\r\n"
    + b"All **hands** at _noon_, see [the plan](https://bench.test/plan); bring `notes.md`.\r\n\r\n" * 20
    + b"| who | when |\r\n|---|---|\r\n"
    + b"| anna | noon |\r\n" * 10
    + b"\r\n```python\r\n"
    + b"def sums(numbers):\r\n    return [sum(numbers[:n]) for n in range(len(numbers))]\r\n" * 5
    + b"```\r\n"
)
FULL = "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
_COLUMNS = "owner_id, box_id, uid, modseq, internaldate, savedate, size, bits, keywords, post_id"
_VALUES = ":owner, :box, uid, 2, 1700000000 + uid, 1700000000, 4000, uid % 2, ''"
FILL_MANY = {  # one box of many rows, made by the database itself
    "sqlite": f"""
        WITH RECURSIVE n(uid) AS (SELECT 1 UNION ALL SELECT uid + 1 FROM n WHERE uid < :count)
        INSERT INTO delivered_post ({_COLUMNS}) SELECT {_VALUES}, randomblob(16) FROM n""",
    "postgresql": f"""
        INSERT INTO delivered_post ({_COLUMNS})
        SELECT {_VALUES}, gen_random_uuid() FROM generate_series(1, :count) AS uid""",
}


class Alone:
    """The rows, over one daemon.  users: how many it has already."""

    def __init__(self, server: Opostd, report: Report, users: int) -> None:
        self.server, self.report, self.users = server, report, users
        self.readers = server.target()
        self.root = server.target(user=ROOT)
        self.submission = server.target(server.submission, user=ROOT)

    def _add(self, title: str, unit: str, samples: list[float], target: Target | None = None, note: str = "") -> None:
        self.report.add(self.server.name, title, unit, samples, target, note)

    def _count(self) -> tuple[int, int]:
        engine = sa.create_engine(self.server.settings.url)
        with engine.connect() as connection:
            found = [
                connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in (schema.post, schema.delivered_post)
            ]
        engine.dispose()
        return found[0], found[1]

    def _memory(self) -> float:
        """MiB of the daemon's own process."""
        status = Path(f"/proc/{self.server.daemon.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found
        return int(found[1]) / 1024

    async def idle_memory(self) -> None:
        self._add("resident memory of the idle daemon", "MiB", [self._memory()], Target(120))

    async def broadcast(self, sizes: list[int], times: int = 50) -> None:
        medians = []
        for size in sizes:
            if size > self.users:
                users.fill(self.server.settings, self.users + 1, size)
                self.users = size
            client = await load.Smtp.connect(self.submission, False, ROOT)
            for _ in range(5):
                await client.send(ROOT, ["everyone@bench.test"], MESSAGE)
            before = self._count()
            took = []
            for _ in range(times):
                started = time.perf_counter()
                await client.send(ROOT, ["everyone@bench.test"], MESSAGE)
                took.append((time.perf_counter() - started) * 1000)
            await client.quit()
            after = self._count()
            medians.append(statistics.median(took))
            rows = f"+{(after[0] - before[0]) / times:g} post +{(after[1] - before[1]) / times:g} row each"
            self._add(f"broadcast to {self.users:,} users, MAIL to 250", "ms", took, note=rows)
        if len(medians) > 1:
            title = f"the broadcast to {sizes[-1]:,} by the one to {sizes[0]:,}"
            self._add(title, "times", [medians[-1] / medians[0]], Target(1.3))

    async def group_commit(self, messages: int, runs: int = 3) -> None:
        rates: dict[int, list[float]] = {1: [], 20: []}
        for _ in range(runs):
            for connections, found in rates.items():
                found.append(await self._submitted(connections, messages if connections > 1 else messages // 4))
        self._add("messages submitted, 1 connection", "/s", rates[1])
        self._add("messages submitted, 20 connections", "/s", rates[20])
        gain = [many / one for many, one in zip(rates[20], rates[1], strict=True)]
        self._add("20 connections by 1", "times", gain, Target(3, below=False))

    async def written(self, messages: int, runs: int = 3) -> None:
        """Markdown: rendering in the two processes is what bounds it."""
        rates, used = [], []
        for _ in range(runs):
            before = self.server.processes.cpu_seconds()
            rates.append(await self._submitted(10, messages, WRITTEN))
            used.append((self.server.processes.cpu_seconds() - before) / messages * 1000)
        title = f"messages of {len(WRITTEN) / 1024:.1f} KB of Markdown submitted, 10 connections"
        self._add(title, "/s", rates, note=f"{statistics.median(used):.0f} ms of processor each")

    async def _submitted(self, connections: int, messages: int, message: bytes = MESSAGE) -> float:
        left = iter(range(messages))

        async def submit(numbers: Iterator[int]) -> int:
            client = await load.Smtp.connect(self.submission, False, ROOT)
            sent = 0
            for number in numbers:
                await client.send(ROOT, [f"u{number % 100 + 1:05d}@bench.test"], message)
                sent += 1
            await client.quit()
            return sent

        with load.Clock() as clock:
            sent = sum(await asyncio.gather(*(submit(left) for _ in range(connections))))
        return sent / clock.seconds

    async def lazy_select(self, posts: int = 1000) -> None:
        async def select(number: int) -> float:
            client = await load.Imap.login(self.readers, number)
            reply = await client.command('SELECT "INBOX"')
            await client.logout()
            return reply.seconds * 1000

        numbers = range(21, 30)
        for number in numbers:
            await select(number)
        before = [await select(number) for number in numbers]
        client = await load.Smtp.connect(self.submission, False, ROOT)
        for _ in range(posts):
            await client.send(ROOT, ["everyone@bench.test"], MESSAGE)
        await client.quit()
        after = [await select(number) for number in numbers]
        usual = statistics.median(before)
        added = [each - usual for each in after]
        self._add(f"first SELECT after {posts:,} broadcasts adds", "ms", added, Target(50), f"to {usual:.1f}")

    async def fetches(self, count: int) -> None:
        client = await load.Imap.login(self.root)
        await client.ask_capabilities()
        await load.create_mailbox(client, "bench")
        messages = load.Corpus(1, "plain", users.DOMAIN).messages(count)
        while page := list(itertools.islice(messages, 200)):
            await client.append_many("bench", page)
        await client.command('SELECT "bench"')
        for command, limit in (("UID FETCH 1:* (FLAGS)", 10), (FULL, 100)):
            took = [(await client.command(command, keep=False)).seconds * 1000 for _ in range(12)]
            self._add(f"{command} of {count:,}", "ms", took[1:], Target(limit), f"first {took[0]:.1f}")
        self._add(f"resident memory after that, box of {count:,} open", "MiB", [self._memory()])
        await client.logout()

    async def many(self, count: int) -> None:
        """A box that somebody has filled for decades: opened by a daemon that has just started."""
        engine = sa.create_engine(self.server.settings.url)
        box = schema.box
        with engine.begin() as connection:
            account = schema.account
            owner = connection.execute(sa.select(account.c.owner_id).where(account.c.login == ROOT)).scalar_one()
            made = {"owner": owner, "box": new_box_id(), "count": count}
            connection.execute(
                sa.insert(box).values(owner_id=owner, box_id=made["box"], name="many", uidvalidity=1, uidnext=count + 1)
            )
            connection.execute(sa.text(FILL_MANY[engine.dialect.name]), made)
        if engine.dialect.name == "postgresql":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(sa.text("VACUUM ANALYZE delivered_post"))
        self.server.restart()
        before = self._memory()
        client = await load.Imap.login(self.root)
        first = (await client.command('SELECT "many"')).seconds
        self._add(f"first SELECT of {count:,} messages", "s", [first], Target(2))
        self._add("memory that this adds", "MiB", [self._memory() - before], Target(40))
        again = [(await client.command('SELECT "many"')).seconds * 1000 for _ in range(5)]
        self._add(f"SELECT of {count:,} messages again", "ms", again)
        took = [(await client.command("UID FETCH 1:* (FLAGS)", keep=False)).seconds for _ in range(3)]
        self._add(f"UID FETCH 1:* (FLAGS) of {count:,}", "s", took)
        await client.command("UNSELECT")
        await client.logout()
        with engine.begin() as connection:
            for table in (schema.delivered_post, box):
                connection.execute(sa.delete(table).where(table.c.owner_id == owner, table.c.box_id == made["box"]))
        engine.dispose()
