"""Where one listens or connects, as settings write it: ``127.0.0.1:143``, ``[::1]:143``, ``unix:/run/opostd/lmtp``."""

import re
from ipaddress import ip_address
from pathlib import Path

UNIX = "unix:"
_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+|\*)):([0-9]{1,5})", re.ASCII)


def unix_path(text: str) -> Path | None:
    """The path of ``unix:/run/opostd/lmtp``; None where it is no such thing."""
    return Path(text.removeprefix(UNIX)) if text.startswith(UNIX) else None


def split_listen(text: str) -> tuple[str, int] | None:
    """Host and port of ``127.0.0.1:143``, ``[::1]:143``, ``name:143`` or ``*:143``; None where it is none of them."""
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[3]) > 65535:
        return None
    return match[1] or match[2], int(match[3])


def is_address(text: str) -> bool:
    """Whether it is an IP address, without brackets."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on this host."""
    return host.startswith("127.") or host in ("::1", "localhost")
