"""Ids and times of posts, as commands show and take them."""

import datetime

from opostd.cli.common import command_line
from opostd.model.errors import NoSuchPost
from opostd.model.ids import PostId


def when(seconds: int) -> str:
    """``2026-11-24 18:31``, in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M")


def post_id(text: str) -> PostId:
    """An id as ``post list`` shows it.  Raises NoSuchPost."""
    try:
        octets = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        octets = b""
    if len(octets) != 16:
        raise NoSuchPost(f"{text!r} is no id of a post, which has 32 hexadecimal digits: {command_line('post list')}")
    return PostId(octets)
