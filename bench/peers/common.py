"""Starting and stopping server processes by the pids we recorded ourselves."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

DOMAIN = "bench.test"
PASSWORD = "secret"
STORE_ID = 5143  # numeric owner of the mail; no such account is needed


def user_name(number: int) -> str:
    return f"u{number:05d}@{DOMAIN}"


def _born(pid: int) -> str | None:
    """When the process started, in ticks since boot; None if it is gone (or a zombie)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def record(directory: Path, name: str, pid: int) -> None:
    """Remembers a process together with its birth, so that a reused pid is never signalled."""
    (directory / f"{name}.process.json").write_text(json.dumps({"pid": pid, "born": _born(pid)}))


def spawn(directory: Path, name: str, command: list[str]) -> int:
    with open(directory / f"{name}.out", "ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    record(directory, name, process.pid)
    return process.pid


def stop(directory: Path, name: str, patience: float = 15) -> None:
    path = directory / f"{name}.process.json"
    if not path.exists():
        return
    known = json.loads(path.read_text())
    pid = known["pid"]
    if known["born"] and _born(pid) == known["born"]:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while _born(pid) == known["born"]:
            if time.monotonic() > deadline:
                raise SystemExit(f"{name} (pid {pid}) does not stop")
            time.sleep(0.1)
    path.unlink()


def wait_for_port(port: int, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit(f"nothing listens on port {port}") from None
            time.sleep(0.1)
