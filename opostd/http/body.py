"""The body of a request: read up to a limit, never further."""

from opostd.http.front import Receive, Scope, header
from opostd.model.errors import BadMessage, TooBig

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
    check_length(scope, limit)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone("the request was not sent to its end")
        body += message.get("body", b"")
        if len(body) > limit:
            raise TooBig(f"the body has more than {limit} octets")
        if not message.get("more_body"):
            return bytes(body)
