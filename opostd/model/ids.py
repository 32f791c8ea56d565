"""Identifiers: different numbers have different types, so that one is never passed for another.

Owner and box ids are random 63-bit integers made here (no database sequence: rule 3 of the store), and a
post id is a UUIDv7 in its 16 octets, which sorts by time of acceptance.
"""

import secrets
from typing import NewType

import uuid_utils

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


def new_owner_id() -> OwnerId:
    """A random id of an account; 1 is the system account's, so chance never gives it."""
    return OwnerId(2 + secrets.randbelow(2**63 - 2))


def new_box_id() -> BoxId:
    """A random id of a box."""
    return BoxId(1 + secrets.randbelow(2**63 - 1))


def new_post_id() -> PostId:
    """A UUIDv7: ascending with the clock, and not to be guessed."""
    return PostId(uuid_utils.uuid7().bytes)


def post_id_text(post: PostId) -> str:
    """The id in 32 hexadecimal digits, as EMAILID and log lines show it."""
    return post.hex()
