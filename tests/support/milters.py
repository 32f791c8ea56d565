"""Content filters of others, started for tests."""

import subprocess
import time
from pathlib import Path

PROGRAM = Path(__file__).with_name("milter_program.py")


def started(command: list[str], socket: Path, folder: Path) -> "subprocess.Popen[bytes]":
    """The process of a filter, which listens by now; what it says goes to a file in the folder."""
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder)
    end = time.monotonic() + 60
    while not socket.exists():
        assert process.poll() is None, (folder / "out").read_text()
        assert time.monotonic() < end
        time.sleep(0.02)
    return process


def libmilter(folder: Path) -> "tuple[subprocess.Popen[bytes], Path]":
    """``milter_program.py`` and its socket."""
    socket = folder / "milter"
    return started(["/usr/bin/python3", str(PROGRAM), f"unix:{socket}"], socket, folder), socket
