"""COMPRESS=DEFLATE (RFC 4978): the connection compresses behind the tagged OK, in both directions."""

from opostd.imap.session import Reply, Session
from opostd.imap.values.commands import Bare
from opostd.imap.values.responses import Condition, Done


async def compress(session: Session, _: Bare) -> Reply:
    """Once only: a second COMPRESS is BAD (section 3).  No TLS here compresses, so there is no COMPRESSIONACTIVE."""
    if session.wire.compressed:
        yield Done(Condition.BAD, "compression is active already")
        return
    session.wire.compress_after_reply()
    yield Done(Condition.OK, "DEFLATE active")
