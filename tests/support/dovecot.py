"""A Dovecot of one's own: IMAP on a free port of loopback, under one folder, to compare with.

Debian's ``dovecot-imapd``, and root (it gives its processes other users).  Not part of the suite: python -m
tests.mime.against_dovecot asks for it.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OWNER = 5143  # the numeric owner of the mail; no such account is needed
USER, PASSWORD = "anna", "secret"
START_S, STOP_S = 60.0, 60.0

_CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
ssl = no
disable_plaintext_auth = no
mail_home = {folder}/mail/%u
mail_location = maildir:~/Maildir
mail_uid = {owner}
mail_gid = {owner}
first_valid_uid = {owner}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner}
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service imap {{
  unix_listener imap-master {{
    user = dovecot
  }}
}}
"""


@contextmanager
def running(folder: Path) -> Iterator[int]:
    """Its port.  folder: empty; every folder above it can be entered by anybody."""
    assert shutil.which("dovecot"), "dovecot-imapd is not installed"
    (folder / "mail").mkdir()
    folder.chmod(0o755)
    os.chown(folder / "mail", OWNER, OWNER)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = folder / "dovecot.conf"
    config.write_text(_CONFIG.format(folder=folder, owner=OWNER, password=PASSWORD, port=port))
    process = subprocess.Popen(["dovecot", "-F", "-c", str(config)], stdin=subprocess.DEVNULL)
    try:
        _wait(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(STOP_S)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, "dovecot ended"
            assert time.monotonic() < deadline, "dovecot does not answer"
            time.sleep(0.05)
