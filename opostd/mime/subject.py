"""The base subject of SORT and THREAD (RFC 5256 2.1), exactly: clients without a connection compute the same.

What must stay true: the time is linear in the subject, whatever brackets it has.
"""

import re
from typing import NamedTuple

_SPACE = re.compile(r"[ \t]+")
_BLOB = re.compile(r"\[[^\[\]]*+\][ \t]*+")
_REFWD = re.compile(r"(?:re|fwd?)[ \t]*+(?:\[[^\[\]]*+\][ \t]*+)?:", re.IGNORECASE | re.ASCII)
_FWD_HEADER = "[fwd:"


class BaseSubject(NamedTuple):
    """reply: something was taken away that says it is a reply or was forwarded (RFC 5256 3, THREAD)."""

    text: str
    reply: bool


def base_subject(subject: str) -> BaseSubject:
    """What is left of a decoded subject without ``Re:``, ``Fwd:``, ``[list]`` and the like; in its own case."""
    text = _SPACE.sub(" ", subject)  # step 1
    start, end = 0, len(text)
    reply = False
    while True:
        end, forwarded = _without_trailers(text, start, end)  # step 2
        start, replied = _without_leaders(text, start, end)  # steps 3 to 5
        reply = reply or forwarded or replied
        head = text[start : start + len(_FWD_HEADER)]
        if end - start <= len(_FWD_HEADER) or text[end - 1] != "]" or head.lower() != _FWD_HEADER:
            return BaseSubject(text[start:end], reply)
        start, end, reply = start + len(_FWD_HEADER), end - 1, True  # step 6


def _without_trailers(text: str, start: int, end: int) -> tuple[int, bool]:
    """Where the text ends without its trailers, and whether ``(fwd)`` was one."""
    forwarded = False
    while end > start:
        if text[end - 1] in " \t":
            end -= 1
        elif end - start >= 5 and text[end - 5 : end].lower() == "(fwd)":
            end -= 5
            forwarded = True
        else:
            break
    return end, forwarded


def _without_leaders(text: str, start: int, end: int) -> tuple[int, bool]:
    """Where the text begins without leaders and blobs, and whether a subj-refwd was among them."""
    replied = False
    while start < end:
        if text[start] in " \t":
            start += 1
            continue
        at = last = start
        while (blob := _BLOB.match(text, at, end)) is not None:
            at, last = blob.end(), at
        if (refwd := _REFWD.match(text, at, end)) is not None:
            start, replied = refwd.end(), True
            continue
        # No "Re:" behind the blobs: all go while something is left, so that the last of them may be the subject.
        start = at if at < end else last
        break
    return start, replied
