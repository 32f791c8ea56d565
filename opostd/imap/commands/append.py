"""APPEND (RFC 9051 6.3.12; APPENDUID: RFC 4315 3)."""

from opostd.imap.session import Reply, Session
from opostd.imap.values.commands import Append
from opostd.imap.values.responses import Condition, Done
from opostd.model.errors import NoSuchBox
from opostd.store import boxes


async def append(session: Session, command: Append) -> Reply:
    """OK is said after COMMIT.  The octets are kept as they came: nothing is rendered or added."""
    services = session.services
    try:
        box = await services.store.run(boxes.box_named, session.user.owner, command.name)
        uidvalidity, uid = await services.intake.append(
            command.message, box.owner, box.box, command.internaldate, command.flags
        )
    except NoSuchBox:
        yield Done(Condition.NO, "no such mailbox", b"TRYCREATE")
        return
    if session.selected is not None and session.selected.live.key == (box.owner, box.box):
        await session.selected.live.refresh()
    yield Done(Condition.OK, "appended", b"APPENDUID %d %d" % (uidvalidity, uid))
