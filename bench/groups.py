"""What a group and `everyone` cost: a broadcast to very many, the agent that carries it, readers who idle, and the disk.

The agent's own rows are measured in this process, on the daemon's store; the daemon's agent is off meanwhile.
"""

from __future__ import annotations

import asyncio
import statistics
import time

import load
import sqlalchemy as sa
import users
from alone import MESSAGE, ROOT
from report import Report, Target
from servers import Opostd

from opostd.config import AgentSettings
from opostd.daemon.carrier import Carrier
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId
from opostd.model.new_ids import new_post_id
from opostd.store import active, delivery, schema
from opostd.store.delivery import Delivery
from opostd.store.run import Store

CARRIED_BOXES, CARRIED_POSTS = 10_000, 10
MANY = 1_000_000  # rows, of which a target is meant: of fewer, most have just been carried and stand there twice
CONFIG = "[agent]\ncarry = false\n"


class Groups:
    """The rows, over one daemon.  users: how many it has already."""

    def __init__(self, server: Opostd, report: Report, users: int) -> None:
        self.server, self.report, self.users = server, report, users

    def _add(self, title: str, unit: str, samples: list[float], target: Target | None = None, note: str = "") -> None:
        self.report.add(self.server.name, title, unit, samples, target, note)

    def _fill(self, size: int) -> float:
        """Seconds that it took."""
        started = time.perf_counter()
        if size > self.users:
            users.fill(self.server.settings, self.users + 1, size)
            self.users = size
        return time.perf_counter() - started

    async def broadcast(self, size: int, times: int = 30) -> None:
        """MAIL to 250 by turns for everyone and for one, and what is on the disk afterwards: nothing for its readers."""
        filled = self._fill(size)
        self._add(f"(so many users are made: {self.users:,})", "s", [filled])
        client = await load.Smtp.connect(self.server.target(self.server.submission, user=ROOT), False, ROOT)

        async def sent(to: str) -> float:
            started = time.perf_counter()
            await client.send(ROOT, [f"{to}@bench.test"], MESSAGE)
            return (time.perf_counter() - started) * 1000

        both = [[await sent(to) for to in ("everyone", "u00001")] for _ in range(5 + times)][5:]
        before, rows = self.server.octets(), self._rows()
        took = [await sent("everyone") for _ in range(times)]
        grown, rows = (self.server.octets() - before) / times / 1024, self._rows() - rows
        await client.quit()
        by_turns = [everyone for everyone, _ in both]
        one = [one for _, one in both]
        self._add(f"broadcast to {self.users:,} users, MAIL to 250", "ms", took, note=f"+{rows / times:g} row each")
        self._add("the broadcast by a direct mail, medians, by turns", "times",
                  [statistics.median(by_turns) / statistics.median(one)], Target(1.1))  # fmt: skip
        self._add("the disk grows by, for each", "KiB", [grown], Target(20))
        if self.server.name == "PostgreSQL":
            self._each("a subscription", "subscription", 130)

    def _rows(self) -> int:
        return self.server.ask("SELECT count(*) FROM delivered_post")

    def _each(self, what: str, table: str, limit: int) -> None:
        rows = self.server.ask(f"SELECT count(*) FROM {table}")
        octets = self.server.ask(f"SELECT pg_total_relation_size('{table}')")
        target = Target(limit) if rows >= MANY else None
        self._add(f"octets of {what}", "", [octets / rows], target, f"{rows:,} rows")

    async def few_pending(self, posts: int = 10, readers: int = 200) -> None:
        """The first SELECT of somebody for whom ten posts wait, and the same again."""
        client = await load.Smtp.connect(self.server.target(self.server.submission, user=ROOT), False, ROOT)
        for number in range(1, readers + 1):
            await self._selected(number)
        for _ in range(posts):
            await client.send(ROOT, ["everyone@bench.test"], MESSAGE)
        await client.quit()
        first = sorted([await self._selected(number) for number in range(1, readers + 1)])
        again = sorted([await self._selected(number) for number in range(1, readers + 1)])
        at = int(readers * 0.99) - 1
        self._add(
            f"first SELECT with {posts} pending, p50",
            "ms",
            [first[readers // 2]],
            note=f"again {again[readers // 2]:.1f}",
        )
        added = first[at] - again[at]
        self._add(
            "p99 of it less p99 of the same again", "ms", [added], Target(20), f"{first[at]:.1f}, {again[at]:.1f}"
        )

    async def _selected(self, number: int) -> float:
        client = await load.Imap.login(self.server.target(), number)
        reply = await client.command('SELECT "INBOX"')
        await client.logout()
        return reply.seconds * 1000

    async def agent(self, runs: int = 10) -> None:
        """Ten posts into 10,000 boxes that nobody has open."""
        self._fill(CARRIED_BOXES)
        store = Store(self.server.settings)
        owners = self._owners()
        now = int(time.time())
        await store.run(active.note, owners, now)
        carrier = Carrier(store, AgentSettings(), lambda: int(time.time()))
        await carrier.once()
        took = []
        for _ in range(runs):
            new = [Delivery(new_post_id(), 1000, now) for _ in range(CARRIED_POSTS)]
            await store.run(delivery.deliver, SYSTEM_OWNER, self._everyone(), new, now)
            started = time.perf_counter()
            carried = await carrier.once()
            took.append(time.perf_counter() - started)
            assert carried == len(owners), carried
        await store.close()
        self._add(f"the agent: {CARRIED_POSTS} posts into {CARRIED_BOXES:,} boxes", "s", took, Target(2))
        if self.server.name == "PostgreSQL":
            self._each("a delivered row, carried by the agent", "delivered_post", 200)

    def _owners(self) -> list[OwnerId]:
        engine = sa.create_engine(self.server.settings.url)
        account = schema.account
        with engine.connect() as connection:
            found = connection.execute(
                sa.select(account.c.owner_id)
                .where(account.c.login.like("u%"))
                .order_by(account.c.login)
                .limit(CARRIED_BOXES)
            )
            owners = [OwnerId(owner) for owner in found.scalars()]
        engine.dispose()
        return owners

    def _everyone(self) -> BoxId:
        return BoxId(
            self.server.ask(f"SELECT box_id FROM box WHERE owner_id = {SYSTEM_OWNER} AND name LIKE 'everyone@%'")
        )

    async def push(self, readers: int = 2000, rounds: int = 5) -> None:
        """From 250 to EXISTS at the last of 2,000 who idle; and what NOOP takes somebody else meanwhile."""
        self._fill(readers)
        heard: dict[int, float] = {}
        done = asyncio.Event()
        clients: list[load.Imap] = []

        def told(number: int, line: bytes) -> None:
            if line.endswith(b"EXISTS"):
                heard[number] = time.perf_counter()
                if len(heard) == readers:
                    done.set()

        async def open_session(number: int) -> None:
            client = await load.Imap.login(self.server.target(), number)
            await client.command('SELECT "INBOX"')
            await client.idle(lambda line: told(number, line))
            clients.append(client)

        await load.in_parallel(readers, 10, open_session)
        other = await load.Imap.login(self.server.target(user=ROOT))
        sender = await load.Smtp.connect(self.server.target(self.server.submission, user=ROOT), False, ROOT)
        last, noops = [], []
        for _ in range(rounds):
            heard.clear()
            done.clear()
            await sender.send(ROOT, ["everyone@bench.test"], MESSAGE)
            accepted = time.perf_counter()
            while not done.is_set():
                noops.append((await other.command("NOOP")).seconds * 1000)
                await asyncio.sleep(0.005)
            last.append(max(heard.values()) - accepted)
        noops.sort()
        self._add(f"from 250 to EXISTS, the last of {readers:,} who idle", "s", last, Target(1))
        self._add("NOOP of somebody else meanwhile, p99", "ms", [noops[int(len(noops) * 0.99)]])
        await sender.quit()
        for client in clients:
            client._transport.close()


async def all_rows(rows: Groups, size: int, readers: int) -> None:
    await rows.few_pending()
    await rows.push(readers)
    await rows.agent()
    await rows.broadcast(size)
