"""One message for very many: a group of opostd's, beside an alias of Postfix's that Dovecot delivers by LMTP.

First nobody looks but fifty, the last of the readers among them; then everybody opens their mailbox once.  What opostd
leaves until then is so paid for, too.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import load
import sqlalchemy as sa
from report import Report, Target
from servers import HERE, Dovecot, Opostd, Server

from opostd.model.records import PostPolicy
from opostd.store import accounts, provision
from opostd.store.run import Store

DOMAIN = "bench.test"
LOOKERS = 50  # who wait for it
AT_ONCE = 20  # of all readers, who look afterwards
PATIENCE_S = 300
LESS = Target(1, ratio=True)
POSTFIX = """
virtual_alias_maps = texthash:{table}
virtual_alias_expansion_limit = 100000
"""
_SUBSCRIBE = sa.text(
    "INSERT INTO subscription (owner_id, target_box, source_box, joined, watermark)"
    " SELECT box.owner_id, box.box_id, :source, 0, 0 FROM account JOIN box ON box.owner_id = account.owner_id"
    " WHERE account.login BETWEEN 'u00001' AND :last AND box.name = 'INBOX'"
)


def name(size: int) -> str:
    return f"all{size}@{DOMAIN}"


def postfix_settings(folder: Path, sizes: list[int]) -> str:
    """What Postfix has to know of the aliases."""
    table = folder / "aliases"
    users = {size: ", ".join(f"u{number:05d}@{DOMAIN}" for number in range(1, size + 1)) for size in sizes}
    table.write_text("".join(f"{name(size)} {everybody}\n" for size, everybody in users.items()), encoding="ascii")
    table.chmod(0o644)
    return POSTFIX.format(table=table)


class Aliases:
    """The rows, over servers that run.  ports: where mail arrives, by server."""

    def __init__(self, servers: list[Server], report: Report, ports: dict[str, int]) -> None:
        self.servers = [server for server in servers if server.name in ports]
        self.report, self.ports = report, ports

    def all(self, sizes: list[int], rounds: int) -> None:
        for size in sizes:
            for server in self.servers:
                if isinstance(server, Opostd):
                    asyncio.run(_make_group(server, size))
            for _ in range(rounds):
                for server in self.servers:
                    server.rest()
                    self._one(server, size)

    def _one(self, server: Server, size: int) -> None:
        before, begun = _octets(server), server.processes.cpu_seconds()
        found = self._load(server, size)
        sent = _octets(server) - before
        used = server.processes.cpu_seconds() - begun
        started = time.perf_counter()
        seen = asyncio.run(_all_look(server, size))
        took = time.perf_counter() - started
        server.rest()
        last, missing = found["seen in sampled mailboxes"]["last"], found["seen in sampled mailboxes"]["missing"]
        rows = (
            ("MAIL to 250", "s", found["accepted"]["value"], None, ""),
            ("until the last reader sees it", "s", last or PATIENCE_S, LESS, _missing(missing)),
            ("processor time until then", "s", used, LESS, ""),
            ("the disk grows by", "MiB", sent / 2**20, LESS, ""),
            ("all of them open their INBOX once", "s", took, None, _missing(size - seen)),
            ("processor time in all", "s", server.processes.cpu_seconds() - begun, LESS, ""),
            ("the disk grows by in all", "MiB", (_octets(server) - before) / 2**20, LESS, ""),
        )
        for title, unit, value, target, note in rows:
            self.report.add(server.name, f"one message to {size:,}: {title}", unit, [value], target, note)

    def _load(self, server: Server, size: int) -> dict[str, dict[str, Any]]:
        command = [sys.executable, str(HERE / "load.py"), "broadcast", "--port", str(self.ports[server.name])]
        command += ["--imap-port", str(server.imap), "--users", str(size), "--alias", name(size), "--poll", "0.1"]
        command += ["--sender", "x@other.example", "--sample", str(LOOKERS), "--timeout", str(PATIENCE_S), "--settle"]
        command += [word for pid in server.roots for word in ("--pid", str(pid))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{server.name}: {' '.join(command)}\n{done.stdout}{done.stderr}")
        return {line["figure"]: line for line in map(json.loads, done.stdout.splitlines())}


def _missing(count: int) -> str:
    return f"{count:,} never did" if count else ""


async def _make_group(server: Opostd, size: int) -> None:
    """A group that the first so many users read, and anyone may post to."""
    store = Store(server.settings)
    await provision.add_group(store, name(size), title="", members=[], post=PostPolicy.ANYONE, now=int(time.time()))
    address = await store.run(accounts.address, name(size))
    assert address is not None
    await store.close()
    engine = sa.create_engine(server.settings.url)
    with engine.begin() as connection:
        connection.execute(_SUBSCRIBE, {"source": address.box, "last": f"u{size:05d}@{DOMAIN}"})
    engine.dispose()


async def _all_look(server: Server, size: int) -> int:
    """How many have a message then."""
    seen: list[int] = []

    async def look(number: int) -> None:
        client = await load.Imap.login(server.target(), number)
        if (await client.command('SELECT "INBOX"')).exists():
            seen.append(number)
        await client.logout()

    await load.in_parallel(size, AT_ONCE, look)
    return len(seen)


def _octets(server: Server) -> int:
    """What its mail takes on the disk."""
    if isinstance(server, Dovecot):
        return load.disk_usage([str(server.folder / "mail")])[0]
    assert isinstance(server, Opostd)
    return server.octets()
