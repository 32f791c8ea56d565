"""NOTIFY (RFC 5465): from here on the client listens all the time.  What it hears is ``notices``'."""

from opostd.imap.notices import Notices
from opostd.imap.session import Reply, Session
from opostd.imap.state.wishes import Wishes
from opostd.imap.values.notify import Notify


async def notify(session: Session, command: Notify) -> Reply:
    """Replaces what was wanted before.  SET is a NOOP too: the connection shows what the selected mailbox has to tell.

    Raises TooMuchToNotify, and then all is as it was.
    """
    hub, owner = session.services.hub, session.user.owner
    notices = Notices(session, Wishes.of(command.groups), session.wire.wake)
    if command.groups and session.selected is not None:
        await session.selected.live.bring_up()
    hub.watch(owner, notices)  # before the first look, so that nothing falls between
    try:
        statuses = await notices.start()
    except BaseException:
        hub.unwatch(owner, notices)
        raise
    session.notify(notices)
    for status in statuses:
        if command.status:
            yield status
