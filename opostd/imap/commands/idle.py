"""IDLE (RFC 2177): changes of the selected box as they come, until DONE."""

from opostd.imap.session import Reply, Session
from opostd.imap.values.commands import Bare
from opostd.imap.values.responses import Condition, Continue, Done


async def idle(session: Session, _: Bare) -> Reply:
    """Up to date first (promise 5), then whatever happens.  Any line but DONE is BAD, and ends it.

    What is to be told already goes out with the continuation, in one piece: a client that reads the continuation alone
    and then waits for its socket has it all.
    """
    if session.selected is not None:
        await session.selected.live.bring_up()
    yield Continue(b"idling")  # goes out with what Wire.idle tells first
    if (await session.wire.idle()).strip().upper() != b"DONE":
        yield Done(Condition.BAD, "expected DONE")
