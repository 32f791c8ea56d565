"""Object identifiers (RFC 8474 4, 5): a letter says of what, so that none is ever taken for another.

A post has one id wherever it stands and whoever reads it, so EMAILID is the same in every box and for every reader.
"""

import re

from opostd.model.ids import BoxId, PostId

_OF_POST = re.compile(rb"([MT])([0-9a-f]{32})")


def mailboxid(box: BoxId) -> bytes:
    return b"F%016x" % box


def emailid(post: PostId) -> bytes:
    return b"M" + post.hex().encode("ascii")


def threadid(thread: PostId) -> bytes:
    return b"T" + thread.hex().encode("ascii")


def email_of(objectid: bytes) -> PostId | None:
    """The post of an EMAILID; None where none can have it.  Case counts (RFC 8474 7)."""
    return _post_of(objectid, b"M")


def thread_of(objectid: bytes) -> PostId | None:
    """The thread of a THREADID; None where none can have it."""
    return _post_of(objectid, b"T")


def _post_of(objectid: bytes, letter: bytes) -> PostId | None:
    found = _OF_POST.fullmatch(objectid)
    if found is None or found[1] != letter:
        return None
    return PostId(bytes.fromhex(found[2].decode("ascii")))
