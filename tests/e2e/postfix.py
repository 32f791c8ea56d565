"""A real Postfix with a configuration of the test's own, on a free port of loopback."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]  # Postfix's master starts as root only

MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def run(*command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """A program that must be there and must succeed."""
    assert shutil.which(command[0]) or Path("/usr/sbin", command[0]).exists(), f"{command[0]}: .ci/run installs it"
    environ = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, env=environ)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done


@contextmanager
def running(folder: Path, main_cf: str) -> Iterator[int]:
    """Its port; stopped at the end.  folder: that the user postfix may enter, which pytest's are not."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    etc = folder / "etc"
    for each in (etc, folder / "queue", folder / "data"):
        each.mkdir()
    (etc / "main.cf").write_text(main_cf)
    (etc / "master.cf").write_text(MASTER_CF.format(port=port))
    for name in ("dynamicmaps.cf", "postfix-files"):
        if Path("/etc/postfix", name).exists():
            shutil.copy(Path("/etc/postfix", name), etc)
    run(*ROOT, "chown", "postfix", str(folder / "data"))
    run(*ROOT, "postfix", "-c", str(etc), "start")
    try:
        yield port
    finally:
        run(*ROOT, "postfix", "-c", str(etc), "stop")
        run(*ROOT, "chown", "-R", str(os.getuid()), str(folder))
