"""Return paths that say whose mail came back, and whether what came there says that it did.

Pure.  RFC 3464 (a report that a machine can read).  Each member of a group who is elsewhere has a token of their own,
known to nobody who was not sent mail under it: ``bounce+TOKEN@`` the group's domain.
"""

import re
from collections.abc import Iterable

_BOUNCE = re.compile(r"bounce\+([a-z2-7]{16})@")
_REPORT = re.compile(rb"(?im)^content-type:[ \t]*multipart/report\b")
# What a server thinks of us, or of a message, is not the member's doing (RFC 3463 3.7, 3.8).
_POLICY = re.compile(rb"(?im)^status:[ \t]*[45]\.[67]\.")
_FAILED = re.compile(rb"(?im)^action:[ \t]*failed\b")
MAX_LOOKED_AT = 256 * 1024  # octets: a report stands before what it returns


def return_path(token: str, via: str) -> str:
    """Of a copy for a member of the group ``via``."""
    return f"bounce+{token}@{via.rpartition('@')[2]}"


def token_of(addr: str) -> str | None:
    """The token in a return path.  addr: folded."""
    match = _BOUNCE.match(addr)
    return None if match is None else match[1]


def failed_paths(recipients: Iterable[str], raw: bytes) -> list[str]:
    """Those recipients of a message that are return paths, folded, where it reports a failure."""
    paths = [each.lower() for each in recipients if token_of(each.lower()) is not None]
    return paths if paths and says_failed(raw) else []


def says_failed(raw: bytes) -> bool:
    """Whether a message reports that an address fails: no delay, no holiday, no refusal of us."""
    head = raw[:MAX_LOOKED_AT]
    return bool(_REPORT.search(head) and _FAILED.search(head) and not _POLICY.search(head))


def counts(status: str) -> bool:
    """Whether a failure with this enhanced code is the address's."""
    return status[:3] not in ("5.6", "5.7")
