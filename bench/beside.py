"""opostd beside Dovecot: the same load generator against both, in turns, and ratios of what came out.

Each round measures every server once, so that what else the machine does meets all of them alike; load.py runs as a
process of its own, as any client does.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import load
from report import Report, Target
from servers import HERE, Server

BOX = "bench"


@dataclass(frozen=True)
class Row:
    """A figure of load.py: its name there, the value wanted, and the target."""

    title: str
    figure: str
    value: str
    unit: str
    target: Target | None = None


def _times(limit: float, below: bool = True) -> Target:
    return Target(limit, below, ratio=True)


OPS = (
    Row("LOGIN (new connection)", "LOGIN", "median", "ms"),
    Row("STATUS (new connection)", "STATUS (new session)", "median", "ms", _times(1)),
    Row("SELECT (new connection)", "SELECT (new session)", "median", "ms", _times(1)),
    Row("UID FETCH 1:* (FLAGS)", "UID FETCH 1:* (FLAGS)", "median", "ms", _times(0.7)),
    Row("headers of all, as Thunderbird asks", "first open (Thunderbird headers)", "median", "ms", _times(0.5)),
    Row("ENVELOPE and BODYSTRUCTURE of all", "ENVELOPE BODYSTRUCTURE", "median", "ms", _times(0.3)),
    Row("FETCH one BODY.PEEK[], p50", "FETCH one BODY.PEEK[]", "p50", "ms", _times(2)),
    Row("FETCH one BODY.PEEK[], p99", "FETCH one BODY.PEEK[]", "p99", "ms"),
    Row("UID FETCH 1:* BODY.PEEK[]", "UID FETCH 1:* BODY.PEEK[]", "median", "MB/s", _times(0.5, below=False)),
    Row("SEARCH UNSEEN", "SEARCH UNSEEN", "median", "ms"),
    Row("SEARCH SUBJECT", "SEARCH SUBJECT", "median", "ms", _times(0.7)),
    Row("SEARCH BODY", "SEARCH BODY", "median", "ms", _times(0.1)),
    Row("STORE 1:* +FLAGS (\\Seen)", "STORE 1:* +FLAGS (\\Seen)", "median", "ms", _times(0.5)),
    Row("STORE 1:* +FLAGS.SILENT (\\Seen)", "STORE 1:* +FLAGS.SILENT (\\Seen)", "median", "ms", _times(0.5)),
    Row("COPY 1000", "COPY 1000", "median", "ms", _times(0.3)),
    Row("MOVE 1000", "MOVE 1000", "median", "ms", _times(0.5)),
    Row("STORE \\Deleted and EXPUNGE 1000", "STORE \\Deleted and EXPUNGE 1000", "median", "ms", _times(1)),
    Row("NOOP, p50", "NOOP", "p50", "ms", _times(1.5)),
)
IDLE = (
    Row("memory of an idle connection", "memory of idle sessions", "pss", "KiB"),
    Row("CPU while 500 connections are idle", "CPU of idle sessions", "rate", "cores"),
)


class Beside:
    """The rows, over servers that run."""

    def __init__(self, servers: list[Server], report: Report, *, count: int, quick: bool) -> None:
        self.servers, self.report, self.count, self.quick = servers, report, count, quick

    def all(self, rounds: int) -> None:
        self._fill()
        for number in range(rounds):
            for server in self._in_turn(number):
                self._ops(server)
            for server in self._in_turn(number):
                asyncio.run(self._appends(server))
                server.rest()
        for number in range(1 if self.quick else 2):
            for server in self._in_turn(number):
                self._mix(server)
        for server in self.servers:
            self._idle(server)
        for server in self.servers:
            asyncio.run(self._cold(server))

    def _in_turn(self, number: int) -> list[Server]:
        """Another one begins each round."""
        at = number % len(self.servers)
        return self.servers[at:] + self.servers[:at]

    # load.py

    def _load(self, server: Server, bench: str, port: int, *arguments: str) -> Iterator[dict[str, Any]]:
        command = [sys.executable, str(HERE / "load.py"), bench, "--port", str(port), *arguments]
        command += [word for pid in server.roots for word in ("--pid", str(pid))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{server.name}: {' '.join(command)}\n{done.stdout}{done.stderr}")
        return (json.loads(line) for line in done.stdout.splitlines())

    def _take(self, server: Server, rows: tuple[Row, ...], figures: Iterator[dict[str, Any]]) -> None:
        by_name = {line["figure"]: line for line in figures}
        for row in rows:
            line = by_name.get(row.figure)
            if line is not None and row.value in line:
                self.report.add(server.name, row.title, row.unit, [line[row.value]], row.target)

    # The rows

    def _fill(self) -> None:
        """One box of the corpus for each server; 10 connections, one message at a time each."""
        for server in self.servers:
            arguments = ("--mailbox", BOX, "--count", str(self.count), "--connections", "10")
            line = next(self._load(server, "imap-fill", server.imap, *arguments))
            size = f"{line['octets'] / 1e6:.0f} MB"
            title = f"APPEND of the box ({self.count:,}, {size}), 10 connections"
            self.report.add(server.name, title, "/s", [line["rate"]], _times(1.5, below=False))
            server.rest()

    def _ops(self, server: Server) -> None:
        repeat = ("--repeat", "3" if self.quick else "5", "--slow-repeat", "2" if self.quick else "3")
        arguments = ("--mailbox", BOX, "--count", str(self.count), *repeat)
        self._take(server, OPS, self._load(server, "imap-ops", server.imap, *arguments))

    async def _appends(self, server: Server) -> None:
        """Messages of the corpus into a box of their own: one by one, in many connections, many in one command."""
        count = 200 if self.quick else 500
        messages = list(load.Corpus(2).messages(count))
        client = await load.Imap.login(server.target())
        await client.ask_capabilities()
        name = "bench-append"
        for connections, target in ((1, _times(0.7, below=False)), (10, _times(1.5, below=False))):
            await load.create_mailbox(client, name)
            clients = [await load.Imap.login(server.target()) for _ in range(connections)]
            for each in clients:
                await each.ask_capabilities()
            left = iter(messages)
            with load.Clock() as clock:
                await asyncio.gather(*(load.fill(each, name, left) for each in clients))
            await asyncio.gather(*(each.logout() for each in clients))
            title = f"APPEND of {count}, {connections} connection{'s' if connections > 1 else ''}"
            self.report.add(server.name, title, "/s", [count / clock.seconds], target)
            await client.command(f"DELETE {name}")
        if "MULTIAPPEND" in client.capabilities:
            await load.create_mailbox(client, name)
            with load.Clock() as clock:
                for at in range(0, count, 50):
                    await client.append_many(name, messages[at : at + 50])
            title = f"APPEND of {count}, MULTIAPPEND of 50"
            self.report.add(server.name, title, "/s", [count / clock.seconds], _times(1.5, below=False))
            await client.command(f"DELETE {name}")
        await client.logout()

    def _mix(self, server: Server) -> None:
        list(self._load(server, "imap-mix", server.imap, "--sessions", "50", "--seconds", "0.1"))  # fills the boxes
        server.rest()
        arguments = ("--sessions", "50", "--seconds", "6" if self.quick else "20")
        lines = {line["figure"]: line for line in self._load(server, "imap-mix", server.imap, *arguments)}
        whole, each = lines["mix"], lines["mix: all commands"]
        by_cpu = each["samples"] / whole["server_cpu_seconds"]
        title = "mix of 50 connections: commands per server CPU second"
        self.report.add(server.name, title, "/s", [by_cpu], _times(1, below=False))
        self.report.add(server.name, "mix of 50 connections: commands per second", "/s", [whole["rate"]])
        self.report.add(server.name, "mix of 50 connections: p99", "ms", [each["p99"]])

    def _idle(self, server: Server) -> None:
        """500 that wait, in clear and with TLS, and mail that arrives for one of them."""
        sessions = "100" if self.quick else "500"
        server.restart()  # or what the mix has left free would be taken for memory that costs nothing
        mail = ("--deliver", "lmtp" if server.lmtp else "smtp", "--smtp-port", str(server.mail))
        arguments = ("--sessions", sessions, "--deliveries", "50" if self.quick else "200", *mail)
        lines = list(self._load(server, "imap-idle", server.imap, *arguments))
        self._take(server, IDLE, iter(lines))
        push = next(line for line in lines if line["figure"].endswith("from acceptance"))
        title = f"from 250 to EXISTS, {sessions} idle connections"
        target = Target(100, unit="ms")
        self.report.add(server.name, f"{title}, p50", "ms", [push["p50"]])
        self.report.add(server.name, f"{title}, p99", "ms", [push["p99"]], target, f"{push['missed']} missed")
        if server.imaps:
            server.restart()
            arguments = ("--sessions", sessions, "--deliveries", "0", "--tls")
            for line in self._load(server, "imap-idle", server.imaps, *arguments):
                if line["figure"] == "memory of idle sessions":
                    target = Target(40, unit="KiB")
                    self.report.add(server.name, "memory of an idle connection with TLS", "KiB", [line["pss"]], target)

    async def _cold(self, server: Server) -> None:
        """The first command of each kind after a restart: caches of the server's own are empty, the disk's are not."""
        for title, command in (
            ("after a restart: SELECT", None),
            ("after a restart: UID FETCH 1:* (FLAGS)", "UID FETCH 1:* (FLAGS)"),
            ("after a restart: headers of all, as Thunderbird asks", load.THUNDERBIRD_OPEN),
            ("after a restart: ENVELOPE and BODYSTRUCTURE of all", load.ENVELOPES),
            ("after a restart: SEARCH SUBJECT", f'SEARCH SUBJECT "{load.SUBJECT_WORD}"'),
            ("after a restart: SEARCH BODY", f'SEARCH BODY "{load.RARE_WORD}"'),
        ):
            server.restart()
            client = await load.Imap.login(server.target())
            reply = await client.command(f"SELECT {BOX}")
            if command is not None:
                reply = await client.command(command, keep=False)
            self.report.add(server.name, title, "ms", [reply.seconds * 1000])
            await client.logout()
