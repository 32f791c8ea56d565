"""Identifiers: different numbers have different types, so that one is never passed for another.

Owner and box ids are random 63-bit integers (no database sequence: rule 3 of the store), and a post id is a UUIDv7 in
its 16 octets, which sorts by time of acceptance.  ``new_ids`` makes them.
"""

from typing import NewType

OwnerId = NewType("OwnerId", int)
BoxId = NewType("BoxId", int)
Uid = NewType("Uid", int)
"""A message's unique identifier in its box, 1 to 2**32-1 (RFC 9051 2.3.1.1)."""
SeqNum = NewType("SeqNum", int)
"""A message's place in the box as one client counts it, from 1 (RFC 9051 2.3.1.2)."""
ModSeq = NewType("ModSeq", int)
"""The number of a change in a box, 1 to 2**63-1 (RFC 7162 3.1)."""
PostId = NewType("PostId", bytes)
"""16 octets, a UUIDv7 (RFC 9562 5.7)."""

SYSTEM_OWNER = OwnerId(1)
"""The account that owns every source box: one per group, and `everyone`.  Nobody logs in as it."""
NOBODY = OwnerId(0)
"""No account: who has not logged in."""


def accepted_at(post: PostId) -> int:
    """When a post was accepted, in seconds since 1970: a UUIDv7 begins with it in milliseconds."""
    return int.from_bytes(post[:6], "big") // 1000


def post_id_text(post: PostId) -> str:
    """The id in 32 hexadecimal digits, as EMAILID and log lines show it."""
    return post.hex()
