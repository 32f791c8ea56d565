"""Listening sockets: ours, systemd's, and the ones that cannot be had."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opostd.config import ImapSettings, LmtpSettings, Settings, SmtpSettings
from opostd.daemon import sockets
from opostd.daemon.failure import StartFailed


def imap(*listen: str) -> Settings:
    return Settings(imap=ImapSettings(listen=listen))


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_bound_sockets_refuse_until_they_listen() -> None:
    (listener,) = sockets.open_all(imap("127.0.0.1:0"), {})
    with listener.socket:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((listener.host, listener.port))
        sockets.listen(listener)
        socket.create_connection((listener.host, listener.port)).close()
        assert listener.on_loopback
        assert listener.address == f"127.0.0.1:{listener.port}"


def test_every_address_is_not_loopback() -> None:
    (listener,) = sockets.open_all(imap("0.0.0.0:0"), {})
    with listener.socket:
        assert not listener.on_loopback


def test_a_taken_port_names_its_holder_and_closes_the_others(taken: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StartFailed) as caught:
        sockets.open_all(imap("127.0.0.1:0", f"127.0.0.1:{taken}"), {})
    name = Path("/proc/self/comm").read_text().strip()
    assert str(caught.value) == (
        f"port {taken} is taken by pid {os.getpid()} ({name}); free it, or: opostd serve --port-offset 2000"
    )
    assert caught.value.status == 69
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_port_that_is_taken_between_bind_and_listen() -> None:
    (listener,) = sockets.open_all(imap("127.0.0.1:0"), {})
    with listener.socket, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", listener.port))
        other.listen()
        with pytest.raises(StartFailed, match=f"port {listener.port} is taken"):
            sockets.listen(listener)


def test_nothing_to_listen_on() -> None:
    with pytest.raises(StartFailed, match="nothing to listen on") as caught:
        sockets.open_all(Settings(), {})
    assert caught.value.status == 78


def test_an_address_of_another_machine() -> None:
    with pytest.raises(StartFailed, match=r"cannot listen on 192\.0\.2\.1 port 1143") as caught:
        sockets.open_all(imap("192.0.2.1:1143"), {})
    assert caught.value.status == 78


HANDED = """
import json, os, socket, sys
from opostd.config import Settings, SmtpSettings
from opostd.daemon import sockets
from opostd.daemon.failure import StartFailed
environ = {"LISTEN_PID": str(os.getpid()), **json.loads(sys.argv[1])}
try:
    found = sockets.open_all(Settings(smtp=SmtpSettings(listen=("127.0.0.1:0",))), environ)
    print([(each.kind.name, each.inherited, os.get_inheritable(each.socket.fileno())) for each in found], environ)
except StartFailed as error:
    print(error.status, error)
"""

CASES = [
    ("imap", "[('imap', True, False), ('smtp', False, False)] {}"),
    ("smtp", "[('smtp', True, False)] {}"),
    ("submissions", "[('submissions', True, False), ('smtp', False, False)] {}"),
    ("web", "78 systemd handed over "),
    ("opostd", "78 systemd handed over "),  # the port says nothing
    ("", "78 systemd handed over "),
]


@pytest.mark.parametrize(("name", "said"), CASES)
def test_sockets_of_systemd(name: str, said: str) -> None:
    """Descriptor 3 is a real listening socket, as systemd leaves it to the process it starts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = (
            f"import os, sys; os.dup2({server.fileno()}, 3); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
        )
        variables = f'{{"LISTEN_FDS": "1", "LISTEN_FDNAMES": "{name}"}}'
        done = subprocess.run(
            [sys.executable, "-c", script, "-c", HANDED, variables],
            pass_fds=(server.fileno(),), capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.stdout.startswith(said), done.stdout + done.stderr


def test_variables_for_another_process_are_not_ours() -> None:
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}
    settings = Settings(smtp=SmtpSettings(listen=("127.0.0.1:0",)))
    found = sockets.open_all(settings, environ)
    sockets.close_all(found)
    assert [each.kind.name for each in found] == ["smtp"]
    assert environ == {}


def test_the_port_says_the_door_under_the_servers_own_name() -> None:
    with socket.socket(socket.AF_INET) as handed:
        handed.bind(("127.0.0.2", 993)) if os.geteuid() == 0 else handed.bind(("127.0.0.2", 0))
        port = handed.getsockname()[1]
        assert port != 993 or sockets._kind("opostd", handed).name == "imaps"


def lmtp(path: Path, mode: str = "0660") -> Settings:
    return Settings(lmtp=LmtpSettings(listen=(f"unix:{path}",), socket_mode=mode))


def test_a_socket_with_a_path(tmp_path: Path) -> None:
    path = tmp_path / "lmtp"
    (listener,) = sockets.open_all(lmtp(path, "0600"), {})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (listener.address, listener.port, listener.on_loopback) == (f"unix:{path}", 0, True)
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(str(path))
    sockets.listen(listener)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    sockets.close_all([listener])
    assert not path.exists()


def test_what_a_killed_server_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "lmtp"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
        killed.listen()
    (listener,) = sockets.open_all(lmtp(path), {})
    sockets.listen(listener)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    sockets.close_all([listener])


def test_a_server_that_runs_keeps_its_path(tmp_path: Path) -> None:
    path = tmp_path / "lmtp"
    (first,) = sockets.open_all(lmtp(path), {})
    sockets.listen(first)
    with pytest.raises(StartFailed, match="another server listens") as caught:
        sockets.open_all(lmtp(path), {})
    assert caught.value.status == 69
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    sockets.close_all([first])


def test_a_file_is_no_stale_socket(tmp_path: Path) -> None:
    path = tmp_path / "lmtp"
    path.write_text("precious")
    with pytest.raises(StartFailed, match="is no socket"):
        sockets.open_all(lmtp(path), {})
    assert path.read_text() == "precious"


def test_the_path_of_a_successor_is_left(tmp_path: Path) -> None:
    path = tmp_path / "lmtp"
    (first,) = sockets.open_all(lmtp(path), {})
    path.rename(tmp_path / "moved")
    (second,) = sockets.open_all(lmtp(path), {})
    sockets.close_all([first])
    assert path.exists()
    sockets.close_all([second])
