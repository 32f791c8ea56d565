"""A real daemon in a process of its own, for tests and for the benchmark.

``start_daemon(tmp_path)`` starts the demo in a home of its own; with ``config_text`` it serves that configuration, in
which ``{imap}`` ``{imaps}`` ``{submission}`` ``{submissions}`` ``{smtp}`` ``{lmtp}`` ``{http}`` ``{https}`` stand for free ports, ``{data}``
for a folder.  Returns when the daemon says "Ready."; nothing here sleeps.
"""

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

KINDS = {
    "imap": 1143, "imaps": 1993, "submission": 1587, "submissions": 1465, "smtp": 1025, "lmtp": 1024, "http": 1080,
    "https": 1443, "metrics": 1464,
}  # fmt: skip
READY_S = 60.0  # of wall clock, on a machine where everything else runs too
STOP_S = 60.0


class DaemonDied(AssertionError):
    """It ended before it was ready; the text is what it said."""


class Output:
    """What a process has written so far, and a way to wait for more."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def text(self) -> str:
        with self._changed:
            return "".join(self._lines)

    def wait_for(self, pattern: str, timeout_s: float = READY_S) -> re.Match[str] | None:
        """The first match; None when the process ended without one.  Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = re.search(pattern, "".join(self._lines), re.MULTILINE)
                if found or self._ended:
                    return found
                if not self._changed.wait(max(deadline - time.monotonic(), 0)):
                    raise TimeoutError(f"no {pattern!r} within {timeout_s} s in:\n{''.join(self._lines)}")

    def join(self) -> str:
        """All of it, when the process has ended."""
        self._reader.join(STOP_S)
        return self.text


class Daemon:
    """A running ``opostd serve``; ``restart`` gives it the same ports again.

    program: what Python runs; under: a command in front of all, which becomes the daemon by exec.
    """

    program: Sequence[str] = ("-m", "opostd")

    def __init__(
        self,
        arguments: Sequence[str],
        environ: dict[str, str],
        ports: dict[str, int],
        config: Path,
        under: Sequence[str] = (),
    ) -> None:
        self.under = under
        self.arguments = list(arguments)
        self.environ = environ
        self.ports = ports
        self.config = config
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [*self.under, sys.executable, *self.program, *self.arguments],
            env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._output = Output(self.process)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        return self._output.text

    def wait_ready(self) -> None:
        """Raises DaemonDied."""
        if not self.wait_for(r"^Ready\."):
            self.process.wait()
            raise DaemonDied(f"status {self.process.returncode}:\n{self._output.join()}")

    def wait_for(self, pattern: str, timeout_s: float = READY_S) -> re.Match[str] | None:
        """The first match in what the daemon has said, waiting for it; None when it ended without."""
        return self._output.wait_for(pattern, timeout_s)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it as systemd does; the exit status.  Raises TimeoutExpired (and kills it) when it does not stop."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._output.join()
        return self.process.returncode

    def kill(self) -> None:
        """kill -9, and wait for the end."""
        self.process.kill()
        self.process.wait()
        self._output.join()

    def restart(self) -> None:
        """Start it again, on the same ports, and wait until it is ready."""
        self.start()
        self.wait_ready()

    def cli(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run another command of opostd on the same configuration and home."""
        return run_cli(
            *arguments, environ=self.environ, config=self.config if self.config.exists() else None, text=text
        )


def run_cli(
    *arguments: str, environ: dict[str, str], config: Path | None = None, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run ``opostd``, with the configuration if there is one; its output and status."""
    given = ["--config", str(config)] if config else []
    return subprocess.run(
        [sys.executable, "-m", "opostd", *given, *arguments],
        env=environ, input=text, capture_output=True, text=True, timeout=READY_S,
    )  # fmt: skip


def home_environ(tmp_path: Path) -> dict[str, str]:
    """An environment whose home is below tmp_path, with nothing of opostd's or systemd's in it."""
    (tmp_path / "home").mkdir(exist_ok=True)
    unwanted = ("XDG_DATA_HOME", "OPOSTD_CONFIG", "STATE_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM")
    environ = {key: value for key, value in os.environ.items() if key not in unwanted}
    return {**environ, "HOME": str(tmp_path / "home"), "PYTHONUNBUFFERED": "1"}


def start_daemon(
    tmp_path: Path,
    *,
    config_text: str | None = None,
    extra_args: Sequence[str] = (),
    migrate: bool = True,
    under: Sequence[str] = (),
) -> Daemon:
    """A daemon that is ready.  migrate: make the tables of a configured store first.  Raises DaemonDied."""
    environ = home_environ(tmp_path)
    config = tmp_path / "opostd.toml"
    if config_text is None:
        return _start_demo(environ, config, extra_args)
    ports = free_ports()
    config.write_text(fill(config_text, ports, tmp_path))
    if migrate:
        done = run_cli("migrate", "up", environ=environ, config=config)
        if done.returncode:
            raise DaemonDied(f"migrate up: status {done.returncode}:\n{done.stdout}{done.stderr}")
    return _ready(Daemon(["--config", str(config), "serve", *extra_args], environ, ports, config, under))


def _start_demo(environ: dict[str, str], config: Path, extra_args: Sequence[str]) -> Daemon:
    for _ in range(5):  # another test may take a port between the look and the start
        offset = free_offset()
        ports = {kind: port + offset for kind, port in KINDS.items() if kind not in ("lmtp", "https", "metrics")}
        daemon = Daemon(["serve", "--port-offset", str(offset), *extra_args], environ, ports, config)
        try:
            return _ready(daemon)
        except DaemonDied as error:
            if " is taken" not in str(error):
                raise
    raise DaemonDied("no free ports in five tries")


def _ready(daemon: Daemon) -> Daemon:
    try:
        daemon.wait_ready()
    except BaseException:
        daemon.kill()
        raise
    return daemon


def fill(config_text: str, ports: dict[str, int], tmp_path: Path) -> str:
    """The text with ports and folder in place of their names in braces."""
    (tmp_path / "data").mkdir(exist_ok=True)
    for name, value in {**ports, "data": str(tmp_path / "data")}.items():
        config_text = config_text.replace("{" + name + "}", str(value))
    return config_text


def free_ports() -> dict[str, int]:
    """A free port for every kind of door; a daemon that starts again finds it free again."""
    opened: dict[str, socket.socket] = {}
    while len(opened) < len(KINDS):
        with contextlib.suppress(OSError):
            # Below the ephemeral ports: any connection of another test may get one of those meanwhile.
            opened[list(KINDS)[len(opened)]] = socket.create_server(("127.0.0.1", random.randrange(5000, 32000)))
    ports = {kind: int(each.getsockname()[1]) for kind, each in opened.items()}
    for each in opened.values():
        each.close()
    return ports


def free_offset() -> int:
    """What to add to the demo's ports so that all of them are free."""
    while True:
        offset = random.randrange(5000, 30000)  # below the ephemeral ports, which tests open by the hundred
        if all(_is_free(port + offset) for port in KINDS.values()):
            return offset


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
