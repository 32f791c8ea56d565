"""Listening sockets with a path in place of a port (unix(7)).

What must stay true: the path of a server that runs is never taken from it; what a killed server left there is removed;
nobody connects before the mode is set, since a socket that does not listen yet refuses.
"""

import contextlib
import socket
import stat
from pathlib import Path

from opostd.daemon.failure import EX_CANTCREAT, EX_CONFIG, EX_UNAVAILABLE, StartFailed

PROBE_S = 1.0  # a server whose queue of connections is full does not refuse: then it waits, and lives


def bind(path: Path, mode: int) -> socket.socket:
    """A bound socket at the path, not listening yet.  Raises StartFailed."""
    _remove_stale(path)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        opened.bind(str(path))
        path.chmod(mode)
    except OSError as error:
        opened.close()
        raise StartFailed(EX_CANTCREAT, f"cannot make the socket {path}: {error.strerror or error}") from error
    return opened


def _remove_stale(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StartFailed(EX_CANTCREAT, f"cannot look at {path}: {error.strerror}") from error
    if not stat.S_ISSOCK(found.st_mode):
        raise StartFailed(EX_CONFIG, f"{path} is there and is no socket; give lmtp.listen another path")
    if _somebody_listens(path):
        raise StartFailed(
            EX_UNAVAILABLE, f"another server listens on {path}; stop it, or give lmtp.listen another path"
        )
    with contextlib.suppress(OSError):  # bind says what is wrong
        path.unlink()


def _somebody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # not to be asked: not ours
        return True


def inode(path: Path) -> int:
    """Which socket the path leads to; 0 for none."""
    try:
        return path.lstat().st_ino
    except OSError:
        return 0


def remove(path: Path, made: int) -> None:
    """Take the path away, if it still leads to the socket that was made there: to that inode."""
    if made and inode(path) == made:
        with contextlib.suppress(OSError):
            path.unlink()
