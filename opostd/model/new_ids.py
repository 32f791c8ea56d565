"""New identifiers.  Apart from ``ids``, for the pure rooms know no chance and no clock."""

import base64
import secrets

import uuid_utils

from opostd.model.ids import BoxId, OwnerId, PostId


def new_owner_id() -> OwnerId:
    """A random id of an account; 1 is the system account's, so chance never gives it."""
    return OwnerId(2 + secrets.randbelow(2**63 - 2))


def new_box_id() -> BoxId:
    """A random id of a box."""
    return BoxId(1 + secrets.randbelow(2**63 - 1))


def new_post_id() -> PostId:
    """A UUIDv7: ascending with the clock, and not to be guessed."""
    return PostId(uuid_utils.uuid7().bytes)


def new_token() -> str:
    """80 bits as 16 letters and digits, which stand in any address."""
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()
