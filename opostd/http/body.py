"""The body of a request: read up to a limit, never further."""

from collections.abc import AsyncIterator

from opostd.http.front import Receive, Scope, header
from opostd.intake.spool import Spool
from opostd.model.errors import BadMessage, DiskFull, TooBig

KIB = 1024
MAX_JSON = 1024 * KIB  # security.md 1.6: a post of 64 KiB in Markdown, its recipients, and escapes
MAX_FORM = 256 * KIB


class Gone(BadMessage):
    """The client went away in the middle of its request."""


def check_length(scope: Scope, limit: int) -> None:
    """Raises TooBig for a body that says by itself that it is, before an octet of it is read."""
    said = header(scope, b"content-length")
    if said.isdecimal() and int(said) > limit:
        raise TooBig(f"the body has more than {limit} octets")


async def read(scope: Scope, receive: Receive, limit: int) -> bytes:
    """All of it.  Raises TooBig, Gone."""
    return b"".join([octets async for octets in _pieces(scope, receive, limit)])


async def spooled(scope: Scope, receive: Receive, limit: int) -> Spool:
    """All of it, past 1 MiB on the disk: who is slow holds no memory.  Raises TooBig, Gone, DiskFull."""
    spool = Spool()
    try:
        async for octets in _pieces(scope, receive, limit):
            spool.append(octets)
    except OSError as error:
        spool.drop()
        raise DiskFull("a message cannot be kept while it comes in") from error
    except BaseException:
        spool.drop()
        raise
    return spool


async def _pieces(scope: Scope, receive: Receive, limit: int) -> AsyncIterator[bytes]:
    check_length(scope, limit)
    octets, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone("the request was not sent to its end")
        piece: bytes = message.get("body", b"")
        octets += len(piece)
        if octets > limit:
            raise TooBig(f"the body has more than {limit} octets")
        more = bool(message.get("more_body"))
        yield piece
