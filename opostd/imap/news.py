"""What one connection is told of changes: before a tagged line, while it idles, and unasked after NOTIFY (RFC 5465).

Hints only wake; what is told is found by looking.  What must stay true: nothing is told of a box that may not be read
any more; a hint that comes while something is being told is not forgotten; a client that does not read is waited for
before more is found out for it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import NoReturn

from opostd.imap import access, faults
from opostd.imap.commands.select import permanent_flags
from opostd.imap.format.any import format_response, format_state
from opostd.imap.notices import Notices
from opostd.imap.session import Session
from opostd.imap.state.view import catch_up
from opostd.imap.state.wishes import Wishes
from opostd.imap.stream import Stream, Transport
from opostd.imap.values.responses import BoxFlags, Condition, Response
from opostd.model.errors import NoSuchBox, OpostError
from opostd.model.rights import flag_scope

log = logging.getLogger("opostd.imap")

BOX_GONE = "the selected mailbox is not there any more"  # deleted, or not to be read any more: told alike
RETRY_NOTICES_S = 5.0  # after the store could not be asked: as the hub's tick


class News:
    """session: another one after UNAUTHENTICATE.  due: a hint has come since something was told last.

    leave: tells the client why, and ends the connection.
    """

    def __init__(
        self, session: Session, stream: Stream, transport: Transport, leave: Callable[[str], NoReturn]
    ) -> None:  # fmt: skip
        self.session = session
        self.due = False
        self._stream = stream
        self._transport = transport
        self._leave = leave

    def wake(self) -> None:
        """There may be something to tell."""
        self.due = True
        self._stream.wake()

    # Around a command

    async def look_at_rights(self) -> None:
        """Before anything is done with, or told of, a box of another: may it still be read? (RFC 4314 5.1.1)"""
        box = self.session.selected
        if box is None or not box.foreign:
            return
        before = box.rights
        if not await access.still(self.session):
            self._leave(BOX_GONE)
        if flag_scope(before) != flag_scope(box.rights):
            self._stream.write(format_response(BoxFlags(box.snapshot.keywords_in_use())))
            self._stream.write(format_response(permanent_flags(box)))

    async def show(self, *, may_expunge: bool, everything: bool) -> None:
        """Changes of the selected box, before a tagged line; after NOTIFY only those that are wanted, or everything."""
        notices = self.session.notices
        if notices is None:
            self.show_changes(may_expunge=may_expunge)
        else:
            await self._told(notices.of_selected(may_expunge=may_expunge, everything=everything))

    def show_changes(self, *, may_expunge: bool) -> None:
        """All that has happened in the selected box, to a client that has not said NOTIFY."""
        box = self.session.selected
        if box is None:
            return
        view, snapshot = box.view, box.snapshot
        if view.modseq == snapshot.modseq and view.uids is snapshot.uids:  # mostly; as catch_up would find
            box.own.clear()
            return
        box.view, told = catch_up(view, snapshot, may_expunge=may_expunge, own=box.own, manner=self.session.manner)
        box.own.clear()
        if told:  # a thousand lines of EXPUNGE are one write
            self._stream.write(b"".join([format_response(response) for response in told]))

    # While nothing runs

    async def tell(self) -> None:
        """What is due to a client that has said NOTIFY."""
        await self._tell(idling=False)

    async def idle(self) -> None:
        """What is due to a client in IDLE: after NOTIFY exactly what that has asked for (RFC 5465 4).

        Raises NoSuchBox, and what the store says that cannot be asked.
        """
        if self.session.notices is not None:
            await self._tell(idling=True)
            return
        self.due = False
        box = self.session.selected
        if box is not None:
            if box.live.deleted:
                raise NoSuchBox(BOX_GONE)
            await self.look_at_rights()
            self.show_changes(may_expunge=True)

    async def _tell(self, *, idling: bool) -> None:
        self.due = False
        notices, box = self.session.notices, self.session.selected
        if notices is None or not notices.due:
            return
        if box is not None and box.live.deleted:
            self._leave(BOX_GONE)
        await self._transport.drain()  # small lines never fill a write: here a client is waited for that does not read
        try:
            await self.look_at_rights()
        except OpostError as error:
            self._tell_later(error)
            return
        await self._told(notices.news(may_expunge=idling or notices.wishes.at_once))

    async def _told(self, news: AsyncIterator[Response | list[bytes]]) -> None:
        try:
            async for each in news:
                if isinstance(each, list):
                    await self._stream.write_whole(each)
                else:
                    self._stream.write(format_response(each, utf8=self.session.utf8))
                if self._stream.full:
                    await self._stream.flush()
        except faults.TooMuchToNotify as error:  # RFC 5465 5.8
            self._stream.write(format_state(Condition.OK, str(error), b"NOTIFICATIONOVERFLOW"))
            self.session.notify(Notices(self.session, Wishes.of(()), self.wake))
        except OpostError as error:
            self._tell_later(error)

    def _tell_later(self, error: OpostError) -> None:
        log.warning("notices not told: %s; trying again", error)
        asyncio.get_running_loop().call_later(RETRY_NOTICES_S, self.wake)
