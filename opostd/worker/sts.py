"""MTA-STS policies: read, kept, and what they say of a server.

Pure.  RFC 8461 3.1 (the record), 3.2 (the policy), 4.1 (names).  A policy is what a domain says about its own servers:
which they are, and whether mail may go to any other.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from opostd.worker.dane import named

MAX_OCTETS = 64 * 1024  # of a policy: RFC 8461 3.3 suggests this limit
MAX_AGE_S = 31_557_600  # a year, the most that RFC 8461 3.2 allows
MAX_MX = 100  # patterns in one policy

Mode = Literal["enforce", "testing", "none"]
MODES: tuple[Mode, ...] = ("enforce", "testing", "none")
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_PATTERN = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?", re.ASCII)


class BadPolicy(Exception):
    """What a domain published is no policy."""


@dataclass(frozen=True, slots=True)
class Policy:
    """max_age_s: how long it holds from when it was fetched."""

    mode: Mode
    mx: tuple[str, ...]
    max_age_s: int

    def allows(self, host: str) -> bool:
        """Whether mail of the domain may go to this server."""
        return any(named(pattern, host) for pattern in self.mx)


def record_id(texts: Sequence[str]) -> str | None:
    """The id in the one ``v=STSv1`` record among TXT records; None where there is not one, or it is broken."""
    ours = [each for each in texts if re.match(r"v=STSv1[ \t]*;", each)]
    if len(ours) != 1:  # RFC 8461 3.1: several are none
        return None
    for each in ours[0].split(";")[1:]:
        key, equals, value = each.strip(" \t").partition("=")
        if key == "id" and equals:
            return value if _ID.fullmatch(value) else None
    return None


def parse_policy(octets: bytes) -> Policy:
    """Raises BadPolicy.  Of a key that stands there twice the first counts, but for ``mx``."""
    if len(octets) > MAX_OCTETS:
        raise BadPolicy(f"a policy of more than {MAX_OCTETS} octets")
    try:
        lines = re.split(r"\r?\n", octets.decode())
    except UnicodeDecodeError:
        raise BadPolicy("a policy that is not UTF-8") from None
    values: dict[str, str] = {}
    mx: list[str] = []
    for line in lines:
        key, colon, value = line.partition(":")
        key, value = key.strip(" \t"), value.strip(" \t")
        if not colon:
            if line.strip():
                raise BadPolicy(f"no key and value: {line[:80]!r}")
            continue
        if key == "mx":
            mx.append(value.lower())
        else:
            values.setdefault(key, value)
    if values.get("version") != "STSv1":
        raise BadPolicy("version is not STSv1")
    mode = next((each for each in MODES if each == values.get("mode")), None)
    if mode is None:
        raise BadPolicy(f"mode is {values.get('mode', '')[:40]!r}")
    age = values.get("max_age", "")
    if not re.fullmatch(r"[0-9]{1,10}", age):
        raise BadPolicy(f"max_age is {age[:40]!r}")
    if len(mx) > MAX_MX or not all(_PATTERN.fullmatch(each) for each in mx) or (not mx and mode != "none"):
        raise BadPolicy("mx is missing or broken")
    return Policy(mode, tuple(mx), min(int(age), MAX_AGE_S))
