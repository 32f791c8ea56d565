"""UIDBATCHES (RFC 10022): it counts messages, and names none by a number, so it is there under UIDONLY, too."""

from opostd.imap.session import Reply, Session
from opostd.imap.state.batches import batches
from opostd.imap.values.batches import BatchData, UidBatches
from opostd.imap.values.responses import Condition, Done

MIN_SIZE = 500  # RFC 10022 3.1.3: smaller ones would be sequence numbers by another name
TOO_FEW = Done(Condition.NO, f"a batch has {MIN_SIZE} messages at least", b"TOOFEW")


async def uidbatches(session: Session, command: UidBatches) -> Reply:
    """Whatever the number of messages: there is no TOOMANY here."""
    if command.size < MIN_SIZE:
        yield TOO_FEW
    else:
        uids = session.box.snapshot.uids
        yield BatchData(session.tag, batches(uids, command.size, command.batches))
