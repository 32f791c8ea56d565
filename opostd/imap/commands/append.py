"""APPEND and REPLACE (RFC 9051 6.3.12, RFC 8508; APPENDUID: RFC 4315 3; MULTIAPPEND: RFC 3502; UTF8: RFC 6855 4).

OK is said after COMMIT.  The octets are kept as they came: nothing is rendered or added (CATENATE: ``catenate``).
"""

from opostd.imap.commands.catenate import made
from opostd.imap.commands.messages import chosen, uids_of, writable
from opostd.imap.format.sets import format_set
from opostd.imap.session import Reply, Session
from opostd.imap.values.append import Append, Replace
from opostd.imap.values.responses import Condition, Done, State
from opostd.model.errors import NoSuchBox, NoSuchMessage
from opostd.store import boxes

NO_BOX = Done(Condition.NO, "no such mailbox", b"TRYCREATE")
NOT_ENABLED = Done(Condition.NO, "ENABLE UTF8=ACCEPT first", b"CANNOT")


async def append(session: Session, command: Append) -> Reply:
    services = session.services
    if any(each.utf8 for each in command.messages) and not session.utf8:
        yield NOT_ENABLED
        return
    try:
        box = await services.store.glance(boxes.box_named, session.user.owner, command.name)
        messages = await made(session, command.messages)
        uidvalidity, uids = await services.intake.append(messages, box.owner, box.box)
    except NoSuchBox:
        yield NO_BOX
        return
    if session.selected is not None and session.selected.live.key == (box.owner, box.box):
        await session.selected.live.refresh()
    yield Done(Condition.OK, "appended", b"APPENDUID %d %b" % (uidvalidity, format_set(uids)))


async def replace(session: Session, command: Replace) -> Reply:
    """APPENDUID comes before the EXPUNGE (RFC 8508 4.3), which the connection shows."""
    services, selected = session.services, writable(session)
    uids = uids_of(selected.view, chosen(selected, command.number, by_uid=command.by_uid))
    if not uids:
        raise NoSuchMessage("there is no such message")
    if command.message.utf8 and not session.utf8:
        yield NOT_ENABLED
        return
    owner, source = selected.live.key
    try:
        box = await services.store.glance(boxes.box_named, owner, command.name)
        (message,) = await made(session, (command.message,))
        uidvalidity, uid = await services.intake.replace(message, owner, box.box, source, uids[0])
    except NoSuchBox:
        yield NO_BOX
        return
    yield State(Condition.OK, "the new message is there", b"APPENDUID %d %d" % (uidvalidity, uid))
    await selected.live.refresh()
    if session.qresync:
        yield Done(Condition.OK, "replaced", highestmodseq=True)  # RFC 8508 4.5
