"""APPEND (RFC 9051 6.3.12; APPENDUID: RFC 4315 3; MULTIAPPEND: RFC 3502; UTF8: RFC 6855 4)."""

from opostd.imap.format.sets import format_set
from opostd.imap.session import Reply, Session
from opostd.imap.values.append import Append
from opostd.imap.values.responses import Condition, Done
from opostd.intake.intake import NewMessage
from opostd.model.errors import NoSuchBox
from opostd.store import boxes


async def append(session: Session, command: Append) -> Reply:
    """OK is said after COMMIT.  The octets are kept as they came: nothing is rendered or added."""
    services = session.services
    if any(each.utf8 for each in command.messages) and not session.utf8:
        yield Done(Condition.NO, "ENABLE UTF8=ACCEPT first", b"CANNOT")
        return
    messages = [NewMessage(each.octets, each.internaldate, each.flags) for each in command.messages]
    try:
        box = await services.store.run(boxes.box_named, session.user.owner, command.name)
        uidvalidity, uids = await services.intake.append(messages, box.owner, box.box)
    except NoSuchBox:
        yield Done(Condition.NO, "no such mailbox", b"TRYCREATE")
        return
    if session.selected is not None and session.selected.live.key == (box.owner, box.box):
        await session.selected.live.refresh()
    yield Done(Condition.OK, "appended", b"APPENDUID %d %b" % (uidvalidity, format_set(uids)))
