"""APPEND and REPLACE (RFC 9051 6.3.12, RFC 8508; APPENDUID: RFC 4315 3; MULTIAPPEND: RFC 3502; UTF8: RFC 6855 4).

OK is said after COMMIT.  The octets are kept as they came: nothing is rendered or added (CATENATE: ``catenate``).
"""

from collections.abc import Sequence
from dataclasses import replace as with_

from opostd.imap.access import Access, find
from opostd.imap.commands.catenate import made
from opostd.imap.commands.messages import chosen, uids_of, writable
from opostd.imap.format.sets import format_set
from opostd.imap.session import Reply, Session
from opostd.imap.values.append import Append, NewMessage, Replace
from opostd.imap.values.responses import Condition, Done, State
from opostd.intake.intake import NewMessage as Made
from opostd.model.errors import NoSuchBox, NoSuchMessage
from opostd.model.ids import Uid
from opostd.model.rights import Rights

NO_BOX = Done(Condition.NO, "no such mailbox", b"TRYCREATE")
NOT_ENABLED = Done(Condition.NO, "ENABLE UTF8=ACCEPT first", b"CANNOT")


async def append(session: Session, command: Append) -> Reply:
    services = session.services
    if any(each.utf8 for each in command.messages) and not session.utf8:
        yield NOT_ENABLED
        return
    try:
        box = await find(session, command.name, Rights.INSERT)
        messages = await _made(session, box, command.messages)
        uidvalidity, uids = await services.intake.append(messages, *box.key)
    except NoSuchBox:
        yield NO_BOX
        return
    if session.notices is not None:
        session.notices.put(box.key, uids)
    if session.selected is not None and session.selected.live.key == box.key:
        await session.selected.live.refresh()
    yield Done(Condition.OK, "appended", _appenduid(box, uidvalidity, uids))


async def replace(session: Session, command: Replace) -> Reply:
    """APPENDUID comes before the EXPUNGE (RFC 8508 4.3), which the connection shows."""
    services, selected = session.services, writable(session, Rights.DELETE | Rights.EXPUNGE)
    uids = uids_of(selected.view, chosen(selected, command.number, by_uid=command.by_uid))
    if not uids:
        raise NoSuchMessage("there is no such message")
    if command.message.utf8 and not session.utf8:
        yield NOT_ENABLED
        return
    try:
        box = await find(session, command.name, Rights.INSERT)
        (message,) = await _made(session, box, (command.message,))
        uidvalidity, uid = await services.intake.replace(message, *box.key, selected.live.key, uids[0])
    except NoSuchBox:
        yield NO_BOX
        return
    if session.notices is not None:
        session.notices.put(box.key, (uid,))
    yield State(Condition.OK, "the new message is there", _appenduid(box, uidvalidity, (uid,)))
    await selected.live.refresh()
    if session.qresync:
        yield Done(Condition.OK, "replaced", highestmodseq=True)  # RFC 8508 4.5


def _appenduid(box: Access, uidvalidity: int, uids: Sequence[Uid]) -> bytes | None:
    """None of a box that the user must not read (RFC 9051 6.3.12)."""
    if Rights.READ not in box.rights:
        return None
    return b"APPENDUID %d %b" % (uidvalidity, format_set(uids))


async def _made(session: Session, box: Access, given: tuple[NewMessage, ...]) -> list[Made]:
    """The messages with those of their flags that the user may set in this box (RFC 4314 4)."""
    messages = await made(session, given)
    if box.own:
        return messages
    return [with_(each, flags=box.scope.of(each.flags)) for each in messages]
