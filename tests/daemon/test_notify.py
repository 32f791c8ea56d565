"""What systemd hears (sd_notify(3))."""

import asyncio
import os
import secrets
import socket
from pathlib import Path

import pytest

from opostd.daemon.notify import Notifier


@pytest.mark.parametrize("abstract", [False, True])
def test_lines_reach_the_socket(tmp_path: Path, abstract: bool) -> None:
    name = f"@opostd-{secrets.token_hex(8)}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        notifier = Notifier({"NOTIFY_SOCKET": name})
        notifier.tell("READY=1", "STATUS=serving")
        assert manager.recv(100) == b"READY=1\nSTATUS=serving"
        notifier.close()


def test_nobody_to_tell(tmp_path: Path) -> None:
    Notifier({}).tell("READY=1")
    gone = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    gone.tell("READY=1")
    gone.close()


@pytest.mark.parametrize(("pid", "beats"), [(str(os.getpid()), True), ("1", False)], ids=["ours", "other"])
def test_the_watchdogs_beat_comes_from_the_loop(tmp_path: Path, pid: str, beats: bool) -> None:
    path = str(tmp_path / "notify")

    async def three_beats(manager: socket.socket, notifier: Notifier) -> list[bytes]:
        loop = asyncio.get_running_loop()
        notifier.start_watchdog(loop)
        return [await loop.sock_recv(manager, 100) for _ in range(3)]

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.setblocking(False)
        notifier = Notifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3000", "WATCHDOG_PID": pid})
        if beats:
            assert asyncio.run(asyncio.wait_for(three_beats(manager, notifier), 10)) == [b"WATCHDOG=1"] * 3
        else:
            asyncio.run(_start(notifier))
            with pytest.raises(BlockingIOError):
                manager.recv(100)
        notifier.close()


async def _start(notifier: Notifier) -> None:
    notifier.start_watchdog(asyncio.get_running_loop())
