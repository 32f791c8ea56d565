"""Sockets that systemd holds: who comes while the server is started again waits, and is served."""

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.conftest import DOMAIN
from tests.e2e.faults import Wire, site_over, sqlite_in
from tests.e2e.mailbox import imap, subjects

# What systemd does before it starts a service: descriptors from 3 on, and their names.
HAND_OVER = """
import os, socket, sys
with socket.socket(socket.AF_UNIX) as holder:
    holder.connect(sys.argv[1])
    _, handed, _, _ = socket.recv_fds(holder, 1, 2)
for number, descriptor in enumerate(handed):
    os.dup2(descriptor, 3 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="imap:smtp")
os.execv(sys.argv[2], sys.argv[2:])
"""


@contextlib.contextmanager
def held(path: Path) -> Iterator[list[int]]:
    """Two listening sockets, handed to whoever asks at the path; their ports."""
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    asked = socket.socket(socket.AF_UNIX)
    asked.bind(str(path))
    asked.listen()

    def hand_over() -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                client, _ = asked.accept()
                with client:
                    socket.send_fds(client, [b"x"], [each.fileno() for each in listening])

    thread = threading.Thread(target=hand_over)
    thread.start()
    try:
        yield [each.getsockname()[1] for each in listening]
    finally:
        asked.shutdown(socket.SHUT_RDWR)
        thread.join(60)
        for each in (*listening, asked):
            each.close()


def test_who_comes_while_it_is_started_again_is_served(tmp_path: Path) -> None:
    with held(tmp_path / "held") as ports:
        under = (sys.executable, "-c", HAND_OVER, str(tmp_path / "held"))
        with site_over(sqlite_in(tmp_path), tmp_path, under=under) as site:
            site.daemon.ports |= dict(zip(("imap", "smtp"), ports, strict=True))
            with imap(site, "anna") as client:
                assert subjects(client) == []
            assert site.daemon.stop() == 0
            with Wire(ports[0]) as reader, Wire(ports[1]) as sender:
                reader.say("a LOGIN anna deadbeef\r\n")
                sender.say("EHLO client.example\r\n")
                site.daemon.restart()
                assert reader.line().startswith("* OK ")
                assert reader.line().startswith("a OK ")
                assert sender.line().startswith("220 ")
                while sender.line()[3:4] == "-":
                    pass
                sender.say(f"MAIL FROM:<x@other.example>\r\nRCPT TO:<anna@{DOMAIN}>\r\nDATA\r\n")
                sender.say("Subject: waited\r\n\r\ntext\r\n.\r\n")
                assert [sender.line()[:3] for _ in range(4)] == ["250", "250", "354", "250"]
            with imap(site, "anna") as client:
                assert subjects(client) == ["waited"]
