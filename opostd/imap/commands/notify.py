"""NOTIFY (RFC 5465): from here on the client listens all the time.  What it hears is ``notices``'."""

from collections.abc import Sequence

from opostd.imap.access import others
from opostd.imap.notices import Notices
from opostd.imap.session import Reply, Session
from opostd.imap.state.scope import covers
from opostd.imap.state.wishes import Wishes
from opostd.imap.values.notify import Group, Notify
from opostd.imap.values.responses import Listed
from opostd.model.rights import Rights
from opostd.store.names import is_shared


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
    for refused in await _not_to_be_read(session, command.groups):
        yield refused
    for status in statuses:
        if command.status:
            yield status


async def _not_to_be_read(session: Session, groups: Sequence[Group]) -> list[Listed]:
    """Mailboxes of others that are asked for by name, and may be listed and not read: ``\\NoAccess`` (RFC 5465 3.1)."""
    asked = [group.filter for group in groups if group.events and any(map(is_shared, group.filter.names))]
    if not asked:
        return []
    return [
        Listed(("\\NoAccess", "\\Noselect"), each.name)
        for each in await others(session)
        if Rights.READ not in each.rights and any(covers(filter_, each.name, ()) for filter_ in asked)
    ]
