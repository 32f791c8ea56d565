"""Mail that arrives, beside Postfix that hands it to Dovecot by LMTP: until it can be read by IMAP.

In Dovecot's column Postfix is the door: Debian's, with its own settings, and a spool of its own on the same disk.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import load
from report import PEER, Report, Target
from servers import Opostd, Server

from tests.e2e.postfix import running

HERE = Path(__file__).parent
USERS = 1000

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = front.bench.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
virtual_mailbox_domains = bench.test
virtual_mailbox_maps = static:there
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
smtp_host_lookup = native
fast_flush_domains =
smtpd_peername_lookup = no
"""


@contextmanager
def doors(servers: list[Server], more: Callable[[Path], str] = lambda _: "") -> Iterator[dict[str, int]]:
    """The port where mail arrives, by server; Dovecot's is Postfix's, and without Postfix it has none.

    more: lines of Postfix's configuration, for its folder.
    """
    found = {server.name: server.mail for server in servers if server.name != PEER}
    peer = next((server for server in servers if server.name == PEER), None)
    if peer is None or not (shutil.which("postfix") or Path("/usr/sbin/postfix").exists()):
        yield found
        return
    folder = Path(tempfile.mkdtemp(prefix="opostd-bench-postfix-"))
    folder.chmod(0o755)
    try:
        with running(folder, MAIN_CF.format(folder=folder, lmtp=peer.mail) + more(folder)) as port:
            peer.roots.append(int((folder / "queue" / "pid" / "master.pid").read_text()))
            yield {**found, PEER: port}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Arrival:
    """The rows, over servers that run."""

    def __init__(self, servers: list[Server], report: Report, ports: dict[str, int], *, quick: bool) -> None:
        self.servers = [server for server in servers if server.name in ports]
        self.report, self.ports, self.quick = report, ports, quick

    def all(self, rounds: int) -> None:
        for _ in range(rounds):
            for server in self.servers:
                self._until_readable(server)
                server.rest()
        for server in self.servers:
            self._recipients(server)
        for server in self.servers:
            if isinstance(server, Opostd):
                asyncio.run(self._large(server))
                self._memory(server)

    def _load(self, server: Server, *arguments: str) -> dict[str, dict[str, Any]]:
        command = [sys.executable, str(HERE / "load.py"), "smtp-submit", "--port", str(self.ports[server.name])]
        command += [*arguments, "--users", str(USERS), "--sender", "x@other.example"]
        command += [word for pid in server.roots for word in ("--pid", str(pid))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{server.name}: {' '.join(command)}\n{done.stdout}{done.stderr}")
        return {line["figure"]: line for line in map(json.loads, done.stdout.splitlines())}

    def _until_readable(self, server: Server) -> None:
        count = "1000" if self.quick else "5000"
        found = self._load(server, "--messages", count, "--wait-imap", str(server.imap))
        title = f"{count} messages of 3 KB, 10 connections, to {USERS:,} users, until readable"
        self.report.add(server.name, title, "/s", [found["delivered"]["rate"]], Target(3, below=False, ratio=True))
        self.report.add(server.name, "the same, until the last 250", "/s", [found["smtp"]["rate"]])
        end = found["end of data"]
        self.report.add(server.name, "end of data to 250, p50", "ms", [end["p50"]])
        self.report.add(server.name, "end of data to 250, p99", "ms", [end["p99"]], Target(1, ratio=True))
        cpu = found["smtp"]["server_cpu_seconds"] * 1000 / int(count)
        self.report.add(server.name, "processor time a message, until the last 250", "ms", [cpu])

    def _recipients(self, server: Server) -> None:
        """One connection, so that nothing but the number of recipients differs."""
        count = "50" if self.quick else "200"
        one, many = (
            self._load(server, "--connections", "1", "--messages", count, "--recipients", recipients)["transaction"]
            for recipients in ("1", "100")
        )
        self.report.add(server.name, "one message, 1 recipient, MAIL to 250", "ms", [one["p50"]])
        self.report.add(server.name, "one message, 100 recipients, MAIL to 250", "ms", [many["p50"]])
        self.report.add(server.name, "100 recipients by 1", "times", [many["p50"] / one["p50"]], Target(5))

    async def _large(self, server: Opostd) -> None:
        """What somebody else waits for while 25 MB arrive."""
        message = next(iter(load.Corpus(3, "plain").messages(1))).data
        message += (b"x" * 76 + b"\r\n") * (24_000_000 // 78)
        other = await load.Imap.login(server.target())
        waits: list[float] = []
        sending = asyncio.get_running_loop().create_task(asyncio.to_thread(lambda: asyncio.run(_send(server, message))))
        while not sending.done():
            waits.append((await other.command("NOOP")).seconds * 1000)
            await asyncio.sleep(0.001)
        await sending
        await other.logout()
        waits.sort()
        self.report.add(server.name, "NOOP while 24 MB arrive, p99", "ms", [load.percentile(waits, 99)])
        self.report.add(server.name, "NOOP while 24 MB arrive, the longest", "ms", [waits[-1]], Target(20))

    def _memory(self, server: Opostd) -> None:
        """Flat: what a run leaves behind is not more than the run before it left."""
        count = "2000" if self.quick else "10000"
        self._load(server, "--messages", count)
        before = _resident(server)
        self._load(server, "--messages", count)
        self.report.add(server.name, f"memory that another {count} messages add", "MiB", [_resident(server) - before])


async def _send(server: Opostd, message: bytes) -> None:
    client = await load.Smtp.connect(server.target(server.mail), False, None)
    await client.send("x@other.example", ["u00001@bench.test"], message)
    await client.quit()


def _resident(server: Opostd) -> float:
    """MiB, when the daemon has come to rest."""
    server.rest()
    status = Path(f"/proc/{server.daemon.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found[1]) / 1024
